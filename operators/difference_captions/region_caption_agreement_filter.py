"""Keep the boxes whose captions name what the caption pair says was exchanged."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from imgdiff.data.boxes import area
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.operator import Params, RegionFilter, register
from imgdiff.text.agreement import agreement, exchanged
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName, load_lexicon

CAPTIONS = ("caption_a", "caption_b", "regions.caption_a", "regions.caption_b")
SIDES, DIFFERENCE = ("caption_agreement_a", "caption_agreement_b"), "difference_agreement"


class RegionCaptionAgreementParams(Params):
    lexicon: LexiconName = Field(
        DEFAULT_LEXICON, description="whose nouns and attributes are looked for in the captions"
    )
    min_agreement: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the exchanged thing's words that a caption gives one thing; 0 where "
        "its noun is missing",
    )
    difference: bool = Field(True, description="the difference caption must name both things too")
    max_regions: int = Field(5, ge=1, le=100, description="largest boxes that are kept")


@register("region_caption_agreement_filter")
class RegionCaptionAgreementFilter(RegionFilter):
    """Refuse a box unless A's region caption names what only caption A names, B's what only caption
    B names, and the difference caption both: the MLLM, which never read the captions, as a second
    witness of the edit.

    Where something was only added, or only removed, the other image's caption alone is asked. Of
    several boxes the largest are kept, which show the thing whole in both images. Not in the paper,
    where the captions meet the boxes in `region_text_matching_filter` alone.
    """

    stage = "difference_captions"
    Params = RegionCaptionAgreementParams
    reads: tuple[str, ...] = (*CAPTIONS, "regions.difference")
    region_scores: tuple[str, ...] = (*SIDES, DIFFERENCE)
    limits: ClassVar = dict.fromkeys((*SIDES, DIFFERENCE), ("min_agreement", None))
    decided_by = ("max_regions",)
    nothing_left = "no_agreement"

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if not self.params.difference:
            self.reads, self.region_scores = CAPTIONS, SIDES

    def setup(self, models: Models) -> None:
        self.lexicon = load_lexicon(self.params.lexicon)

    def score(self, rows: Sequence[Row]) -> None:
        for row in rows:
            sides = exchanged(row["caption_a"], row["caption_b"], self.lexicon)
            if not any(sides):
                message = "no noun of the lexicon stands where the captions differ"
                row.reject(self.name, "nothing_named", message)
                continue
            for region in row.kept_regions:
                captions = region.caption_a, region.caption_b
                for name, things, caption in zip(SIDES, sides, captions, strict=True):
                    if things:
                        region.scores[name] = agreement(things, caption, self.lexicon)
                if self.params.difference:
                    both = [*sides[0], *sides[1]]
                    region.scores[DIFFERENCE] = agreement(both, region.difference, self.lexicon)

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        kept = 0
        for region in sorted(regions, key=lambda region: -area(region.box_xyxy)):
            asked = [region.scores[name] for name in self.region_scores if name in region.scores]
            if min(asked) < self.params.min_agreement:
                region.reject(self.name, "caption_disagrees")
            elif kept == self.params.max_regions:
                region.reject(self.name, "over_limit")
            else:
                kept += 1
