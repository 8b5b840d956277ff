"""What is to be drawn: sources, and the edits of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from imgdiff.text.words import Span, swapped_spans


@dataclass(frozen=True)
class Windows:
    """When and where the source's attention is taken over.

    self_steps, cross_steps: share of the denoising steps, from the first on, in [0, 1].
    self_side: self-attention is taken over where the map's side is at most this share of the latent
        side (the paper's a quarter at 1024 px; small models have only large maps).
    """

    self_steps: float = 0.4
    cross_steps: float = 0.8
    self_side: float = 0.25


@dataclass(frozen=True)
class LocalBlend:
    """Outside a mask the edited image is the source (Hertz et al. 2022, section 3.2).

    words_a, words_b: spans of source and target caption whose attention makes the mask.
    threshold: of the attention, where its maximum is 1.
    start: share of the steps after which blending begins.
    side: the maps that are read have this share of the latent side.
    """

    words_a: tuple[Span, ...]
    words_b: tuple[Span, ...]
    threshold: float = 0.3
    start: float = 0.2
    side: float = 0.25


@dataclass(frozen=True)
class Edit:
    """Another caption for the same picture.

    spans: (in the source caption, in this one): the words of the first give way to those of the
        second, *replace*. None aligns all words that both captions have, *refine*.
    word_steps: a cross-attention window of its own for words (spans of this caption).
    weights: what the attention to words (spans of this caption) is multiplied by, *reweight*.
    """

    caption: str
    spans: tuple[Span, Span] | None = None
    windows: Windows = Windows()
    word_steps: Mapping[Span, float] = field(default_factory=dict)
    weights: Mapping[Span, float] = field(default_factory=dict)
    blend: LocalBlend | None = None

    @property
    def mode(self) -> str:
        return "refine" if self.spans is None else "replace"


@dataclass(frozen=True)
class EditSource:
    """A caption, the seed that it and all its edits start from, and the edits."""

    caption: str
    seed: int
    edits: tuple[Edit, ...] = ()


def edit_to(caption_a: str, caption_b: str, windows: Windows | None = None) -> Edit:
    """The edit from one caption to another: replace if one stretch of words gave way to another
    one, else refine."""
    return Edit(caption_b, swapped_spans(caption_a, caption_b), windows or Windows())
