"""ms-swift: messages, images, and the boxes as objects."""

from collections.abc import Sequence

from imgdiff.data.conversations import QUESTIONS
from imgdiff.export.base import messages
from imgdiff.export.json_format import JsonFormat, JsonRecord
from imgdiff.export.samples import Sample
from imgdiff.export.validation import Example

BOX = "<bbox>"  # ms-swift writes a box there, in the convention of the model that is trained
NAMED_BOXES = QUESTIONS["two_images"].replace(
    "marked by red boxes", f"marked by red boxes, {BOX} in the first and {BOX} in the second"
)


class MsSwift(JsonFormat):
    """JSON lines. The red boxes are drawn, and our own question names them too.

    `objects`: bbox, xyxy pixels of the picture that image_id (from 0) names. Without image_id every
    box would be scaled by the first picture.
    """

    name = "ms_swift"
    one_a_line = True

    def record(self, sample: Sample, pictures: Sequence[str]) -> JsonRecord:
        spoken = messages(sample.turns)
        for message in spoken:
            if message["content"] == QUESTIONS["two_images"]:
                message["content"] = NAMED_BOXES
        boxes = sample.boxes if any(BOX in message["content"] for message in spoken) else []
        objects = {
            "ref": [],
            "bbox": [list(box) for _, box in boxes],
            "bbox_type": "real",
            "image_id": [number for number, _ in boxes],
        }
        record = {"id": sample.id, "messages": spoken, "images": list(pictures)}
        return record | ({"objects": objects} if boxes else {})

    def example(self, record: JsonRecord) -> Example:
        objects = record.get("objects", {"bbox": [], "image_id": []})
        return Example(
            record["id"],
            [(message["role"], message["content"]) for message in record["messages"]],
            [self.read(name) for name in record["images"]],
            [
                (number, tuple(box))
                for number, box in zip(objects["image_id"], objects["bbox"], strict=True)
            ],
            BOX,
        )
