"""Files that are whole or absent, JSON in them, and a lock that dies with its process."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, TextIO

TEMPORARY = ".tmp"


def is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, content: bytes, durable: bool = True) -> None:
    """Write beside the target, reach the disk, rename: readers see the old file or the new one.

    durable: whether to wait until the file is on the disk.
    """
    with written_beside(path, content, durable) as temporary:
        os.replace(temporary, path)
    if durable:
        sync_folder(path.parent)


@contextmanager
def written_beside(path: Path, content: bytes, durable: bool = True) -> Iterator[Path]:
    """A temporary file with that content beside `path`, to be renamed; it goes with the context."""
    temporary = path.with_name(f"{path.name}.{token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Else a rename itself may be lost with the power."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_temporary_files(path: Path) -> None:
    """Delete what killed writers left in a folder. Only while nobody writes there."""
    for leftover in path.rglob(f"*{TEMPORARY}"):
        leftover.unlink()


def swap_folder(new: Path, target: Path) -> None:
    """Put folder `new` in place of `target`; two steps, as no rename replaces a full folder."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def locked(file: TextIO) -> Iterator[str | None]:
    """Hold a file's lock, saying who does; gives None, or in words who else has it.

    The system frees the lock when the process ends, however it ends.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield _holder(file)
        return
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    file.truncate(0)
    json.dump({"host": socket.gethostname(), "pid": os.getpid(), "started": now}, file)
    file.flush()
    yield None


def _holder(file: TextIO) -> str:
    file.seek(0)
    with contextlib.suppress(ValueError, KeyError):
        held = json.load(file)
        since = datetime.fromisoformat(held["started"])
        return f"process {held['pid']} on {held['host']} since {since:%Y-%m-%d %H:%M}"
    return "another process"  # which has not yet written its name


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if nothing readable is there."""
    try:
        return from_json(path.read_bytes())
    except OSError:
        return None


def from_json(content: bytes) -> dict[str, Any] | None:
    """A JSON object; None if it is none."""
    try:
        read = json.loads(content)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def to_json(content: dict[str, Any], indent: int | None = 1) -> bytes:
    """indent: None writes one line, which is much faster: for the many files that few look into."""
    return (json.dumps(content, indent=indent, ensure_ascii=False) + "\n").encode()
