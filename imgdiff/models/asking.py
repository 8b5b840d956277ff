"""How an MLLM is asked: what it is shown of pictures, and in which words a region is named.

What is particular to a family is said in its file of `imgdiff.models.families`, by a subclass of
`AskingProfile`. None of it needs the model, so that one behind a server is asked in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from imgdiff.data import images
from imgdiff.models.roles import Question
from imgdiff.text import prompts

if TYPE_CHECKING:
    import numpy as np

    from imgdiff.models.families.image_text_to_text import ImageTextToText
    from imgdiff.models.zoo import Checkpoint

RegionView = Literal["coordinates", "box", "crop"]
LEAST_SURE = 0.5  # probability of yes and no together, under which an answer is neither
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)


class AskingProfile:
    """Whole pictures as they are, one a question, and boxes in shares of the picture.

    Operators make their questions here (`region_question`, `pair_question`); a model takes any
    question in the form that `prepared` gives it. Subclasses say what is otherwise.

    Args:
        image_processor: of the model; None: it is asked by a server, so what is usual for the
            family holds.
    """

    view: ClassVar[RegionView] = (
        "coordinates"  # how a region is shown if the recipe does not say it
    )
    region: ClassVar[str] = prompts.REGION["coordinates"]  # names a region by its {box}
    several: ClassVar[bool] = False  # a question may have more than one picture
    marks: ClassVar[tuple[str, ...]] = ()  # in `region`, tokens of their own

    def __init__(self, image_processor: Any = None) -> None:
        self.image_processor = image_processor

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> ImageTextToText:
        """The model of a checkpoint, to be asked in this way."""
        from imgdiff.models.families.image_text_to_text import ImageTextToText

        return ImageTextToText.load(checkpoint, cls)

    def region_question(
        self,
        picture: np.ndarray,
        box_xyxy: Sequence[float],
        view: RegionView | None = None,
        words: str | None = None,
    ) -> Question:
        """Asks what a picture ([H, W, 3] uint8 RGB) shows in a box.

        Args:
            box_xyxy: pixels.
            view: the whole picture, the box named in the question or drawn in red; or the crop.
                None: what suits the family.
            words: of the question, {box} standing for the box; None: the family's own.
        """
        view = view or self.own_view()
        high, wide = picture.shape[:2]
        box = [edge / size for edge, size in zip(box_xyxy, (wide, high, wide, high), strict=True)]
        seen, numbers = self.named(images.shrink(picture), box)
        if view == "box":
            seen = images.shrink(images.draw_box(picture, box_xyxy))
        elif view == "crop":
            seen = images.shrink(images.crop(picture, box_xyxy))
        text = words or (self.region if view == "coordinates" else prompts.REGION[view])
        return Question((seen,), text.replace("{box}", f"[{', '.join(numbers)}]"))

    @property
    def difference(self) -> str:
        """The words that ask how a pair differs, {caption_a} and {caption_b} standing for what its
        first and its second picture show in the box."""
        return prompts.DIFFERENCE_OF_TWO if self.several else prompts.DIFFERENCE

    def pair_question(
        self, pictures: Sequence[np.ndarray], box_xyxy: Sequence[float], text: str
    ) -> Question:
        """Asks `text` about two pictures of one size, a red box drawn in either."""
        marked = [images.shrink(images.draw_box(each, box_xyxy)) for each in pictures]
        return Question(tuple(marked), text)

    def prepared(self, question: Question) -> Question:
        """The same question as the model's processor is to get it."""
        pictures = question.pictures
        if not self.several and len(pictures) > 1:
            pictures = (reduce(images.side_by_side, pictures),)
        return Question(tuple(self.shown(each) for each in pictures), question.text)

    def own_view(self) -> RegionView:
        return self.view

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """A picture as the model's processor is to get it; what was shown already stays."""
        return picture

    def named(self, picture: np.ndarray, box: Sequence[float]) -> tuple[np.ndarray, list[str]]:
        """The picture to ask about, and the four numbers by which the family names a box in it.

        Args:
            picture: before it is `shown`.
            box: left, top, right and bottom edge in shares of the picture.
        """
        return picture, two_decimals(box)


def two_decimals(shares: Iterable[float]) -> list[str]:
    return [f"{share:.2f}" for share in shares]


def thousandths(shares: Iterable[float]) -> list[str]:
    return [str(round(1000 * share)) for share in shares]


def in_square(picture: np.ndarray, box: Sequence[float]) -> list[float]:
    """The edges of a box, shares of a picture, as shares of the square that `pad_to_square` makes
    of it."""
    high, wide = picture.shape[:2]
    side = max(high, wide)
    borders, sizes = ((side - wide) // 2, (side - high) // 2) * 2, (wide, high) * 2
    return [
        (share * size + border) / side
        for share, size, border in zip(box, sizes, borders, strict=True)
    ]


def mean_colour(image_processor: Any) -> tuple[int, int, int]:
    """What a processor takes for neither dark nor bright, as RGB; CLIP's without a processor."""
    mean = getattr(image_processor, "image_mean", None) or CLIP_MEAN
    red, green, blue = (int(255 * share) for share in mean)
    return red, green, blue
