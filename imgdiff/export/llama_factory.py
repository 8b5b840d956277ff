"""LLaMA-Factory: ShareGPT records, and the file that registers them."""

import json
from collections.abc import Sequence

from imgdiff.export.base import example_turns
from imgdiff.export.json_format import JsonFormat, JsonRecord
from imgdiff.export.samples import Sample, safe_name
from imgdiff.export.split import SIDES
from imgdiff.export.validation import Example


class LlamaFactory(JsonFormat):
    """Records with `images`, and `dataset_info.json`: the folder is a `dataset_dir`.

    The datasets are called `{project}_train` and `{project}_validation`.
    """

    name = "llama_factory"

    def record(self, sample: Sample, pictures: Sequence[str]) -> JsonRecord:
        return {"id": sample.id, "conversations": sample.turns, "images": list(pictures)}

    def close(self) -> None:
        super().close()
        project = safe_name(self.run.info.project_name)
        columns = {"messages": "conversations", "images": "images"}
        registered = {
            f"{project}_{side}": {
                "file_name": self.file(side).name,
                "formatting": "sharegpt",
                "columns": columns,
            }
            for side in SIDES
            if self.file(side).exists()
        }
        text = json.dumps(registered, indent=2, ensure_ascii=False)
        (self.folder / "dataset_info.json").write_text(f"{text}\n", encoding="utf-8")

    def example(self, record: JsonRecord) -> Example:
        pictures = [self.read(name) for name in record["images"]]
        return Example(record["id"], example_turns(record["conversations"]), pictures)
