"""`recipes/remove.yaml` on the embedded models: what is erased, and whether the letter is right."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from runs import ROOT, SMALL, finished, rows_of

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.editing.holes import dilated
from imgdiff.operators.object_removal.sdxl_inpaint_mapper import SdxlInpaintMapper
from imgdiff.recipe.check import check
from imgdiff.store.run_dir import RunDir
from imgdiff.toyland.judge import CELL, LEAST_CELLS, Seen, load_judge, look
from imgdiff.toyland.scenes import draw, generator, sample_scene

pytestmark = pytest.mark.slow
RECIPE = "recipes/remove.yaml"


@pytest.fixture(scope="module")
def remove_run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return finished(RECIPE, tmp_path_factory.mktemp("remove") / "run", *SMALL)


def kept(left: RunDir) -> list[Row]:
    return [row for row in rows_of(left) if row.ok]


def pictures(row: Row) -> tuple[np.ndarray, np.ndarray]:
    return images.load_rgb(row["image_a"]), images.load_rgb(row["image_b"])


def stands_in(box_xyxy: tuple[float, ...], seen: list[Seen]) -> bool:
    left, top, right, bottom = (round(edge / CELL) for edge in box_xyxy)
    return any(thing.cells[top:bottom, left:right].sum() >= LEAST_CELLS for thing in seen)


def test_pictures_are_the_same_outside_the_dilated_mask(remove_run: RunDir) -> None:
    (mapper,) = (op for op in check(ROOT / RECIPE).operators if isinstance(op, SdxlInpaintMapper))
    for row in kept(remove_run):
        ((region,), (image_a, image_b)) = row.kept_regions, pictures(row)
        mask = dilated(images.decode_mask(region.mask), mapper.params.mask_dilation)
        np.testing.assert_array_equal(image_b[~mask], image_a[~mask])
        assert (image_b[mask] != image_a[mask]).mean() > 0.5


def test_the_letter_names_the_half_that_shows_the_object(remove_run: RunDir) -> None:
    """By what a reader of the dataset draws, and the judge sees in each half."""
    from datasets import load_dataset

    data = str(remove_run.path / "data")
    pairs = {pair["id"]: pair for pair in load_dataset(data, split="train")}
    samples = load_dataset(data, "samples", split="train")
    assert len(samples) >= 2
    judge, right = load_judge(), 0
    for sample in samples:
        pair, box = pairs[sample["pair_id"]], sample["box_xyxy"]
        both = (np.asarray(pair[name]) for name in ("image_a", "image_b"))
        view = images.joined_view(*both, box, sample["left"])
        left, right_half = view[:, :128], view[:, -128:]
        letter = sample["conversations"][1]["value"]
        named, other = {"A": (left, right_half), "B": (right_half, left)}[letter]
        shown, erased = look(judge, [np.ascontiguousarray(half) for half in (named, other)])
        inside = np.add(box, (2, 2, -2, -2))  # of the red lines
        crops = [images.crop(half, inside) for half in (named, other)]
        original = images.crop(np.asarray(pair["image_a"]), inside)
        np.testing.assert_array_equal(crops[0], original)
        assert (crops[1] != original).any()
        right += stands_in(tuple(box), shown) and len(erased) < len(shown)
    assert right >= 0.6 * len(samples)


def test_pictures_of_ones_own_are_erased_from(tmp_path: Path) -> None:
    recipe = yaml.safe_load((ROOT / RECIPE).read_text())
    assert recipe["process"].pop(0).keys() == {"sdxl_text2image_mapper"}
    for k in range(8):
        Image.fromarray(draw(sample_scene(generator("test", k))).image).save(tmp_path / f"{k}.png")
    lines = [json.dumps({"id": f"own-{k}", "image_a": f"{k}.png"}) for k in range(8)]
    (tmp_path / "own.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe))
    left = finished(
        str(tmp_path / "own.yaml"),
        tmp_path / "run",
        f"dataset_path={tmp_path}/own.jsonl",
        "sdxl_inpaint_mapper.prompt=on the grass",
    )
    assert len(kept(left)) >= 2
    assert left.report["rows"]["failed"] == 0
