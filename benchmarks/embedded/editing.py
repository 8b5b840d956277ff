"""What prompt-to-prompt changes and what it leaves alone, beside plain generation from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from diffusers import StableDiffusionXLPipeline
from rich.progress import track

from embedded.figures import Figure, mean, share
from embedded.perception import best_mask, segments
from imgdiff.editing.edits import EditSource, Windows, edit_to
from imgdiff.editing.prompt_to_prompt import draw_edits
from imgdiff.models.families.sam import SegmentAnything
from imgdiff.text.caption_edits import replace_noun
from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.words import changed_spans
from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.judge import Judge, Seen, look
from imgdiff.toyland.scenes import generator, sample_scene

BATCH = 8
SAME_PLACE = 0.3  # IoU of cells from which a thing counts as the one that stood there
PLAIN = Windows(self_steps=0, cross_steps=0)  # the same seed is all that the two images share


@dataclass(frozen=True)
class Edited:
    """A generated pair, [128, 128, 3] uint8 each, and what the judge sees in it.

    old, new: the replaced thing, as `red car`.
    """

    caption_a: str
    caption_b: str
    old: str
    new: str
    images: tuple[np.ndarray, np.ndarray]
    seen_a: list[Seen]
    seen_b: list[Seen]

    @property
    def shows_new(self) -> bool:
        return self.new in [thing.name for thing in self.seen_b]

    def kept(self) -> Iterator[bool]:
        """For everything else in A: whether it stands in B, in its place and colour."""
        for thing in self.seen_a:
            if thing.name != self.old:
                same = [other for other in self.seen_b if other.name == thing.name]
                yield any(_overlap(thing, other) >= SAME_PLACE for other in same)


def _overlap(one: Seen, other: Seen) -> float:
    return float((one.cells & other.cells).sum() / (one.cells | other.cells).sum())


def exchanged(caption_a: str, caption_b: str) -> tuple[str, str]:
    """The things that the captions exchange, each with the colour before it: (`red car`, `red
    boat`)."""
    spans = changed_spans(caption_a, caption_b)
    assert spans is not None, f"the captions name the same: {caption_a}"
    colour = caption_a[: spans[0].start].split()[-1]
    return f"{colour} {spans[0].of(caption_a)}", f"{colour} {spans[1].of(caption_b)}"


def caption_pairs(count: int, split: str = "test") -> list[tuple[str, str]]:
    """Captions of scenes with one noun replaced, as the lexicon does it."""
    lexicon, found = load_lexicon("toyland"), []
    for k in range(count):
        rng = generator(split, 30_000 + k)
        caption = scene_caption(sample_scene(rng), rng)
        edited = replace_noun(caption, lexicon, rng)
        assert edited is not None, f"no noun of the lexicon: {caption}"
        found.append((caption, edited.caption))
    return found


def edit(
    pipeline: StableDiffusionXLPipeline,
    judge: Judge,
    pairs: list[tuple[str, str]],
    steps: int,
    guidance: float,
    windows: Windows,
) -> list[Edited]:
    """Draw all pairs and look at them."""
    sources = [EditSource(a, seed, (edit_to(a, b, windows),)) for seed, (a, b) in enumerate(pairs)]
    made: list[np.ndarray] = []
    for start in track(range(0, len(pairs), BATCH), "draws pairs", transient=True):
        drawn = draw_edits(pipeline, sources[start : start + BATCH], steps, guidance)
        made += [(images * 255).round().astype(np.uint8) for images in drawn]
    seen = look(judge, [image for images in made for image in images])
    return [
        Edited(*both, *exchanged(*both), tuple(images), seen[2 * k], seen[2 * k + 1])
        for k, (both, images) in enumerate(zip(pairs, made, strict=True))
    ]


def outside_difference(edited: Edited, segmenter: SegmentAnything) -> float | None:
    """Mean absolute difference (0..1) outside the segments of the old thing in A and the new one in
    B; None where one of them is not seen or has no segment."""
    masks = []
    sides = ((edited.old, edited.seen_a), (edited.new, edited.seen_b))
    for image, (name, seen) in zip(edited.images, sides, strict=True):
        things = [thing for thing in seen if thing.name == name]
        mask = best_mask(segments(segmenter, image), things[0].cells) if things else None
        if mask is None:
            return None
        masks.append(mask)
    outside = ~(masks[0] | masks[1])
    one, other = (image[outside].astype(float) / 255 for image in edited.images)
    return float(np.abs(one - other).mean())


def editing_figures(
    some: list[Edited], segmenter: SegmentAnything, prefix: str = "edit", bars: bool = True
) -> list[Figure]:
    """The three figures of an edit; `prefix` tells whose they are."""
    outside = [outside_difference(edited, segmenter) for edited in some]
    return [
        share(
            f"{prefix}_new_object",
            "B shows the new thing in the caption's colour",
            [edited.shows_new for edited in some],
            **({"at_least": 0.80} if bars else {}),
        ),
        share(
            f"{prefix}_kept_objects",
            "everything else in A stands in B, same place, category and colour",
            [kept for edited in some for kept in edited.kept()],
            **({"at_least": 0.90} if bars else {}),
        ),
        mean(
            f"{prefix}_outside_difference",
            "mean absolute difference (0..1) outside the segments of old and new thing",
            [value for value in outside if value is not None],
            **({"at_most": 0.02} if bars else {}),
        ),
    ]
