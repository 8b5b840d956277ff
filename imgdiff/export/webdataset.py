"""WebDataset: tar files to be streamed, the parts of a sample side by side under one key."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from imgdiff.export import FinishedRun
from imgdiff.export.base import SampleFormat, example_turns
from imgdiff.export.samples import Sample
from imgdiff.export.split import Side
from imgdiff.export.validation import Example

TAR_BYTES = 500 << 20  # a tar that has grown past it is followed by another one


class WebDataset(SampleFormat):
    """`train-000000.tar` and so on, of `KEY.image1.png`, `KEY.image2.png` and `KEY.json`.

    The JSON holds id, conversations and boxes: xyxy pixels of the picture that `image` names.
    """

    name = "webdataset"

    def __init__(self, folder: Path, run: FinishedRun, validation_fraction: float) -> None:
        super().__init__(folder, run, validation_fraction)
        self._open: dict[Side, tarfile.TarFile] = {}

    def write(self, sample: Sample, pictures: Sequence[bytes]) -> None:
        tar = self._tar(sample.side)
        for number, content in enumerate(pictures, 1):
            _add(tar, f"{sample.name}.image{number}.png", content)
        boxes = [{"image": f"image{k + 1}.png", "box_xyxy": list(box)} for k, box in sample.boxes]
        record = {"id": sample.id, "conversations": sample.turns, "boxes": boxes}
        _add(tar, f"{sample.name}.json", json.dumps(record, ensure_ascii=False).encode())

    def close(self) -> None:
        for tar in self._open.values():
            tar.close()

    def examples(self, side: Side) -> Iterator[Example]:
        for path in self._files(side):
            with tarfile.open(path) as tar:
                for _, members in groupby(tar, key=lambda member: member.name.split(".")[0]):
                    yield _example({_suffix(member): _content(tar, member) for member in members})

    def _tar(self, side: Side) -> tarfile.TarFile:
        tar = self._open.get(side)
        if tar is not None and tar.offset >= TAR_BYTES:
            tar.close()
            tar = None
        if tar is None:
            path = self.folder / f"{side}-{len(self._files(side)):06d}.tar"
            tar = self._open[side] = tarfile.open(path, "x")  # noqa: SIM115 (closed when full)
        return tar

    def _files(self, side: Side) -> list[Path]:
        return sorted(self.folder.glob(f"{side}-*.tar"))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no time: the same samples, the same bytes
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _suffix(member: tarfile.TarInfo) -> str:
    """What follows the key: `image1.png`, `json`."""
    return member.name.partition(".")[2]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _example(parts: dict[str, bytes]) -> Example:
    record = json.loads(parts.pop("json"))
    names = list(parts)
    boxes = [(names.index(box["image"]), tuple(box["box_xyxy"])) for box in record["boxes"]]
    return Example(
        record["id"], example_turns(record["conversations"]), list(parts.values()), boxes
    )
