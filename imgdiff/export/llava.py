"""LLaVA: one picture a sample, so that both images are joined."""

from collections.abc import Sequence

from imgdiff.export.base import example_turns
from imgdiff.export.json_format import JsonFormat, JsonRecord
from imgdiff.export.samples import Sample
from imgdiff.export.validation import Example, ExportError


class Llava(JsonFormat):
    """A list of records, `image` a name: `--data_path train.json --image_folder .`"""

    name = "llava"
    form = "joined"

    def record(self, sample: Sample, pictures: Sequence[str]) -> JsonRecord:
        if len(pictures) > 1:
            text = f"sample {sample.id} asks about {len(pictures)} pictures, llava takes one"
            raise ExportError(f"{text}. Set conversation_mapper.form: joined")
        return {"id": sample.id, "image": pictures[0], "conversations": sample.turns}

    def example(self, record: JsonRecord) -> Example:
        pictures = [self.read(record["image"])]
        return Example(record["id"], example_turns(record["conversations"]), pictures)
