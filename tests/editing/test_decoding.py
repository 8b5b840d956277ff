"""Decoding: as the pipeline does it, and once more where half precision overflows. Encoding: its
inverse."""

import pytest
import torch

from imgdiff.editing.costs import coding_bytes
from imgdiff.editing.decoding import decode, encode


@pytest.fixture
def latents():
    return torch.randn(5, 4, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def half(pipeline):
    pipeline.vae.to(torch.bfloat16)
    yield pipeline
    pipeline.vae.to(torch.float32)


def test_parts_make_the_same_pictures(pipeline, latents, monkeypatch):
    memory_for(2, pipeline, monkeypatch)
    together = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    expected = (together / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(decode(pipeline, latents), expected, rtol=0, atol=1e-5)


def memory_for(count, pipeline, monkeypatch):
    """So many pictures of 32 x 32 pixels at once, no more."""
    held = count * coding_bytes(pipeline.vae, 32 * 32)
    monkeypatch.setattr("imgdiff.models.memory.CPU_BYTES", held)


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
    memory_for(4, pipeline, monkeypatch)
    decode(pipeline, latents)
    assert calls == [(torch.float32, 4), (torch.float32, 1)]


class TestEncoding:
    @pytest.fixture
    def pictures(self):
        return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    @pytest.fixture
    def shifted(self, pipeline):
        """The autoencoder's latents have a mean and a deviation, as the embedded one's do."""
        shift = {"latents_mean": [0.5, -1.0, 2.0, 0.0], "latents_std": [2.0, 0.5, 1.0, 3.0]}
        pipeline.vae.register_to_config(**shift)
        yield pipeline
        pipeline.vae.register_to_config(**dict.fromkeys(shift))

    def test_latents_are_the_likeliest_and_scaled(self, pipeline, pictures):
        vae = pipeline.vae
        expected = vae.encode(2 * pictures - 1).latent_dist.mode() * vae.config.scaling_factor
        torch.testing.assert_close(encode(pipeline, pictures), expected, rtol=0, atol=1e-5)

    def test_decoding_undoes_the_shift_of_the_latents(self, shifted, pictures):
        there, back = encode(shifted, pictures), decode(shifted, encode(shifted, pictures))
        shifted.vae.register_to_config(latents_mean=None, latents_std=None)
        plain = encode(shifted, pictures)
        assert (there - plain).abs().max() > 0.1
        torch.testing.assert_close(back, decode(shifted, plain), rtol=0, atol=1e-4)

    def test_in_half_precision_the_autoencoder_stays_in_it(self, half, pictures):
        half.unet.to(torch.bfloat16)
        try:
            assert encode(half, pictures).dtype == half.vae.dtype == torch.bfloat16
        finally:
            half.unet.to(torch.float32)
