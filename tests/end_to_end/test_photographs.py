"""Photographs, edited here, through `recipes/pairs.yaml` on miniatures of the real formats.

The pictures are scikit-image's own. Random weights know nothing: what is shown is that sizes, modes
and memory are right.
"""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from miniatures import SAVERS
from PIL import Image, ImageDraw
from runs import ROOT, finished, rows_of

from imgdiff.data.images import load_rgb

pytestmark = pytest.mark.slow

PHOTOGRAPHS = files("skimage") / "data"
ROLES = ("segmenter", "clip", "matcher", "mllm")
SIZES = {  # id of the pair -> width and height after decoding
    "cat": (451, 300),
    "coffee": (600, 400),
    "ink": (640, 427),
    "large": (3000, 2000),
    "man": (512, 512),
    "palette": (512, 512),
    "scan": (512, 512),
    "turned": (427, 640),
    "unlike": (600, 400),
}
LET_PASS = (
    "image_segment_mapper.points_per_side=2",
    "image_segment_mapper.pred_iou_thresh=0.0",
    "image_segment_mapper.stability_score_thresh=0.0",
    "image_segment_mapper.min_side=1",
    "image_segment_mapper.max_area=1.0",
    "region_text_matching_filter=off",
    "region_difference_filter.max_similarity=1.0",
    "region_caption_matching_filter.min_itc=-1.0",
    "region_caption_similarity_filter.max_similarity=1.0",
    "region_caption_mapper.max_new_tokens=4",
    "difference_caption_mapper.max_new_tokens=4",
)


def pair(name: str, mode: str = "RGB", size: tuple[int, int] | None = None) -> list[Image.Image]:
    """A photograph, and the same with a disc painted on it."""
    first = Image.open(PHOTOGRAPHS / name).convert("RGB")
    first = first if size is None else first.resize(size)
    second = first.copy()
    wide, high = second.size
    ImageDraw.Draw(second).ellipse((wide // 4, high // 4, wide // 2, high // 2), fill="magenta")
    return [picture.convert(mode) for picture in (first, second)]


def save(folder: Path, name: str, pictures: list[Image.Image], suffix: str, **settings) -> None:
    folder.mkdir(exist_ok=True)
    for side, picture in zip("ab", pictures, strict=True):
        picture.save(folder / f"{name}_{side}.{suffix}", **settings)


def deep(picture: Image.Image) -> Image.Image:
    """Of 16 bits, as scanners and microscopes make them."""
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) << 8)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The setting `models` of a recipe."""
    folder = tmp_path_factory.mktemp("miniatures")
    for role in ROLES:
        SAVERS[role](folder / role)
    return "models={" + ", ".join(f"{role}: {folder / role}" for role in ROLES) + "}"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs") / "photographs"
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: a quarter turn
    save(folder, "cat", pair("chelsea.png", "RGBA"), "png")
    save(folder, "coffee", pair("coffee.png"), "jpg", quality=95)
    save(folder, "ink", pair("rocket.jpg", "CMYK"), "jpg", quality=95)
    save(folder, "large", pair("coffee.png", size=(3000, 2000)), "jpg", quality=90)
    save(folder, "man", pair("camera.png", "L"), "png")
    save(folder, "palette", pair("astronaut.png", "P"), "png")
    save(folder, "scan", [deep(picture) for picture in pair("astronaut.png")], "png")
    save(folder, "turned", pair("rocket.jpg"), "jpg", quality=95, exif=turned)
    first, second = pair("coffee.png")
    save(folder, "unlike", [first, second.resize((900, 600))], "webp", lossless=True)
    return folder


def test_boxes_and_pictures_keep_the_sizes_of_every_mode(photographs, models, tmp_path):
    settings = (f"dataset_path={photographs}", models, "resize=fit", *LET_PASS)
    left = finished("recipes/pairs.yaml", tmp_path / "run", *settings)
    rows = rows_of(left)
    assert [row.id for row in rows] == list(SIZES)
    assert [row.reason for row in rows if row.status == "failed"] == []
    for row in rows:
        wide, high = SIZES[row.id]
        assert load_rgb(row["image_a"]).shape == load_rgb(row["image_b"]).shape == (high, wide, 3)
        assert row.regions
        for region in row.regions:
            x0, y0, x1, y1 = region.box_xyxy
            assert 0 <= x0 < x1 <= wide
            assert 0 <= y0 < y1 <= high
            assert region.mask["size"] == [high, wide]
    for row in rows[:-1]:
        (path,) = photographs.glob(f"{row.id}_b.*")
        given = load_rgb({"bytes": path.read_bytes(), "path": path.name})
        assert (load_rgb(row["image_b"]) == given).all()
    reached = {tally["name"]: tally["rows_in"] for tally in left.report["operators"]}
    assert all(reached.values())


MEASURED = """
import resource, sys
from imgdiff.run import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(code)
"""


def peak_bytes(*settings: str) -> int:
    """The most memory that a run of the recipe took, in a process of its own."""
    command = [sys.executable, "-c", MEASURED, str(ROOT / "recipes" / "pairs.yaml"), *settings]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(re.search(r"peak (\d+)", done.stdout)[1])


def test_memory_does_not_grow_with_the_number_of_large_pairs(models, tmp_path):
    """Pairs of 6 megapixels that share a shard: one, and four."""
    folder = tmp_path / "large"
    for number in range(4):
        save(folder, str(number), pair("coffee.png", size=(3000, 2000)), "jpg")
    settings = (f"dataset_path={folder}", models, *LET_PASS)
    one, four = (
        peak_bytes(*settings, f"limit={limit}", f"export_path={tmp_path}/{limit}")
        for limit in (1, 4)
    )
    decoded = 2 * 3 * 3000 * 2000  # bytes of a pair
    assert (four - one) / 3 < 2 * decoded  # more, were crops and joined pictures kept whole
