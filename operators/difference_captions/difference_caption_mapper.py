"""Say how the two images differ in a box."""

import re
from collections.abc import Sequence

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.roles import Question
from imgdiff.operator import Mapper, Params, register
from imgdiff.text import prompts
from imgdiff.text.answers import as_phrase, is_refusal


class DifferenceCaptionParams(Params):
    batch_size: int = Field(
        8, ge=1, le=64, description="rows; all their regions go to the model at once"
    )
    prompt: str = Field(
        prompts.DIFFERENCE,
        min_length=1,
        description="the question; {caption_a} and {caption_b} stand for the region captions",
    )
    max_new_tokens: int = Field(128, ge=1, le=1024)


@register("difference_caption_mapper")
class DifferenceCaptionMapper(Mapper):
    """Write the difference of every region: red boxes, a black bar between, one question (section
    3.4).

    The joined picture is padded to a square, because LLaVA-type processors cut the centre out of a
    wide one.
    """

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
                marked = [images.shrink(images.draw_box(p, region.box_xyxy)) for p in pictures]
                joined = images.pad_to_square(images.side_by_side(*marked))
                asked.append(Question((joined,), self._question(region)))
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
        # in one go: a caption is model output, braces in it stay as they are
        return re.sub(r"\{(caption_[ab])\}", lambda place: said[place[1]], self.params.prompt)
