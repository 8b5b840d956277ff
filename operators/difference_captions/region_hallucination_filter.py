"""Keep the boxes whose captions name nothing that is not there."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, field_validator

from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.phrase_scores import PHRASE, TEMPLATE, PhraseScorer
from imgdiff.operator import Params, RegionFilter, register
from imgdiff.text.answers import as_phrase
from imgdiff.text.lexicon import DEFAULT_LEXICON, LexiconName, load_lexicon
from imgdiff.text.phrases import noun_phrases


class RegionHallucinationParams(Params):
    lexicon: LexiconName = Field(
        DEFAULT_LEXICON, description="whose nouns are looked for in the captions"
    )
    template: str = Field(TEMPLATE, description="what CLIP reads; {phrase} stands for the phrase")
    min_score: float = Field(
        0.23, ge=-1, le=1, description="cosine; a phrase below it is not in the crop"
    )

    @field_validator("template")
    @classmethod
    def _holds_the_phrase(cls, template: str) -> str:
        if PHRASE not in template:
            raise ValueError(f"template has no {PHRASE}")
        return template


@register("region_hallucination_filter")
class RegionHallucinationFilter(RegionFilter):
    """Score every phrase of a region's two captions against its own crop by CLIP, and refuse the
    region where one of either side scores too low (EFUF's scores, section 3.2, on crops).

    A caption that names no noun of the lexicon is one phrase as a whole: `nothing but grass`.
    """

    stage = "difference_captions"
    Params = RegionHallucinationParams
    reads = ("image_a", "image_b", "regions.caption_a", "regions.caption_b")
    roles = ("clip",)
    scaled = ("min_score",)
    region_scores = ("phrase_a", "phrase_b")  # the lowest cosine of a side's phrases
    limits: ClassVar = dict.fromkeys(region_scores, ("min_score", None))
    nothing_left = "no_faithful_caption"

    def setup(self, models: Models) -> None:
        self.scorer = PhraseScorer(models.clip(), self.params.template)
        self.lexicon = load_lexicon(self.params.lexicon)

    def score(self, rows: Sequence[Row]) -> None:
        crops, phrases, places = [], [], []
        for row in rows:
            pictures = images.load_pair(row)
            for region in row.kept_regions:
                captions = region.caption_a, region.caption_b
                for side, picture, caption in zip("ab", pictures, captions, strict=True):
                    crops.append(images.square_crop(picture, region.box_xyxy))
                    phrases.append(self._phrases(caption))
                    places.append((region, side))
        scores = self.scorer.of_pictures(crops, phrases)
        for (region, side), cosines in zip(places, scores, strict=True):
            region.scores[f"phrase_{side}"] = float(cosines.min())

    def _phrases(self, caption: str) -> list[str]:
        spans = noun_phrases(caption, self.lexicon)
        return [span.of(caption) for span in spans] or [as_phrase(caption)]

    def decide_regions(self, row: Row, regions: list[Region]) -> None:
        for region in regions:
            if min(region.scores[name] for name in self.region_scores) < self.params.min_score:
                region.reject(self.name, "caption_hallucinates")
