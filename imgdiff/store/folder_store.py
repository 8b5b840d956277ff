"""A store in a folder of this machine, or in one that several machines share."""

import errno
import os
import shutil
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path

from imgdiff.store.files import TEMPORARY, write_atomic, written_beside


class FolderStore:
    """A name is a path in the folder. Folders in it come and go with what lies in them."""

    def __init__(self, path: Path) -> None:
        self._said, self._path = path, path.absolute()  # workers of Ray begin in other folders

    def __str__(self) -> str:
        return str(self._said)

    def put(self, name: str, content: bytes) -> bool:
        path = self._place_for(name)
        if path.exists():
            return False
        with written_beside(path, content) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError:  # a disk without hard links: of two writers at once, the later stays
                os.replace(temporary, path)
        return True

    def replace(self, name: str, content: bytes, durable: bool = True) -> None:
        write_atomic(self._place_for(name), content, durable)

    def get(self, name: str) -> BufferedIOBase:
        path = self._path / name
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return path.open("rb")

    def stamp(self, name: str) -> tuple[int, float] | None:
        try:
            found = (self._path / name).stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime

    def list(self, prefix: str) -> Sequence[str]:
        names = []
        for folder, _, files in os.walk(self._path / prefix.rpartition("/")[0]):
            inside = "".join(f"{part}/" for part in Path(folder).relative_to(self._path).parts)
            names += [inside + file for file in files if not file.endswith(TEMPORARY)]
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        path = self._path / name
        path.unlink(missing_ok=True)
        folder = path.parent
        while folder != self._path and _is_removed(folder):
            folder = folder.parent

    def free_bytes(self) -> float:
        return shutil.disk_usage(self._path).free

    def _place_for(self, name: str) -> Path:
        """The path of a content that is about to be written."""
        path = self._path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _is_removed(folder: Path) -> bool:
    """Remove a folder if nothing is in it; whether that was done."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
