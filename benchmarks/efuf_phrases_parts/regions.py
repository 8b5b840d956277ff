"""Whether phrase scores on crops tell right region captions from wrong ones, beside the matcher's
scores: on rendered pairs with one thing replaced or recoloured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from embedded.figures import Figure, bootstrapped
from embedded.perception import recipe_params
from rendered import make_pairs

from efuf_phrases_parts.scenes import area
from imgdiff.data import images
from imgdiff.data.rows import Region, Row
from imgdiff.models import Models
from imgdiff.models.phrase_scores import PHRASE
from imgdiff.operators.difference_captions.region_caption_mapper import RegionCaptionMapper
from imgdiff.operators.difference_captions.region_caption_matching_filter import (
    RegionCaptionMatchingFilter,
)
from imgdiff.operators.difference_captions.region_hallucination_filter import (
    RegionHallucinationFilter,
)
from imgdiff.testing import make_row, run_operator
from imgdiff.toyland.pairs import RenderedPair
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.views import shaken

KEPT_RIGHT = 0.95  # of regions with right captions, by the threshold of the phrase scores
MATCHING, PHRASES = 0, 1  # columns of `Regions.scores`


@dataclass(frozen=True)
class Regions:
    """Captioned boxes of pairs, two a pair.

    scores: [N, 2], the lower side's cosine of the caption with its crop by the matcher, and of its
    worst phrase by CLIP. right: [N] bool, both captions name thing and colour.
    """

    scores: np.ndarray
    right: np.ndarray


def regions(models: Models, split: str, count: int) -> Regions:
    """The boxes of the changed thing in A and in B, captioned as the recipe does and scored with
    every threshold open."""
    pairs = [pair for _, pair in make_pairs(split, count) if pair.kind != "unchanged"]
    rows = [_row(split, k, pair) for k, pair in enumerate(pairs)]
    rows = run_operator(
        RegionCaptionMapper, rows, models, **recipe_params(RegionCaptionMapper).model_dump()
    )
    rows = run_operator(RegionCaptionMatchingFilter, rows, models, min_itc=-1.0)
    open_ = {"lexicon": "toyland", "template": PHRASE, "min_score": -1.0}
    rows = run_operator(RegionHallucinationFilter, rows, models, **open_)
    scores, right = [], []
    for pair, row in zip(pairs, rows, strict=True):
        for region in row.kept_regions:
            worst = [[region.scores[f"{n}_{s}"] for s in "ab"] for n in ("caption_itc", "phrase")]
            scores.append([min(sides) for sides in worst])
            right.append(_said(pair.old.name, region.caption_a, pair.new.name, region.caption_b))
    return Regions(np.array(scores), np.array(right))


def _row(split: str, k: int, pair: RenderedPair) -> Row:
    rng = generator(split, 1_000_000 + k)
    boxes = [shaken(box, rng, by=0.06).tolist() for box in pair.boxes_xyxy]
    image_a, image_b = map(images.encode_png, pair.images)
    found = [
        Region((x0, y0, x1, y1), side) for (x0, y0, x1, y1), side in zip(boxes, "ab", strict=True)
    ]
    return make_row(f"{split}-{k}", found, image_a=image_a, image_b=image_b)


def _said(old: str, caption_a: str, new: str, caption_b: str) -> bool:
    return old in caption_a.lower() and new in caption_b.lower()


def cut_of(some: Regions) -> float:
    """The threshold of the phrase scores that keeps KEPT_RIGHT of the right regions, in
    hundredths."""
    return float(
        np.floor(np.quantile(some.scores[some.right, PHRASES], 1 - KEPT_RIGHT) * 100) / 100
    )


def region_figures(some: Regions, min_itc: float, min_score: float) -> list[Figure]:
    """How many region captions are right behind the matching filter alone, behind both filters, and
    behind the matching filter raised until it keeps as many as both."""
    cases = np.column_stack([some.scores, some.right])

    def kept(part: np.ndarray, *limits: tuple[int, float]) -> np.ndarray:
        for column, limit in limits:
            part = part[part[:, column] >= limit]
        return part

    def alone(part: np.ndarray) -> float:
        return _mean(kept(part, (MATCHING, min_itc)))

    def both(part: np.ndarray) -> float:
        return _mean(kept(part, (MATCHING, min_itc), (PHRASES, min_score)))

    def raised(part: np.ndarray) -> float:
        number = len(kept(part, (MATCHING, min_itc), (PHRASES, min_score)))
        best = np.argsort(-part[:, MATCHING], kind="stable")[:number]
        return _mean(part[best])

    def gain(part: np.ndarray) -> float:
        return both(part) - raised(part)

    def part_kept(part: np.ndarray) -> float:
        number = len(kept(part, (MATCHING, min_itc)))
        return len(kept(part, (MATCHING, min_itc), (PHRASES, min_score))) / max(number, 1)

    matching, phrases = (_auc(column) for column in (MATCHING, PHRASES))
    return [
        bootstrapped("region_auc_matching", "ROC-AUC of the matcher's cosine", matching, cases),
        bootstrapped("region_auc_phrases", "ROC-AUC of the worst phrase's cosine", phrases, cases),
        bootstrapped("region_right_matching", "right, behind the matching filter", alone, cases),
        bootstrapped("region_right_both", "right, behind both filters", both, cases),
        bootstrapped(
            "region_kept_by_both", "of what matching keeps, kept by both", part_kept, cases
        ),
        bootstrapped(
            "region_right_equal_yield",
            "right, matching raised until it keeps as many",
            raised,
            cases,
        ),
        bootstrapped("region_gain", "both filters minus matching raised", gain, cases),
    ]


def _auc(column: int) -> Callable[[np.ndarray], float]:
    def statistic(part: np.ndarray) -> float:
        right = part[:, 2] == 1
        return area(part[right, column], part[~right, column])

    return statistic


def _mean(part: np.ndarray) -> float:
    return float(part[:, 2].mean()) if len(part) else float("nan")
