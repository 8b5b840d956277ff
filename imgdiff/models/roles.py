"""The roles: what each can be asked. A family (`imgdiff.models.families`) plays one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

    from imgdiff.models.asking import AskingProfile


Matched = tuple["np.ndarray", "np.ndarray | None"]


class Diffusion(Protocol):
    """Draws captions and edits of them: `imgdiff.editing` works on the pipeline of diffusers."""

    pipeline: Any


class Clip(Protocol):
    """One space for pictures and texts."""

    def embed_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """[N, D] float32 unit vectors of pictures [H, W, 3] uint8 RGB."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """[N, D] float32 unit vectors; what exceeds the text encoder's length is cut."""

    def embed_classes(self, prompts: Sequence[Sequence[str]]) -> np.ndarray:
        """[C, D] float32 unit vectors of C classes, each the mean of its prompts' vectors."""


class Matcher(Protocol):
    """Says whether a text fits a picture, in two ways whose numbers must not be mixed up."""

    def match(
        self, pictures: Sequence[np.ndarray], texts: Sequence[str], itm: bool = False
    ) -> Matched:
        """Cosines in [-1, 1] of pictures ([H, W, 3] uint8 RGB) with the texts beside them, and
        where `itm` asks for them the probabilities in [0, 1] that these fit, by the matching head
        that some families have: arrays [N] float32."""


class Segmenter(Protocol):
    """Finds everything in a picture: the families that can `FIND_EVERYTHING`."""

    def segment(
        self,
        image: np.ndarray,
        points_per_side: int,
        pred_iou_thresh: float,
        stability_score_thresh: float,
        box_nms_thresh: float,
    ) -> list[dict[str, Any]]:
        """Segments of an image ([H, W, 3] uint8 RGB): dictionaries with `box_xyxy` (4 float pixels,
        far edges exclusive), `mask` (run lengths as in `imgdiff.data.rows.Region`) and `score`,
        best first."""


@dataclass(frozen=True, eq=False)
class Question:
    """Asks `text` about pictures ([H, W, 3] uint8 RGB), which are shown before it in this order."""

    pictures: tuple[np.ndarray, ...]
    text: str


class NamedSegmenter(Protocol):
    """Finds things by name: the families of segmenters that can `FIND_NAMED`."""

    def segment_named(
        self,
        image: np.ndarray,
        phrases: Sequence[str],
        score_thresh: float,
        box_nms_thresh: float,
    ) -> list[dict[str, Any]]:
        """Segments of an image ([H, W, 3] uint8 RGB) as `Segmenter.segment` gives them, of every
        thing that one of the phrases names with a score above `score_thresh`, in [0, 1]."""


class Mllm(Protocol):
    """Answers questions about pictures.

    profile: makes the questions about regions and pairs, in the way of the model's family.
    """

    profile: AskingProfile

    def answer(self, questions: Sequence[Question], max_new_tokens: int) -> list[str]:
        """One answer for each question, by greedy decoding."""

    def yes_probability(self, questions: Sequence[Question]) -> np.ndarray:
        """[N] float32 in [0, 1]: how likely the answer is yes; NaN where it is neither yes nor
        no."""


class Llm(Protocol):
    """Answers questions without pictures."""

    def answer(
        self,
        questions: Sequence[str],
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
    ) -> list[str]:
        """One answer for each question; what is drawn at random comes from the seed beside it."""


class NsfwClassifier(Protocol):
    """Says how likely a picture is of some of its classes. labels: the names of all of them."""

    labels: list[str]

    def probability(self, pictures: Sequence[np.ndarray], labels: Sequence[str]) -> np.ndarray:
        """[N] float32 in [0, 1]: that pictures ([H, W, 3] uint8 RGB) are of any of `labels`."""
