"""The two ways in which a run ends without being complete; their texts are for users."""


class RefusedError(Exception):
    """The run was refused before any work: something must be changed first (exit code 2)."""


class StoppedError(Exception):
    """The run cannot go on now; what is done is safe, the same command resumes it (exit code 1)."""


class BrokenDeviceError(StoppedError):
    """The GPU does not work any more in this process; a fresh one may go on."""
