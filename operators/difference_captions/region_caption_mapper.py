"""Say what each image shows in a box."""

from collections.abc import Sequence

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.asking import RegionView
from imgdiff.operator import Mapper, Params, register
from imgdiff.text.answers import is_refusal


class RegionCaptionParams(Params):
    batch_size: int = Field(
        8, ge=1, le=64, description="rows; all their regions go to the model at once"
    )
    view: RegionView | None = Field(
        None,
        description="the whole image, the box named in the question (as in the paper) or drawn in "
        "red; or the crop; null: what suits the model's family",
    )
    prompt: str | None = Field(
        None,
        description="the question; {box} stands for the box, as the family names it; null: the "
        "family's own words",
    )
    max_new_tokens: int = Field(64, ge=1, le=1024)


@register("region_caption_mapper")
class RegionCaptionMapper(Mapper):
    """Write caption_a and caption_b of every region with an MLLM, greedily (Img-Diff, section
    3.4).

    It is asked as its family was trained to be: docs/models.md.
    """

    version = "2"
    stage = "difference_captions"
    Params = RegionCaptionParams
    reads = ("image_a", "image_b", "regions")
    writes = ("regions.caption_a", "regions.caption_b")
    roles = ("mllm",)

    def setup(self, models: Models) -> None:
        self.mllm = models.mllm()

    def process(self, rows: Sequence[Row]) -> None:
        p, profile = self.params, self.mllm.profile
        asked, regions = [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                regions.append(region)
                asked += [
                    profile.region_question(each, region.box_xyxy, p.view, p.prompt)
                    for each in pictures
                ]
        answers = self.mllm.answer(asked, p.max_new_tokens) if regions else []
        for region, caption_a, caption_b in zip(regions, answers[0::2], answers[1::2], strict=True):
            region.caption_a, region.caption_b = caption_a, caption_b
            if is_refusal(caption_a) or is_refusal(caption_b):
                region.reject(self.name, "answer_form")
        for row in rows:
            if not row.kept_regions:
                row.reject(self.name, "no_caption", "the model described no area")
