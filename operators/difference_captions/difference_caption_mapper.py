"""Say how the two images differ in a box."""

import re
from collections.abc import Sequence

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.text.answers import as_phrase, is_refusal


class DifferenceCaptionParams(Params):
    batch_size: int = Field(
        8, ge=1, le=64, description="rows; all their regions go to the model at once"
    )
    prompt: str | None = Field(
        None,
        min_length=1,
        description="the question; {caption_a} and {caption_b} stand for the region captions; "
        "null: about the left and the right image, or about the first and the second one where the "
        "model's family reads two",
    )
    max_new_tokens: int = Field(128, ge=1, le=1024)


@register("difference_caption_mapper")
class DifferenceCaptionMapper(Mapper):
    """Write the difference of every region: red boxes, one question about both images (section
    3.4).

    A model whose family reads one picture sees them side by side, a black bar between.
    """

    version = "2"

    stage = "difference_captions"
    Params = DifferenceCaptionParams
    reads = ("image_a", "image_b", "regions.caption_a", "regions.caption_b")
    writes = ("regions.difference",)
    roles = ("mllm",)

    def setup(self, models: Models) -> None:
        self.mllm = models.mllm()

    def process(self, rows: Sequence[Row]) -> None:
        asked, regions = [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                text = self._question(region)
                asked.append(self.mllm.profile.pair_question(pictures, region.box_xyxy, text))
                regions.append(region)
        answers = self.mllm.answer(asked, self.params.max_new_tokens) if regions else []
        for region, answer in zip(regions, answers, strict=True):
            region.difference = answer
            if is_refusal(answer):
                region.reject(self.name, "answer_form")
        for row in rows:
            if not row.kept_regions:
                row.reject(self.name, "no_difference_caption", "the model described no difference")

    def _question(self, region: Region) -> str:
        said = {name: as_phrase(getattr(region, name)) for name in ("caption_a", "caption_b")}
        words = self.params.prompt or self.mllm.profile.difference
        # in one go: a caption is model output, braces in it stay as they are
        return re.sub(r"\{(caption_[ab])\}", lambda place: said[place[1]], words)
