"""What the finetuning benchmark trains on: two runs, single pictures of the first one, and more of
the data that the model before had.

All of it lies in the benchmark's folder and is made once; runs resume.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from embedded.editing import exchanged
from rendered import run_on

from imgdiff.data import images
from imgdiff.data.conversations import IMAGE
from imgdiff.data.rows import Region, Row
from imgdiff.text import prompts
from imgdiff.toyland.conversations import SINGLE_SHARES, Conversation, conversation
from imgdiff.toyland.make import captions, write_lines
from imgdiff.toyland.scenes import generator
from imgdiff.toyland.vocabulary import with_article

SEEN = 10_000_000  # seeds below are those of the training before


@dataclass(frozen=True)
class Runs:
    """Folders of finished runs, and the rows of the first one."""

    replace: Path
    remove: Path
    rows: list[Row]

    @property
    def samples(self) -> list[tuple[Row, Region]]:
        """What the replace run kept."""
        return [(row, region) for row in self.rows if row.ok for region in row.kept_regions]


def make_runs(folder: Path, replaced: int, removed: int) -> Runs:
    """A replace run on so many captions of the validation split, a remove run on the first of
    them."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "captions.jsonl"
    write_lines(source, captions(max(replaced, removed)))
    rows = {}
    for name, count in (("replace", replaced), ("remove", removed)):
        recipe = Path("recipes") / f"{name}.yaml"
        rows[name] = run_on(recipe, source, folder / name, [f"limit={count}"])
    return Runs(folder / "replace", folder / "remove", rows["replace"])


def control(samples: Sequence[tuple[Row, Region]]) -> Iterator[Conversation]:
    """One picture where there was a pair, A's and B's in turn: the region's crop with its caption,
    the scene with the caption it was drawn from, or whether the thing that was exchanged is there.
    """
    for k, (row, region) in enumerate(samples):
        side = "ab"[k % 2]
        picture = images.load_rgb(row[f"image_{side}"])
        caption = row[f"caption_{side}"]
        if k % 3 == 0:
            picture = images.square_crop(picture, region.box_xyxy)
            turns = [(prompts.REGION["crop"], getattr(region, f"caption_{side}"))]
        elif k % 3 == 1:
            turns = [(prompts.SCENE, f"{caption.capitalize()}.")]
        else:
            turns = [
                (prompts.EXISTS.format(thing=with_article(name)), "Yes." if there else "No.")
                for name in exchanged(row["caption_a"], row["caption_b"])
                for there in [name in caption]
            ]
        yield Conversation(picture, tuple(turns))


def instruction(count: int) -> Iterator[Conversation]:
    """More of what the model before was trained on."""
    for k in range(count):
        yield conversation(generator("train", SEEN + k), web=False, shares=SINGLE_SHARES)


def write(folder: Path, talks: Iterator[Conversation]) -> Path:
    """Conversations as LLaVA's instruction data: `train.json` and PNG files beside it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    records = []
    for k, talk in enumerate(talks):
        name = f"images/{k:05d}.png"
        cv2.imwrite(str(folder / name), np.ascontiguousarray(talk.image[:, :, ::-1]))
        turns = [
            {"from": speaker, "value": text}
            for question, answer in talk.turns
            for speaker, text in (("human", question), ("gpt", answer))
        ]
        turns[0]["value"] = f"{IMAGE}\n{turns[0]['value']}"
        records.append({"id": str(k), "image": name, "conversations": turns})
    target = folder / "train.json"
    target.write_text(json.dumps(records, indent=1))
    return target
