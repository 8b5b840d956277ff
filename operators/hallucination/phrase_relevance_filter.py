"""Sort what a caption names into what its image shows and what is made up."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.phrase_scores import PHRASE, TEMPLATE, Aggregate, PhraseScorer
from imgdiff.operator import Filter, Params, register

POSITIVE, NEGATIVE = "positive", "negative"
SENTENCE_ENDS = (".", "!", "?", '."', '!"', '?"')


class PhraseRelevanceParams(Params):
    template: str = Field(TEMPLATE, description="what CLIP reads; {phrase} stands for the phrase")
    window: float = Field(
        0.4, gt=0, le=1, description="side of a window, as a share of the image's shorter side"
    )
    stride: float = Field(
        0.1, ge=0.02, le=1, description="step from window to window, likewise; side of a patch"
    )
    aggregate: Aggregate = Field(
        "max",
        description="max: the best window (EFUF's paper); top_patches: the mean of the four best "
        "patches (its code), lower throughout",
    )
    positive_above: float = Field(0.32, ge=-1, le=1, description="a phrase above it is shown")
    negative_below: float = Field(0.23, ge=-1, le=1, description="a phrase below it is made up")
    sentence_above: float = Field(
        0.275,
        ge=-1,
        le=1,
        description="a caption whose phrases have a mean above it, none being made up, may be "
        "learned as a whole",
    )

    @model_validator(mode="after")
    def _fits(self) -> "PhraseRelevanceParams":
        if PHRASE not in self.template:
            raise ValueError(f"template has no {PHRASE}")
        if self.stride > self.window:
            raise ValueError(f"stride {self.stride} is above window {self.window}")
        if self.negative_below > self.positive_above:
            raise ValueError("negative_below is above positive_above")
        return self


@register("phrase_relevance_filter")
class PhraseRelevanceFilter(Filter):
    """Write the score and the set of every phrase, and the set of the whole caption; keep captions
    with something in a set (EFUF, section 3.2).

    Defaults are the paper's, for CLIP-B/32: its 32, 23 and 27.5 are logits, 100 times the cosine.
    A phrase is positive above positive_above and negative below negative_below. A caption is
    positive where the mean of its phrases is above sentence_above, none is below negative_below (as
    in EFUF's code) and it ends like a sentence: one that was cut off must not be learned to its
    end.
    """

    stage = "hallucination"
    Params = PhraseRelevanceParams
    reads = ("image_a", "caption_a", "phrases")
    writes = ("phrases", "sentence_set")
    roles = ("clip",)
    scores = ("phrase_mean", "phrase_min", "phrase_max")  # over the caption's phrases
    decided_by = ("positive_above", "negative_below", "sentence_above")
    scaled = decided_by

    def setup(self, models: Models) -> None:
        self.scorer = PhraseScorer(models.clip(), self.params.template)

    def score(self, rows: Sequence[Row]) -> None:
        p = self.params
        pictures = [images.load_rgb(row["image_a"]) for row in rows]
        texts = [[phrase["text"] for phrase in row["phrases"]] for row in rows]
        found = self.scorer.in_windows(pictures, texts, p.window, p.stride, p.aggregate)
        for row, cosines in zip(rows, found, strict=True):
            if not len(cosines):
                row.reject(self.name, "no_phrase", "no object is named in the caption")
                continue
            row["phrases"] = [
                phrase | {"score": float(cosine)}
                for phrase, cosine in zip(row["phrases"], cosines, strict=True)
            ]
            for name in ("mean", "min", "max"):
                row.scores[f"phrase_{name}"] = float(getattr(cosines, name)())

    def decide(self, row: Row) -> None:
        row["phrases"] = [phrase | {"set": self._set(phrase)} for phrase in row["phrases"]]
        row["sentence_set"] = POSITIVE if self._whole(row) else ""
        if not row["sentence_set"] and not any(phrase["set"] for phrase in row["phrases"]):
            text = "no phrase is clearly shown or clearly made up"
            row.reject(self.name, "in_no_set", text)

    def _set(self, phrase: dict[str, Any]) -> str:
        if phrase["score"] > self.params.positive_above:
            return POSITIVE
        return NEGATIVE if phrase["score"] < self.params.negative_below else ""

    def _whole(self, row: Row) -> bool:
        shown = row.scores["phrase_mean"] > self.params.sentence_above
        made_up = row.scores["phrase_min"] < self.params.negative_below
        return shown and not made_up and row["caption_a"].rstrip().endswith(SENTENCE_ENDS)
