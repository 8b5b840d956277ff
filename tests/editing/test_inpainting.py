"""Inpainting: the mask alone changes, batches change nothing, no weights are copied."""

from dataclasses import replace

import miniatures
import numpy as np
import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionXLInpaintPipeline

from imgdiff.editing import inpainting
from imgdiff.editing.decoding import decode, encode
from imgdiff.editing.holes import Hole, composed, dilated
from imgdiff.editing.inpainting import inpaint

SIDE = 32


@pytest.fixture
def few_steps(pipeline):
    """The pipeline with the scheduler of SDXL-Turbo, which draws noise at every step."""
    before = pipeline.scheduler
    pipeline.scheduler = EulerAncestralDiscreteScheduler(timestep_spacing="trailing")
    yield pipeline
    pipeline.scheduler = before


def hole(seed=0, size=(SIDE, SIDE), box=(9, 11, 20, 23), **changes):
    """A noisy picture with a box, xyxy, to be drawn anew."""
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return replace(Hole(image, mask, seed, "a red car"), **changes)


def paint(pipeline, holes, steps=4, guidance=2.0, strength=0.85, side=None):
    return inpaint(pipeline, holes, steps, guidance, strength, side)


@pytest.mark.parametrize("size", [(SIDE, SIDE), (24, 40), (37, 51)])
@pytest.mark.parametrize("guidance", [0.0, 2.0])
def test_outside_the_mask_the_picture_is_the_same_bit_for_bit(pipeline, size, guidance):
    one = hole(size=size)
    (painted,) = paint(pipeline, [one], guidance=guidance)
    made = composed(one, painted)
    assert made.shape == one.image.shape
    np.testing.assert_array_equal(made[~one.mask], one.image[~one.mask])
    assert (made[one.mask] != one.image[one.mask]).mean() > 0.9


def test_without_a_mask_the_picture_comes_back_as_the_autoencoder_has_it(pipeline):
    one = hole(box=(0, 0, 0, 0))
    (painted,) = paint(pipeline, [one])
    picture = torch.from_numpy(one.image)[None].permute(0, 3, 1, 2) / 255
    (expected,) = decode(pipeline, encode(pipeline, picture)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(painted, expected, atol=1e-4)


@pytest.mark.parametrize("scheduler", ["pipeline", "few_steps"])
def test_what_shares_the_batch_does_not_matter(request, scheduler):
    pipeline = request.getfixturevalue(scheduler)
    holes = [
        hole(0),
        hole(1, size=(24, 40)),
        hole(2, negative_prompt="a mug"),
        hole(3, prompt=""),
    ]
    together = paint(pipeline, holes)
    for one, painted in zip(holes, together, strict=True):
        np.testing.assert_allclose(paint(pipeline, [one])[0], painted, atol=1e-4)


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"prompt": "a blue boat"}, {"negative_prompt": "a blue boat"}]
)
def test_seed_and_prompts_matter(pipeline, changes):
    first, second = paint(pipeline, [hole()]), paint(pipeline, [replace(hole(), **changes)])
    assert np.abs(first[0] - second[0]).max() > 0.01


def test_at_less_strength_more_stays(pipeline):
    one = hole(box=(0, 0, SIDE, SIDE))
    through_the_autoencoder = paint(pipeline, [hole(box=(0, 0, 0, 0))])[0]
    little, much = (
        np.abs(paint(pipeline, [one], steps=10, strength=strength)[0] - through_the_autoencoder)
        for strength in (0.1, 1.0)
    )
    assert little.mean() < 0.5 * much.mean()


def test_every_latent_cell_that_the_mask_touches_is_drawn_anew(pipeline):
    """Diffusers alone reads a cell's first pixel: a mask that begins at an odd one loses cells."""
    odd = hole(box=(9, 11, 10, 12))
    with_it, without = (
        paint(pipeline, [one])[0] for one in (odd, replace(odd, mask=np.zeros_like(odd.mask)))
    )
    assert np.abs(with_it - without)[odd.mask].max() > 0.01


def test_pictures_are_worked_on_at_the_models_size_or_the_one_asked_for(pipeline, monkeypatch):
    sizes = []
    call = StableDiffusionXLInpaintPipeline.__call__

    def spy(self, **arguments):
        sizes.append((arguments["height"], arguments["width"]))
        return call(self, **arguments)

    monkeypatch.setattr(StableDiffusionXLInpaintPipeline, "__call__", spy)
    for side in (None, 64):
        paint(pipeline, [hole(size=(30, 61))], side=side)
    assert sizes == [(16, 32), (32, 64)]


def test_the_modules_are_the_pipelines_own(pipeline):
    made = inpainting._inpainter(pipeline)
    assert all(getattr(made, name) is getattr(pipeline, name) for name in inpainting.COMPONENTS)


def test_an_inpainting_unet_is_shown_the_masked_picture(tokenizer):
    one = hole(box=(0, 0, 20, SIDE))
    other = replace(one, image=np.where(one.mask[..., None], one.image, 0).astype(np.uint8))
    inpainter = miniatures.sdxl(tokenizer, in_channels=9)
    first, second = paint(inpainter, [one, other], strength=1.0)
    assert np.abs(first - second)[one.mask].max() > 0.01


def test_in_half_precision_the_weights_stay_in_it(pipeline):
    pipeline.to(dtype=torch.bfloat16)
    try:
        (painted,) = paint(pipeline, [hole()])
        assert np.isfinite(painted).all()
        assert pipeline.unet.dtype == torch.bfloat16
    finally:
        pipeline.to(dtype=torch.float32)


def test_pipeline_draws_as_before_afterwards(pipeline):
    def drawn():
        settings = {"num_inference_steps": 2, "output_type": "np"}
        return pipeline("a car", generator=torch.Generator().manual_seed(0), **settings).images

    before = drawn()
    paint(pipeline, [hole()])
    np.testing.assert_array_equal(drawn(), before)


class TestDilated:
    @pytest.mark.parametrize(("share", "reach"), [(0.0, 0), (0.05, 2), (0.1, 4)])
    def test_grows_by_a_share_of_the_longer_side(self, share, reach):
        mask = np.zeros((20, 40), bool)
        mask[10, 20] = True
        rows, columns = np.nonzero(dilated(mask, share))
        assert (rows.min(), rows.max()) == (10 - reach, 10 + reach)
        assert (columns.min(), columns.max()) == (20 - reach, 20 + reach)

    def test_is_round(self):
        mask = np.zeros((41, 41), bool)
        mask[20, 20] = True
        grown = dilated(mask, 0.25)
        assert grown[20, 10]
        assert not grown[10, 10]
