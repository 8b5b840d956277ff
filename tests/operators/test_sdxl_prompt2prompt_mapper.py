"""sdxl_prompt2prompt_mapper: which rows are drawn, with what, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from imgdiff.data.images import load_rgb
from imgdiff.data.rows import derive_seed
from imgdiff.editing import prompt_to_prompt
from imgdiff.editing.edits import Windows
from imgdiff.operators.image_pairs.sdxl_prompt2prompt_mapper import SdxlPrompt2PromptMapper
from imgdiff.testing import make_row, run_operator

NAME = "sdxl_prompt2prompt_mapper"


def noise_pair(source):
    pictures = 1 + len(source.edits)
    return np.random.default_rng(source.seed).random((pictures, 8, 8, 3), np.float32)


class ClipByBrightness:
    """Pictures and captions on a circle: the brighter, the farther from `car` to `boat`."""

    def embed_images(self, pictures):
        angles = np.array([picture.mean() / 255 for picture in pictures]) * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)

    def embed_texts(self, texts):
        return np.array(
            [[0.0, 1.0] if "boat" in text else [1.0, 0.0] for text in texts], np.float32
        )


@pytest.fixture
def draw(models, monkeypatch):
    """draw(rows, **params): the rows afterwards; `draw.calls` holds the calls of the editor."""
    calls = []

    def fake(*call):
        calls.append(call)
        return [run.picture_of(source) for source in call[1]]

    def run(rows, **params):
        return run_operator(SdxlPrompt2PromptMapper, rows, models, **params)

    run.calls, run.picture_of = calls, noise_pair
    models.diffusion = lambda: SimpleNamespace(pipeline="the pipeline")
    models.clip = ClipByBrightness
    monkeypatch.setattr(prompt_to_prompt, "draw_edits", fake)
    return run


def captions(a="a red car on sand", b="a red boat on sand", id="row-0"):
    return make_row(id, caption_a=a, caption_b=b)


def test_images_are_stored_without_loss(draw):
    row = captions()
    (row,) = draw([row])
    ((_, (source,), *_),) = draw.calls
    expected = (noise_pair(source) * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(load_rgb(row["image_a"]), expected[0])
    np.testing.assert_array_equal(load_rgb(row["image_b"]), expected[1])
    assert row.ok


def test_pair_has_its_changed_words_and_the_rows_seed(draw):
    row = captions()
    draw([row])
    ((_, (source,), *_),) = draw.calls
    (edit,) = source.edits
    assert (source.caption, edit.caption) == ("a red car on sand", "a red boat on sand")
    old, new = edit.spans
    assert (old.of(source.caption), new.of(edit.caption)) == ("car", "boat")
    assert source.seed == derive_seed(row.seed, NAME)


def test_settings_reach_the_generation(draw):
    draw(
        [captions()],
        num_inference_steps=7,
        guidance_scale=3.0,
        side=128,
        self_replace_steps=0.1,
        self_replace_side=0.5,
        cross_replace_steps=0.9,
    )
    ((pipeline, (source,), *settings),) = draw.calls
    assert pipeline == "the pipeline"
    assert settings == [7, 3.0, 128]
    assert source.edits[0].windows == Windows(self_steps=0.1, cross_steps=0.9, self_side=0.5)


@pytest.mark.parametrize(
    ("a", "b", "code", "message"),
    [
        ("a car", "A  car.", "captions_identical", "the edited caption is the same as the first"),
        (
            "a car",
            "a boat " * 11,
            "caption_too_long",
            "caption has 22 tokens, the text encoder reads 20",
        ),
        (
            "a boat " * 11,
            "a car",
            "caption_too_long",
            "caption has 22 tokens, the text encoder reads 20",
        ),
    ],
)
def test_refused_before_anything_is_drawn(draw, a, b, code, message):
    bad, good = draw([captions(a, b, "bad"), captions(id="good")])
    assert (bad.status, bad.reason, bad.message) == ("rejected", f"{NAME}: {code}", message)
    assert "image_a" not in bad.values
    assert good.ok
    ((_, pairs, *_),) = draw.calls
    assert len(pairs) == 1


def test_nothing_is_drawn_for_a_batch_of_refused_rows(draw):
    draw([captions(b="a red car on sand")])
    assert draw.calls == []


@pytest.mark.parametrize("side", [0, 1])
def test_nan_fails_the_row_alone(draw, side):
    bad_seed = derive_seed(captions(id="bad").seed, NAME)

    def picture_of(source):
        picture = noise_pair(source)
        if source.seed == bad_seed:
            picture[side, 0, 0, 0] = np.nan
        return picture

    draw.picture_of = picture_of
    bad, good = draw([captions(id="bad"), captions(id="good")])
    assert (bad.status, bad.reason) == ("failed", f"{NAME}: image_nan")
    assert bad.message == "the model gave NaN; use bfloat16 or float32"
    assert "image_a" not in bad.values
    assert good.ok


@pytest.mark.parametrize("side", [0, 1])
def test_flat_image_is_rejected(draw, side):
    def picture_of(source):
        picture = noise_pair(source)
        picture[side] = 0.5
        return picture

    draw.picture_of = picture_of
    (row,) = draw([captions()])
    assert (row.status, row.reason) == ("rejected", f"{NAME}: image_flat")
    assert row.message == "an image shows nothing"
    assert {"image_a", "image_b"} <= row.values.keys()  # the report shows them


def test_rows_do_not_depend_on_the_batch(draw):
    rows = [captions(id=f"row-{k}") for k in range(5)]
    assert draw(rows, batch_size=5) == draw(rows, batch_size=2)


@pytest.mark.parametrize(
    ("b", "mode"),
    [
        ("a red boat on sand", "replace"),
        ("a blue boat on sand", "replace"),
        ("a red car on sand and a boat", "refine"),
        ("a car on sand", "refine"),
        ("a blue car on snow", "refine"),
    ],
)
def test_mode_is_picked_by_the_captions_and_recorded(draw, b, mode):
    (row,) = draw([captions(b=b)])
    ((_, (source,), *_),) = draw.calls
    assert source.edits[0].mode == mode
    assert row["editing"] == {"mode": mode, "candidate": 0, "candidate_scores": []}


@pytest.mark.parametrize(
    ("kind", "b", "mode"),
    [
        ("replace", "a red boat on sand", "replace"),
        ("attribute", "a blue car on sand", "refine"),
        ("add", "a red car and a boat on sand", "refine"),
    ],
)
def test_the_edit_says_how_attributes_are_drawn(draw, kind, b, mode):
    row = captions(b=b)
    row["edit"] = {"kind": kind, "source": "", "target": ""}
    (row,) = draw([row])
    assert row["editing"]["mode"] == mode


def test_blend_reads_the_words_that_differ(draw):
    row = captions("a red car on sand", "a blue boat on snow")
    draw([row], blend_threshold=0.4, blend_side=0.5)
    ((_, (source,), *_),) = draw.calls
    blend = source.edits[0].blend
    words = [
        [span.of(caption) for span in spans]
        for caption, spans in ((row["caption_a"], blend.words_a), (row["caption_b"], blend.words_b))
    ]
    assert words == [["red car", "sand"], ["blue boat", "snow"]]
    assert (blend.threshold, blend.side) == (0.4, 0.5)


def test_no_blend_unless_asked_for(draw):
    draw([captions()])
    ((_, (source,), *_),) = draw.calls
    assert source.edits[0].blend is None


class TestCandidates:
    def test_need_clip_and_a_single_edit_does_not(self):
        params = SdxlPrompt2PromptMapper.Params
        assert SdxlPrompt2PromptMapper(params()).roles == ("diffusion",)
        assert SdxlPrompt2PromptMapper(params(candidates=2)).roles == ("diffusion", "clip")

    def test_have_ever_shorter_windows(self, draw):
        draw([captions()], candidates=4, self_replace_steps=0.4, cross_replace_steps=0.8)
        ((_, (source,), *_),) = draw.calls
        windows = [(e.windows.self_steps, e.windows.cross_steps) for e in source.edits]
        np.testing.assert_allclose(windows, [(0.4, 0.8), (0.3, 0.6), (0.2, 0.4), (0.1, 0.2)])
        assert len({(e.caption, e.spans) for e in source.edits}) == 1

    @pytest.mark.parametrize("choose_by", ["clip_direction", "clip_caption"])
    def test_the_best_is_kept_and_all_scores_recorded(self, draw, choose_by):
        brightness = [0.1, 0.3, 0.9, 0.2]  # source and three edits

        def picture_of(source):
            pictures = noise_pair(source)
            return pictures * 0.05 + np.array(brightness, np.float32)[:, None, None, None]

        draw.picture_of = picture_of
        (row,) = draw([captions()], candidates=3, choose_by=choose_by)
        found = row["editing"]["candidate_scores"]
        assert row["editing"]["candidate"] == 1
        assert found.index(max(found)) == 1
        assert len(found) == 3
        assert 0.85 < load_rgb(row["image_b"]).mean() / 255 < 1

    def test_an_edit_like_its_source_scores_nothing(self, draw):
        draw.picture_of = lambda source: np.repeat(noise_pair(source)[:1], 1 + len(source.edits), 0)
        (row,) = draw([captions()], candidates=2)
        assert row["editing"]["candidate_scores"] == [0.0, 0.0]
