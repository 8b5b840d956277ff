"""Files that data names, which may be anything.

What is no regular file is not opened: reading a pipe waits for whoever writes into it, and a device
may never end.
"""

import os
import stat
from io import BufferedReader
from pathlib import Path, PureWindowsPath

from imgdiff.errors import RowError

LONGEST_NAME, LONGEST_PART = 4096, 255  # bytes of a path and of one name in it
KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def named_path(name: str) -> Path:
    """What a recipe or a command line names; `~` is the user's own folder.

    Whether it is there say `os.path.exists` and the like, which take any name: those of `Path`
    raise where a name is too long.
    """
    return Path(os.path.expanduser(name))


def path_name(name: str) -> str:
    """`name`, if a file or folder can be called so.

    Raises:
        ValueError: it is too long.
    """
    parts = [len(part.encode()) for part in Path(name).parts]
    if len(name.encode()) >= LONGEST_NAME or max(parts, default=0) > LONGEST_PART:
        raise ValueError(f"{len(name):,} characters are too many for the name of a folder")
    return name


def has_parquet(folder: Path) -> bool:
    """Whether there is such a folder, with a file of that kind."""
    return os.path.isdir(folder) and any(folder.glob("*.parquet"))


class NotAFileError(OSError):
    """What has the name of a file is something else."""


def open_regular(path: Path) -> BufferedReader:
    """A regular file, opened to be read.

    Raises:
        OSError: it cannot be read. NotAFileError: it is a pipe, a folder or the like.
    """
    _refuse_others(path, os.stat(path))  # before it is opened, which can have effects
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_others(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise


def read_regular(path: Path, most: int | None = None) -> bytes:
    """The content of a regular file; of a larger one than `most` bytes the first `most + 1`.

    Raises:
        OSError: as of `open_regular`.
    """
    with open_regular(path) as file:
        if most is None:
            return file.read()
        size = os.fstat(file.fileno()).st_size
        return file.read(min(size, most) + 1)  # room is made for as many


def _refuse_others(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise NotAFileError(0, f"it is {kind}, not a file", str(path))


def inside(folder: Path, name: str) -> Path:
    """The file `name` of a folder; it must be in it, whatever links do.

    Raises:
        RowError: path_outside; or image_missing, where links lead in a circle.
    """
    shown = name if len(name) <= LONGEST_NAME else f"{name[:100]}... ({len(name):,} characters)"
    outside = RowError("path_outside", f"image path {shown} is outside the input's folder")
    if shown != name or PureWindowsPath(name).drive or "\\" in name or "\0" in name:
        raise outside
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise outside
    except (OSError, RuntimeError):  # which of them, depends on the version of Python
        raise RowError("image_missing", f"cannot read {name}: links lead in a circle") from None
    return path
