"""Phrases of the embedded MLLM's captions of rendered scenes, scored by several methods, with the
truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from embedded.figures import Figure, bootstrapped
from rich.progress import track

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.phrase_scores import (
    PHRASE,
    TEMPLATE,
    Aggregate,
    PhraseScorer,
    aggregated,
    cosines,
    sliding_windows,
)
from imgdiff.models.roles import Clip
from imgdiff.operators.scene_captions.caption_phrase_mapper import CaptionPhraseMapper
from imgdiff.operators.scene_captions.scene_caption_mapper import SceneCaptionMapper
from imgdiff.testing import make_row, run_operator
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.mentions import mentions
from imgdiff.toyland.scenes import SIZE, Picture, Scene, draw, generator, sample_scene

Truth = Literal["shown", "other colour", "made up"]
WHOLE, BOXES = "whole image", "true boxes"


@dataclass(frozen=True)
class ScoringMethod:
    """How a phrase is scored.

    view: (window, stride), the image as a whole, or the crops of the things that are really there,
    the best of which counts.
    """

    view: tuple[float, float] | Literal["whole image", "true boxes"]
    aggregate: Aggregate = "max"
    template: str = PHRASE

    def __str__(self) -> str:
        if isinstance(self.view, str):
            return self.view
        return "windows of {:g}, step {:g}".format(*self.view)

    @property
    def name(self) -> str:
        """Of its figure: `auc_windows_0.4_0.2_max`."""
        if isinstance(self.view, str):
            return f"auc_{self.view.replace(' ', '_')}"
        text = "_photo" if self.template == TEMPLATE else ""
        return "auc_windows_{:g}_{:g}_{}{}".format(*self.view, self.aggregate, text)


WINDOWS = ((0.4, 0.1), (0.4, 0.2), (0.3, 0.15), (0.5, 0.25))
METHODS = (
    *(ScoringMethod(view, how) for view in WINDOWS for how in ("max", "top_patches")),
    ScoringMethod((0.4, 0.2), "max", TEMPLATE),
    ScoringMethod(WHOLE),
    ScoringMethod(BOXES),
)


@dataclass(frozen=True)
class Captioned:
    """A scene with the phrases of its caption, the truth of each, and its score by each method."""

    picture: Picture
    row: Row
    truths: list[Truth]
    scores: dict[ScoringMethod, np.ndarray] = field(default_factory=dict)  # [T] each

    @property
    def makes_up(self) -> bool:
        return "made up" in self.truths


def captioned(models: Models, split: str, count: int) -> list[Captioned]:
    """The first scenes of a split, described by the MLLM; those in whose captions something of
    toyland is named."""
    scenes = [sample_scene(generator(split, k)) for k in range(count)]
    pictures = [draw(scene) for scene in scenes]
    rows = [
        make_row(f"{split}-{k}", image_a=images.encode_png(picture.image))
        for k, picture in enumerate(pictures)
    ]
    rows = run_operator(SceneCaptionMapper, rows, models)
    rows = run_operator(CaptionPhraseMapper, rows, models, lexicon="toyland")
    return [
        Captioned(picture, row, [truth_of(phrase["text"], scene) for phrase in row["phrases"]])
        for scene, picture, row in zip(scenes, pictures, rows, strict=True)
        if row.ok
    ]


def half_made_up(cases: Sequence[Captioned]) -> list[Captioned]:
    """The captions that make something up and as many that do not: enough of both for little."""
    found = [case for case in cases if case.makes_up]
    return found + [case for case in cases if not case.makes_up][: len(found)]


def scored(
    models: Models, cases: Sequence[Captioned], methods: Sequence[ScoringMethod]
) -> list[Captioned]:
    """The cases with the scores of their phrases."""
    clip = models.clip()
    return [
        replace(case, scores=_scores(clip, case, methods))
        for case in track(cases, "phrases", transient=True)
    ]


def _scores(
    clip: Clip, case: Captioned, methods: Sequence[ScoringMethod]
) -> dict[ScoringMethod, np.ndarray]:
    """[T] for each method; windows that several methods share are embedded once."""
    texts = [phrase["text"] for phrase in case.row["phrases"]]
    views: dict[object, np.ndarray] = {}
    scores = {}
    for method in methods:
        scorer = PhraseScorer(clip, method.template)
        said = scorer.embed_texts([texts])
        if method.view not in views:
            views[method.view] = scorer.clip.embed_images(_parts(method.view, case.picture))
        seen = cosines(views[method.view], [said[text] for text in texts])
        if isinstance(method.view, str):
            scores[method] = seen.max(0)
        else:
            windows = sliding_windows(SIZE, SIZE, *method.view)
            scores[method] = aggregated(seen, windows, method.view[1], method.aggregate)
    return scores


def _parts(view: object, picture: Picture) -> list[np.ndarray]:
    if view == WHOLE:
        return [picture.image]
    if view == BOXES:
        return [images.square_crop(picture.image, box) for box in picture.boxes_xyxy]
    return [images.crop(picture.image, w) for w in sliding_windows(SIZE, SIZE, *view)]


def truth_of(text: str, scene: Scene) -> Truth:
    """What a phrase is in a scene: shown as it says, a thing of another colour, or made up."""
    (mention,) = mentions(text, load_lexicon("toyland"))
    category = mention.noun.thing[0]
    there = [thing for thing in scene.objects if thing.category == category]
    said = {span.of(text).lower() for span in mention.attributes}
    if any(said <= {thing.colour} for thing in there):
        return "shown"
    return "other colour" if there else "made up"


def auc(name: str, meaning: str, cases: Sequence[Captioned], method: ScoringMethod) -> Figure:
    """Area under the ROC curve of phrases that are shown against those made up; captions are
    resampled."""
    most = max((len(case.truths) for case in cases), default=0)
    # [N, K, 2]: score and whether it is shown; NaN where there is no phrase or another colour
    table = np.full((len(cases), most, 2), np.nan)
    for k, case in enumerate(cases):
        for n, (truth, score) in enumerate(zip(case.truths, case.scores[method], strict=True)):
            if truth != "other colour":
                table[k, n] = score, truth == "shown"

    def statistic(some: np.ndarray) -> float:
        flat = some.reshape(-1, 2)
        flat = flat[~np.isnan(flat[:, 0])]
        return area(flat[flat[:, 1] == 1, 0], flat[flat[:, 1] == 0, 0])

    return bootstrapped(name, meaning, statistic, table)


def area(high: np.ndarray, low: np.ndarray) -> float:
    """How often one of `high` is above one of `low`; a tie counts half."""
    low = np.sort(low)
    if not len(high) or not len(low):
        return float("nan")
    below, until = (np.searchsorted(low, high, side) for side in ("left", "right"))
    return float((below + until).mean() / (2 * len(low)))


@dataclass(frozen=True)
class Limits:
    """Thresholds of `phrase_relevance_filter`."""

    positive_above: float
    negative_below: float

    @property
    def sentence_above(self) -> float:
        """Half-way, as the paper's 27.5 lies between 32 and 23."""
        return round((self.positive_above + self.negative_below) / 2, 3)


def flat(cases: Sequence[Captioned], method: ScoringMethod) -> tuple[np.ndarray, np.ndarray]:
    """Scores [T] and truths [T] of all phrases."""
    scores = np.concatenate([case.scores[method] for case in cases])
    return scores, np.array([truth for case in cases for truth in case.truths])


def choose(cases: Sequence[Captioned], method: ScoringMethod, wrong: float) -> Limits:
    """The lowest positive_above and the highest negative_below, in hundredths, that let in at most
    a share `wrong` of phrases that do not belong; where none does, the cut with the least."""
    scores, truths = flat(cases, method)
    grid = np.arange(-0.5, 1.0, 0.01).round(2)
    strays_above = [_share(truths[scores > cut] != "shown") for cut in grid]
    strays_below = [_share(truths[scores < cut] == "shown") for cut in grid]
    positive = grid[_first_within(strays_above, wrong)]
    negative = grid[::-1][_first_within(strays_below[::-1], wrong)]
    return Limits(float(positive), float(min(negative, positive)))


def _first_within(strays: Sequence[float], wrong: float) -> int:
    """The first place at or below `wrong`, else that of the least."""
    return next((k for k, each in enumerate(strays) if each <= wrong), int(np.argmin(strays)))


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else 1.0
