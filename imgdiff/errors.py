"""How a row ends badly, and how a run ends without being complete; the texts are for users."""

COMPLETE, STOPPED, REFUSED, TOO_MANY_FAILED = range(4)  # exit codes of a run


class RowError(Exception):
    """Raised by an operator for one bad row: it ends as failed with `code` as its reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedError(Exception):
    """The run was refused before any work: something must be changed first (exit code 2)."""


def missing_package(module: str | None, extra: str) -> RefusedError:
    """What to do for a module of an extra that is not there. Installed from the checkout: the
    name imgdiff is another project's on PyPI."""
    package = str(module).partition(".")[0]
    way_out = f"In the checkout of imgdiff: pip install -e '.[{extra}]'"
    return RefusedError(f"{package} is missing. {way_out}")


class StoppedError(Exception):
    """The run cannot go on now; what is done is safe, the same command resumes it (exit code 1)."""


class TooManyFailedError(Exception):
    """The run is complete, but more rows failed than its recipe allows (exit code 3)."""


class BrokenDeviceError(StoppedError):
    """The GPU does not work any more in this process; a fresh one may go on."""
