"""image_pair_hash_mapper and image_pair_deduplicator: copies are known again, other pairs kept."""

import io

import numpy as np
import pytest
from PIL import Image

from imgdiff.engine.selection import Selection
from imgdiff.operators.image_pairs.image_pair_hash_mapper import ImagePairHashMapper
from imgdiff.operators.selection.image_pair_deduplicator import ImagePairDeduplicator
from imgdiff.testing import make_row, run_operator
from imgdiff.toyland.pairs import replaced_pair


def saved(picture, side=128, kind="PNG", **settings):
    buffer = io.BytesIO()
    Image.fromarray(picture).resize((side, side)).save(buffer, kind, **settings)
    return {"bytes": buffer.getvalue(), "path": None}


def selected(rows, **params):
    selector = ImagePairDeduplicator(ImagePairDeduplicator.Params(**params))
    Selection([selector]).run(rows)
    return rows


def hashed(*hashes):
    return [make_row(f"row-{k}", hash_a=a, hash_b=b) for k, (a, b) in enumerate(hashes)]


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    return [replaced_pair(rng).images for _ in range(20)]


def test_other_scenes_are_kept(pairs):
    rows = [
        make_row(f"row-{k}", image_a=saved(a), image_b=saved(b)) for k, (a, b) in enumerate(pairs)
    ]
    rows = selected(run_operator(ImagePairHashMapper, rows))
    assert all(row.ok for row in rows)
    assert min(row.scores["nearest_distance"] for row in rows[1:]) > 8


@pytest.mark.parametrize("copy", [{"side": 64}, {"kind": "JPEG", "quality": 60}])
def test_copies_in_another_size_or_quality_are_refused(pairs, copy):
    rows = [
        make_row(f"{how}-{k}", image_a=saved(a, **given), image_b=saved(b, **given))
        for how, given in (("first", {}), ("copy", copy))
        for k, (a, b) in enumerate(pairs)
    ]
    rows = selected(run_operator(ImagePairHashMapper, rows))
    assert [row.ok for row in rows] == [True] * 20 + [False] * 20
    assert rows[20].reason == "image_pair_deduplicator: near_duplicate"
    assert all(f"those of first-{k} (hashes" in row.message for k, row in enumerate(rows[20:]))


def test_hashes_are_sixteen_digits(pairs):
    a, b = map(saved, pairs[0])
    (row,) = run_operator(ImagePairHashMapper, [make_row(image_a=a, image_b=b)])
    assert len(row["hash_a"]) == len(row["hash_b"]) == 16
    assert row["hash_a"] != row["hash_b"]


@pytest.mark.parametrize(("max_distance", "kept"), [(2, True), (3, False)])
def test_both_images_must_be_near(max_distance, kept):
    rows = hashed(("0" * 16, "0" * 16), ("0" * 15 + "1", "0" * 15 + "7"))
    _, second = selected(rows, max_distance=max_distance)
    assert second.scores["nearest_distance"] == 3
    assert second.ok == kept
    assert second.message == (
        "" if kept else "both images look like those of row-0 (hashes at most 3 bits apart)"
    )


def test_the_nearest_of_all_kept_pairs_counts():
    rows = hashed(("0" * 16, "f" * 16), ("f" * 16, "0" * 16), ("f" * 16, "0" * 15 + "1"))
    first, second, third = selected(rows)
    assert "nearest_distance" not in first.scores
    assert second.scores["nearest_distance"] == 64
    assert third.message == "both images look like those of row-1 (hashes at most 1 bits apart)"


def test_what_was_refused_is_no_measure():
    """Each is near the one before it, but only the first was kept."""
    rows = selected(hashed(*[(digits.rjust(16, "0"),) * 2 for digits in ("0", "f", "ff")]))
    assert [row.ok for row in rows] == [True, False, True]


def test_threshold_for_the_report():
    params = ImagePairDeduplicator.Params(max_distance=4)
    assert ImagePairDeduplicator(params).thresholds() == {"nearest_distance": (5, None)}
