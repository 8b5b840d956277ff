"""nsfw_filter: pairs with an unsafe image are rejected, and their images stored nowhere."""

import re

import numpy as np
import pytest

from imgdiff import run
from imgdiff.data.images import encode_png
from imgdiff.engine.shards import remove_screened
from imgdiff.models import Models
from imgdiff.operators.image_pairs.nsfw_filter import NsfwFilter
from imgdiff.recipe.check import check
from imgdiff.testing import make_row, run_operator


@pytest.mark.parametrize(("levels", "ok"), [((20, 50), True), ((20, 51), False), ((99, 0), False)])
def test_the_larger_probability_counts(models, paint, levels, ok):
    row = make_row(image_a=paint(levels[0]), image_b=paint(levels[1]))
    (row,) = run_operator(NsfwFilter, [row], models)
    assert row.scores["nsfw_probability"] == pytest.approx(max(levels) / 100)
    assert row.ok == ok


def test_reason_and_message(models, paint):
    (row,) = run_operator(NsfwFilter, [make_row(image_a=paint(0), image_b=paint(93))], models)
    assert (row.status, row.reason) == ("rejected", "nsfw_filter: image_unsafe")
    assert row.message == "nsfw_probability is 0.930, wanted at most 0.5"


def test_one_image_may_be_left_out(models, paint):
    row = make_row(image_a=paint(20), image_b=paint(99))
    (row,) = run_operator(NsfwFilter, [row], models, images="a")
    assert row.ok
    assert NsfwFilter(NsfwFilter.Params(images="b")).screens == ("image_b",)


def test_no_number_is_not_safe(models, paint):
    models.nsfw().probability = lambda pictures, labels: np.full(len(pictures), np.nan, np.float32)
    (row,) = run_operator(NsfwFilter, [make_row(image_a=paint(0), image_b=paint(0))], models)
    assert not row.ok


def test_classes_are_those_of_the_model(models):
    with pytest.raises(ValueError, match="no class 'nude'; the model's are: normal, nsfw, porn"):
        run_operator(NsfwFilter, [], models, labels=["nsfw", "nude"])


def test_threshold_for_the_report():
    assert NsfwFilter(NsfwFilter.Params(max_score=0.2)).thresholds() == {
        "nsfw_probability": (None, 0.2)
    }


class Classifier:
    """Finds a picture unsafe by its first pixel; breaks at a certain one."""

    labels = ("nsfw",)

    def probability(self, pictures, labels):
        if any(picture[0, 0, 0] == BREAKING for picture in pictures):
            raise RuntimeError("cannot look at this")
        return np.array([picture[0, 0, 0] / 100 for picture in pictures], np.float32)


SAFE, BREAKING, UNSAFE = 10, 200, 90
MODEL = {"models": {"nsfw": "owner/name"}}


@pytest.fixture
def pairs(project, monkeypatch):
    """Pairs on disk, safe, unsafe and worse; returns (name, bytes) of every picture."""
    monkeypatch.setattr(Models, "nsfw", lambda self: Classifier())
    monkeypatch.setattr("imgdiff.run.pinned", lambda models, *_: models)
    monkeypatch.setattr("imgdiff.run._examine", lambda *_: None)  # there is no such model
    random = np.random.default_rng(0)
    pictures, records = {}, []
    kinds = {"safe": SAFE, "unsafe": UNSAFE, "breaking": BREAKING, "edited": SAFE}
    for id, value in kinds.items():
        for side in "ab":
            picture = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            picture[0, 0] = value if side == "b" else SAFE
            pictures[f"{id}_{side}"] = encode_png(picture)["bytes"]
            (project.folder / f"{id}_{side}.png").write_bytes(pictures[f"{id}_{side}"])
        records.append({"id": id, "caption": "bad" if id == "edited" else "a red ball here"})
        records[-1] |= {f"image_{side}": f"{id}_{side}.png" for side in "ab"}
    records.append(records[0] | {"id": "sizes", "image_b": "wide.png"})
    pictures["wide"] = encode_png(random.integers(0, 256, (16, 32, 3), dtype=np.uint8))["bytes"]
    (project.folder / "wide.png").write_bytes(pictures["wide"])
    project.write_captions(records)
    return pictures


def on_disk(project):
    """The bytes of everything that a run has left."""
    return b"".join(path.read_bytes() for path in project.run_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("process", [["nsfw_filter", "light_areas"], ["nsfw_filter"]])
def test_what_did_not_pass_is_not_on_disk(project, pairs, process):
    project.write_recipe(process=process, limits={"max_failed_fraction": 1.0}, **MODEL)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    rows = {row.id: row for row in project.rows()}
    assert rows["unsafe"].reason == "nsfw_filter: image_unsafe"
    assert rows["unsafe"].scores["nsfw_probability"] == pytest.approx(0.9)
    assert rows["breaking"].reason == "nsfw_filter: operator_error"
    assert rows["sizes"].reason == "input: pair_size_differs"
    left = on_disk(project)
    found = {name for name, content in pairs.items() if content in left}
    assert found == {"safe_a", "safe_b", "edited_a", "edited_b"}


@pytest.mark.parametrize(
    ("ended_by", "stays"),
    [("", True), ("later", True), ("nsfw_filter", False), ("earlier", False), ("input", False)],
)
def test_images_stay_with_rows_that_passed_it(light, ended_by, stays):
    names = {"earlier": "light_length_filter", "later": "light_edit_mapper"}
    operators = [
        cls(cls.Params()) for cls in (light[names["earlier"]], NsfwFilter, light[names["later"]])
    ]
    row = make_row(image_a="a", image_b="b", caption_a="a ball")
    if ended_by:
        row.reject(names.get(ended_by, ended_by), "code", "text")
    remove_screened(operators, [row])
    assert ("image_a" in row.values, "image_b" in row.values) == (stays, stays)
    assert row["caption_a"] == "a ball"


@pytest.mark.parametrize(
    ("process", "message"),
    [
        (
            ["light_area_mapper", "nsfw_filter"],
            "process[1].nsfw_filter: image_a would be on disk before it, in the files of the phase "
            "light_areas. Put it first.",
        ),
        (
            ["light_edit_mapper", "light_image_mapper", "light_area_mapper", "nsfw_filter"],
            "process[3].nsfw_filter: image_b would be on disk before it, in the files of the phase "
            "extra. Put it right behind what makes image_b.",
        ),
        (
            ["light_edit_mapper", "nsfw_filter", "light_image_mapper"],
            "process[1].nsfw_filter: image_a is made anew by light_image_mapper behind it. "
            "Put it behind that.",
        ),
    ],
)
def test_it_stands_where_images_are_made(project, pairs, process, message):
    path = project.write_recipe(process=process, **MODEL)
    with pytest.raises(run.RefusedError, match=re.escape(message)):
        check(path)


def test_the_embedded_set_has_no_such_model(project, pairs):
    path = project.write_recipe(process=["nsfw_filter"])
    text = (
        "needs the model nsfw, which the set embedded does not have. "
        "Name each role in models: {clip: embedded, ..., nsfw: owner/name}"
    )
    with pytest.raises(run.RefusedError, match=re.escape(text)):
        check(path)
