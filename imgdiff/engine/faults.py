"""Whose fault an error is: a row's, which then fails alone, or no row's, which stops the run."""

from collections.abc import Iterable

from imgdiff.data.readers.base import utf8
from imgdiff.errors import BrokenDeviceError, RowError, StoppedError
from imgdiff.models import Models
from imgdiff.models.memory import is_out_of_memory
from imgdiff.operator import Operator
from imgdiff.store.files import is_disk_full

LONGEST_MESSAGE = 300
SYSTEM_PACKAGES = {  # what OpenCV lacks on a machine without a screen -> the package that has it
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libxcb.so.1": "libxcb1",
}


def raise_what_stops(operator: str, error: BaseException) -> None:
    """Return if a row may be to blame for an error; every other row would meet the others too.

    Raises:
        StoppedError: a server cannot be reached, a library is missing, the GPU stopped working.
        OSError: the disk is full.
        KeyboardInterrupt: a person stops the run.
    """
    if isinstance(error, KeyboardInterrupt | StoppedError) or is_disk_full(error):
        raise error
    if isinstance(error, ImportError):
        raise StoppedError(f"{operator}: {cannot_import(error)}") from error
    text = text_of(error)
    if "device-side assert" in text or text.startswith("CUDA error"):
        # no cause: its traceback would hold the batch's tensors in memory
        raise BrokenDeviceError(f"{operator}: CUDA stopped working ({first_line(text)})") from None


def cannot_import(error: BaseException) -> str:
    """What an import raised, and how what is missing is installed."""
    text = " ".join(text_of(error).split())[:LONGEST_MESSAGE]
    if not isinstance(error, ImportError):  # a library may raise anything while it is imported
        text = f"{type(error).__name__}: {text}"
    package = next((each for file, each in SYSTEM_PACKAGES.items() if file in text), None)
    if package is None:
        return f"{text}. Install what is missing, then run again."
    return (
        f"{text}. On Debian and Ubuntu: apt-get install {package}. Or, in the place of "
        "opencv-python: pip install opencv-python-headless. Then run again."
    )


def explained(error: BaseException) -> tuple[str, str]:
    """The reason code and the message of a row that is to blame."""
    text = text_of(error)
    if isinstance(error, RowError):
        return error.code, text[:LONGEST_MESSAGE]
    if is_out_of_memory(error):
        return "out_of_memory", first_line(text)
    return "operator_error", f"{type(error).__name__}: {first_line(text)}"


def set_up(phase: str, operators: Iterable[Operator], models: Models) -> None:
    """Give the operators of a phase their models.

    Raises:
        StoppedError: one of them cannot be set up.
    """
    for operator in operators:
        try:
            operator.setup(models)
        except BaseException as error:
            raise_what_stops(operator.name, error)
            text = " ".join(text_of(error).split())[:LONGEST_MESSAGE]
            if isinstance(error, OSError | ValueError):  # what model libraries raise
                raise StoppedError(f"{phase}: a model cannot be loaded: {text}") from error
            text = f"{operator.name} cannot be set up: {type(error).__name__}: {text}"
            raise StoppedError(f"{phase}: {text}") from error


def text_of(error: BaseException) -> str:
    """What an error says, as text that can be stored."""
    try:
        text = str(error).strip()
    except Exception:  # an error's own text may be broken, too
        return "it has no text that can be read"
    return utf8(text)


def first_line(text: str) -> str:
    return text[:LONGEST_MESSAGE].partition("\n")[0]
