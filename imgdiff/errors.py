"""How a row ends badly, and how a run ends without being complete; the texts are for users."""


class RowError(Exception):
    """Raised by an operator for one bad row: it ends as failed with `code` as its reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedError(Exception):
    """The run was refused before any work: something must be changed first (exit code 2)."""


class StoppedError(Exception):
    """The run cannot go on now; what is done is safe, the same command resumes it (exit code 1)."""


class BrokenDeviceError(StoppedError):
    """The GPU does not work any more in this process; a fresh one may go on."""
