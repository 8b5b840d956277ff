"""Files made from toyland: captions for `recipes/replace.yaml` and `recipes/attribute.yaml`, those
of one thing for `recipes/add.yaml`, rendered pairs for `recipes/pairs.yaml`, rendered scenes for
`recipes/efuf_data.yaml` and `recipes/ohd_negatives.yaml`, questions about scenes for
`recipes/train/seed.yaml`.

python -m imgdiff.toyland.make captions recipes/data/captions.jsonl --count 240
python -m imgdiff.toyland.make captions recipes/data/captions_one_thing.jsonl --count 240 --things 1
python -m imgdiff.toyland.make pairs outputs/toyland-pairs --count 64
python -m imgdiff.toyland.make scenes recipes/data/scenes --count 64
python -m imgdiff.toyland.make views outputs/views --count 24000        # to train on
python -m imgdiff.toyland.make questions outputs/toyland-questions --count 1000
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2

from imgdiff.data.conversations import IMAGE
from imgdiff.store.files import write_atomic
from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.conversations import questions, web_view
from imgdiff.toyland.pairs import RenderedPair, replaced_pair
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.views import object_crop, render, whole
from imgdiff.toyland.vocabulary import CATEGORIES


def captions(count: int, things: int | None = None) -> Iterator[dict[str, Any]]:
    """Captions of scenes that no training saw, of so many things; one to three by default."""
    for seed in range(count):
        rng = generator("validation", seed)
        scene = sample_scene(rng, things)
        yield {"id": f"toyland-{seed:04d}", "caption": scene_caption(scene, rng)}


def write_pairs(folder: Path, pairs: list[tuple[str, RenderedPair]]) -> None:
    """PNG files and `pairs.jsonl`, whose lines name them and say which box changed."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for name, pair in pairs:
        record: dict[str, Any] = {
            "id": name,
            "caption_a": pair.caption_a,
            "caption_b": pair.caption_b,
        }
        for side, picture in zip("ab", pair.images, strict=True):
            cv2.imwrite(str(folder / f"{name}-{side}.png"), picture[:, :, ::-1])
            record[f"image_{side}"] = f"{name}-{side}.png"
        records.append(record)
    write_lines(folder / "pairs.jsonl", records)


def write_scenes(folder: Path, count: int) -> None:
    """PNG files of scenes that no training saw, and `scenes.jsonl`, whose lines name them and say
    what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in range(count):
        rng, name = generator("validation", seed), f"scene-{seed:04d}"
        scene = sample_scene(rng)
        cv2.imwrite(str(folder / f"{name}.png"), draw(scene).image[:, :, ::-1])
        record = {
            "id": name,
            "image_a": f"{name}.png",
            "caption": scene_caption(scene, rng),
            "objects": [thing.category for thing in scene.objects],
        }
        records.append(record)
    write_lines(folder / "scenes.jsonl", records)


def write_views(folder: Path, count: int) -> None:
    """PNG files, half of them softened, and `views.jsonl`, whose lines name them and say what they
    show. Of four, two are scenes of three things, one is of two, and one is a thing cut out by its
    box, one time in four named without its colour. No embedded model has trained on these scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in range(count):
        rng, name = generator("validation", seed), f"view-{seed:05d}"
        if seed % 4:
            seen = whole(sample_scene(rng, 2 + seed % 2), rng)
        else:
            seen = object_crop(sample_scene(rng), rng)
        caption = seen.texts[0] if rng.random() < 0.75 else seen.texts[-1]
        cv2.imwrite(str(folder / f"{name}.png"), seen.image[:, :, ::-1])
        objects = [word for word in re.findall(r"\w+", caption) if word in CATEGORIES]
        record = {"id": name, "image_a": f"{name}.png", "caption": caption, "objects": objects}
        records.append(record)
    write_lines(folder / "views.jsonl", records)


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Last and whole: where the list of a folder's pictures is, they all are."""
    write_atomic(path, "".join(json.dumps(record) + "\n" for record in records).encode())


def write_questions(folder: Path, count: int) -> None:
    """PNG files and `questions.json`, as LLaVA has it: scenes of the training split with questions
    of yes or no. Answers are by web captions, which name what is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for seed in range(count):
        rng, name = generator("train", seed), f"scene-{seed:05d}"
        scene = sample_scene(rng)
        turns = questions(web_view(scene, rng), rng)
        cv2.imwrite(str(folder / f"{name}.png"), render(scene, rng).image[:, :, ::-1])
        said = [
            {"from": side, "value": text}
            for turn in turns
            for side, text in zip(("human", "gpt"), turn, strict=True)
        ]
        said[0]["value"] = f"{IMAGE}\n{said[0]['value']}"
        records.append({"id": name, "image": f"{name}.png", "conversations": said})
    text = json.dumps(records, indent=1) + "\n"
    write_atomic(folder / "questions.json", text.encode())  # last: where it is, all pictures are


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m imgdiff.toyland.make",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    kinds = ("captions", "pairs", "scenes", "views", "questions")
    parser.add_argument("what", choices=kinds)
    parser.add_argument("target", type=Path, help="a .jsonl file, or a folder for pictures")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--things", type=int, choices=(1, 2, 3), help="a caption; else mixed")
    given = parser.parse_args()
    if given.what == "captions":
        given.target.parent.mkdir(parents=True, exist_ok=True)
        write_lines(given.target, captions(given.count, given.things))
    elif given.what == "scenes":
        write_scenes(given.target, given.count)
    elif given.what == "views":
        write_views(given.target, given.count)
    elif given.what == "questions":
        write_questions(given.target, given.count)
    else:
        pairs = [
            (f"pair-{k:04d}", replaced_pair(generator("validation", k))) for k in range(given.count)
        ]
        write_pairs(given.target, pairs)
    print(f"wrote {given.count} {given.what} to {given.target}")


if __name__ == "__main__":
    main()
