"""LLaVA-NeXT-Interleave: two pictures a sample."""

from collections.abc import Sequence

from imgdiff.export.base import spoken
from imgdiff.export.json_format import JsonFormat, Record
from imgdiff.export.samples import Sample
from imgdiff.export.validation import Example


class LlavaInterleave(JsonFormat):
    """A list of records, `image` a list of names in the order of the `<image>` tokens."""

    name = "llava_interleave"

    def record(self, sample: Sample, pictures: Sequence[str]) -> Record:
        return {"id": sample.id, "image": list(pictures), "conversations": sample.turns}

    def example(self, record: Record) -> Example:
        pictures = [self.read(name) for name in record["image"]]
        return Example(record["id"], spoken(record["conversations"]), pictures)
