"""Decoding: as the pipeline does it, and once more where half precision overflows."""

import pytest
import torch

from imgdiff.editing.decoding import decode


@pytest.fixture
def latents():
    return torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def half(pipeline):
    pipeline.vae.to(torch.bfloat16)
    yield pipeline
    pipeline.vae.to(torch.float32)


def test_slices_make_the_same_pictures(pipeline, latents):
    together = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    expected = (together / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(decode(pipeline, latents), expected, rtol=0, atol=1e-5)


def overflow(monkeypatch, vae, rows_of):
    """The decoder gives NaN for some rows of a batch, in half precision alone."""
    original, dtypes = vae.decode, []

    def break_down(latents):
        dtypes.append((latents.dtype, len(latents)))
        made = original(latents)
        if latents.dtype != torch.float32:
            made.sample[rows_of] = float("nan")
        return made

    monkeypatch.setattr(vae, "decode", break_down)
    return dtypes


def test_overflow_is_decoded_once_more_in_float32(half, latents, monkeypatch):
    expected = decode(half, latents)
    calls = overflow(monkeypatch, half.vae, [1])
    images = decode(half, latents[:4])
    assert images.isfinite().all()
    torch.testing.assert_close(images, expected[:4], rtol=0, atol=0.05)
    assert calls == [(torch.bfloat16, 4), (torch.float32, 1)]
    assert half.vae.dtype == torch.bfloat16


def test_latents_that_are_nan_stay_nan(half, latents):
    latents[2] = float("nan")
    broken = ~decode(half, latents).isfinite().flatten(1).all(1)
    assert broken.tolist() == [False, False, True, False, False]


def test_float32_is_not_repeated(pipeline, latents, monkeypatch):
    latents[0] = float("nan")
    calls = overflow(monkeypatch, pipeline.vae, [])
    decode(pipeline, latents)
    assert calls == [(torch.float32, 4), (torch.float32, 1)]
