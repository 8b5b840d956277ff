"""sdxl_text2image_mapper: which rows are drawn, with what, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from imgdiff.data.images import load_rgb
from imgdiff.data.rows import derive_seed
from imgdiff.editing import prompt_to_prompt
from imgdiff.operators.image_pairs.sdxl_text2image_mapper import SdxlText2ImageMapper
from imgdiff.testing import make_row, run_operator

NAME = "sdxl_text2image_mapper"


def noise(source):
    return np.random.default_rng(source.seed).random((1, 8, 8, 3), np.float32)


@pytest.fixture
def draw(models, monkeypatch):
    """draw(rows, **params): the rows afterwards; `draw.calls` holds the calls of the editor."""
    calls = []

    def fake(*call):
        calls.append(call)
        return [run.picture_of(source) for source in call[1]]

    def run(rows, **params):
        return run_operator(SdxlText2ImageMapper, rows, models, **params)

    run.calls, run.picture_of = calls, noise
    models.diffusion = lambda: SimpleNamespace(pipeline="the pipeline")
    monkeypatch.setattr(prompt_to_prompt, "draw_edits", fake)
    return run


def captioned(id="row-0", caption="a red car on sand"):
    return make_row(id, caption_a=caption)


def test_caption_is_drawn_from_the_rows_seed_and_stored_without_loss(draw):
    (row,) = draw([captioned()], num_inference_steps=7, guidance_scale=3.0, side=128)
    ((pipeline, (source,), *settings),) = draw.calls
    assert (pipeline, settings) == ("the pipeline", [7, 3.0, 128])
    assert (source.caption, source.edits) == ("a red car on sand", ())
    assert source.seed == derive_seed(row.seed, NAME)
    expected = (noise(source)[0] * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(load_rgb(row["image_a"]), expected)


def test_a_long_caption_is_refused_before_anything_is_drawn(draw):
    (row,) = draw([captioned(caption="a boat " * 11)])
    assert (row.status, row.reason) == ("rejected", f"{NAME}: caption_too_long")
    assert row.message == "caption has 22 tokens, the text encoder reads 20"
    assert draw.calls == []
    (row,) = draw([captioned(caption="a boat " * 10)])  # as many as it reads
    assert row.ok


def test_nan_fails_the_row_alone(draw):
    bad_seed = derive_seed(captioned("bad").seed, NAME)
    draw.picture_of = lambda source: noise(source) * (np.nan if source.seed == bad_seed else 1)
    bad, good = draw([captioned("bad"), captioned("good")])
    assert (bad.status, bad.reason) == ("failed", f"{NAME}: image_nan")
    assert bad.message == "the model gave NaN; use bfloat16 or float32"
    assert "image_a" not in bad.values
    assert good.ok


def test_flat_image_is_rejected(draw):
    draw.picture_of = lambda source: np.full((1, 8, 8, 3), 0.5, np.float32)
    (row,) = draw([captioned()])
    assert (row.status, row.reason) == ("rejected", f"{NAME}: image_flat")
    assert row.message == "an image shows nothing"
    assert "image_a" in row.values  # the report shows it


def test_rows_do_not_depend_on_the_batch(draw):
    rows = [captioned(f"row-{k}") for k in range(5)]
    assert draw(rows, batch_size=5) == draw(rows, batch_size=2)
