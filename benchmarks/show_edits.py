"""What each way of editing does to one toyland picture, side by side.

python benchmarks/show_edits.py [--seed N] [--write docs/prompt-to-prompt/modes.jpg]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from embedded.editing import PLAIN
from embedded.perception import recipe_params
from embedded.sheets import Tile, write_sheet

from imgdiff.editing.edits import Edit, EditSource, LocalBlend, Windows, edit_to
from imgdiff.editing.prompt_to_prompt import draw_edits
from imgdiff.models import Models
from imgdiff.models.zoo import bind
from imgdiff.operators.image_pairs.sdxl_prompt2prompt_mapper import SdxlPrompt2PromptMapper
from imgdiff.text.words import Span, changed_words

CAPTION = "a red car and a green tree on the grass"
SWAPPED = "a red boat and a green tree on the grass"
LONGER = "a red car, a blue ball and a green tree on the grass"
SMALLEST_MAPS = 0.5  # of the toy UNet, as a share of the latent side


def word(caption: str, text: str) -> Span:
    start = caption.index(text)
    return Span(start, start + len(text))


def reweighted(words: str, factor: float, windows: Windows) -> Edit:
    return Edit(CAPTION, windows=windows, weights={word(CAPTION, words): factor})


def edits(windows: Windows) -> dict[str, Edit]:
    """What the strip shows, by the words below it."""
    swap = edit_to(CAPTION, SWAPPED, windows)
    blend = LocalBlend(*changed_words(CAPTION, SWAPPED), side=SMALLEST_MAPS)
    return {
        "same seed, no editing: car to boat": replace(swap, windows=PLAIN),
        "replace: car to boat": swap,
        "replace with local blend": replace(swap, blend=blend),
        "refine: a blue ball is added": edit_to(CAPTION, LONGER, windows),
        "reweight: car x -3": reweighted("car", -3.0, windows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise; usually 0")
    parser.add_argument(
        "--write", type=Path, default=Path("docs/prompt-to-prompt/modes.jpg"), metavar="FILE"
    )
    given = parser.parse_args()
    p = recipe_params(SdxlPrompt2PromptMapper)
    shown = edits(Windows(p.self_replace_steps, p.cross_replace_steps, p.self_replace_side))
    source = EditSource(CAPTION, given.seed, tuple(shown.values()))
    pipeline = Models(bind("embedded")).diffusion().pipeline
    (drawn,) = draw_edits(pipeline, [source], p.num_inference_steps, p.guidance_scale)
    pictures = (drawn * 255).round().astype(np.uint8)
    words = [f"source: {CAPTION}", *shown]
    write_sheet([Tile([p], text) for p, text in zip(pictures, words, strict=True)], 6, given.write)


if __name__ == "__main__":
    main()
