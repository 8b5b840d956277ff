"""LLaVA-NeXT-Interleave: two pictures a sample."""

from collections.abc import Sequence

from imgdiff.export.base import example_turns
from imgdiff.export.json_format import JsonFormat, JsonRecord
from imgdiff.export.samples import Sample
from imgdiff.export.validation import Example


class LlavaInterleave(JsonFormat):
    """A list of records, `image` a list of names in the order of the `<image>` tokens."""

    name = "llava_interleave"

    def record(self, sample: Sample, pictures: Sequence[str]) -> JsonRecord:
        return {"id": sample.id, "image": list(pictures), "conversations": sample.turns}

    def example(self, record: JsonRecord) -> Example:
        pictures = [self.read(name) for name in record["image"]]
        return Example(record["id"], example_turns(record["conversations"]), pictures)
