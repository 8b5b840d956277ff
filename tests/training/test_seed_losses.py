"""SEED's purification and losses, against sums done by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from imgdiff.training.seed import losses
from imgdiff.training.seed.distortion import diffuse, noise_like, signal_shares


def logits(*chances):
    return torch.tensor(chances).log()


@pytest.mark.parametrize(
    ("step", "signal", "noise"),
    [(0, 1.0, 0.005), (500, 0.863, 0.505), (700, 0.593, 0.805), (999, 0.285, 0.959)],
)
def test_shares_of_signal_and_noise(step, signal, noise):
    one = torch.ones(2, 3, 4, 4)
    assert_close(diffuse(one, step, torch.zeros_like(one)).mean().item(), signal, atol=6e-4, rtol=0)
    assert_close(diffuse(one * 0, step, one).mean().item(), noise, atol=6e-4, rtol=0)


def test_shares_fall():
    shares = signal_shares()
    assert len(shares) == 1000
    assert (shares.diff() < 0).all()


@pytest.mark.parametrize("shape", [(3, 3, 8, 8), (2, 5, 3, 8, 8)])
def test_every_tile_has_its_own_noise(shape):
    torch.manual_seed(0)
    tiles = noise_like(torch.zeros(shape)).flatten(0, -4)
    assert len(torch.unique(tiles.mean((1, 2, 3)))) == len(tiles)


def test_copies_of_a_picture_in_flat_patches_share_their_noise():
    torch.manual_seed(0)
    noise = noise_like(torch.zeros(50, 3 * 2 * 16), frames=2)
    frames = noise.view(50, 3, 2, 16)
    assert torch.equal(frames[:, :, 0], frames[:, :, 1])
    assert noise.std().item() == pytest.approx(1, abs=0.05)


def test_image_dependence_of_opposite_equal_and_half_different_answers():
    clean = torch.tensor([[50.0, -50.0], [0.0, 0.0], [0.0, 0.0]])
    distorted = torch.tensor([[-50.0, 50.0], [0.0, 0.0], [0.0, -100.0]])
    # third: (1/2, 1/2) against (1, 0), middle (3/4, 1/4)
    half = 0.5 * (0.5 * math.log(2 / 3) + 0.5 * math.log(2)) + 0.5 * math.log(4 / 3)
    wanted = torch.tensor([1.0, 0.0, half / math.log(2)])
    assert_close(losses.image_dependence(clean, distorted), wanted)


def test_the_contrast_by_hand():
    # yes and no are as likely seen; unseen the model says yes three times in four
    found = losses.purified(logits(0.5, 0.5), logits(0.75, 0.25), alpha=1.0, beta=0.0)
    assert_close(found.exp(), torch.tensor([0.25, 0.75]))  # (1/4)/(3/4) : (1/4)/(1/4)


def test_what_is_not_plausible_is_cut_however_strong_the_contrast():
    clean, distorted = logits(0.6, 0.35, 0.05), logits(0.9, 0.0999, 0.0001)
    kept = losses.purified(clean, distorted, alpha=1.0, beta=0.1).exp()
    assert kept[2] == 0
    assert kept.argmax() == 1
    assert losses.purified(clean, distorted, alpha=1.0, beta=0.05).exp().argmax() == 2


def test_no_contrast_gives_the_clean_distribution():
    clean = logits(0.6, 0.35, 0.05)
    assert_close(losses.purified(clean, -clean, alpha=0.0, beta=0.0).exp(), clean.exp())


def test_kl_of_two_tokens_by_hand():
    student, target = logits(0.5, 0.5), logits(0.8, 0.2)
    reverse = 0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.2)
    forward = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert losses.reverse_kl(student, target).item() == pytest.approx(reverse)
    assert losses.forward_kl(student, target).item() == pytest.approx(forward)


def test_the_floor_keeps_the_reverse_divergence_and_its_gradient_finite():
    clean, distorted = logits(0.6, 0.39, 0.01), logits(0.5, 0.4, 0.1)
    cut = losses.purified(clean, distorted, alpha=1.0, beta=0.1)
    student = logits(0.3, 0.3, 0.4).requires_grad_()
    assert losses.reverse_kl(student, cut).isinf()
    target = losses.floored(cut, clean, epsilon=1e-3)
    assert_close(target.exp().sum(), torch.tensor(1.0))
    assert target.exp()[2].item() == pytest.approx(1e-3 * 0.01)
    loss = losses.reverse_kl(student, target)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
    assert student.grad[2] > 0  # what is cut becomes less likely


def test_reverse_kl_seeks_one_mode_and_forward_kl_covers_both():
    """A student that can only shift one peak (logits -(x - m)^2) against a target of two."""
    places = torch.arange(11.0)
    target = torch.full((11,), 1e-4)
    target[2], target[8] = 0.6, 0.4
    target = (target / target.sum()).log()
    peaks = [-((places - m) ** 2) / 8 for m in range(11)]
    seeking = min(range(11), key=lambda m: losses.reverse_kl(peaks[m] * 4, target).item())
    covering = min(range(11), key=lambda m: losses.forward_kl(peaks[m], target).item())
    assert seeking == 2
    assert covering in (4, 5)


def test_weighted_mean():
    values, weights = torch.tensor([1.0, 4.0]), torch.tensor([3.0, 1.0])
    assert losses.weighted_mean(values, weights).item() == pytest.approx(7 / 4)
    assert losses.weighted_mean(values, torch.zeros(2)).item() == 0
