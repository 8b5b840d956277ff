"""Say what an image shows."""

from collections.abc import Sequence

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.roles import Question
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.answers import is_refusal


class SceneCaptionParams(Params):
    batch_size: int = Field(16, ge=1, le=256)
    prompt: str = Field(prompts.SCENE, min_length=1, description="the question")
    max_new_tokens: int = Field(64, ge=1, le=1024, description="longest caption")


@register("scene_caption_mapper")
class SceneCaptionMapper(Mapper):
    """Write caption_a, what an MLLM says of image_a, greedily, and the prompt it was asked with
    (EFUF, section 3.2)."""

    version = "2"

    stage = "scene_captions"
    Params = SceneCaptionParams
    reads = ("image_a",)
    writes = ("caption_a", "prompt")
    roles = ("mllm",)

    def setup(self, models: Models) -> None:
        self.mllm = models.mllm()

    def process(self, rows: Sequence[Row]) -> None:
        p = self.params
        pictures = [images.shrink(images.load_rgb(row["image_a"])) for row in rows]
        asked = [Question((picture,), p.prompt) for picture in pictures]
        answers = self.mllm.answer(asked, p.max_new_tokens)
        for row, answer in zip(rows, answers, strict=True):
            row["caption_a"], row["prompt"] = answer, p.prompt
            if is_refusal(answer):
                row.reject(self.name, "answer_form", "the model described nothing")
