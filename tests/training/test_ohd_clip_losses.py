"""The losses of OHD-Caps against loops over their formulas."""

from math import exp, inf, log, nan

import pytest
import torch

from imgdiff.training.ohd_clip.losses import (
    Scored,
    contrastive,
    edited_above_others,
    edited_below_others,
    wrong_below_own,
)

LOSSES = {
    "contrastive": contrastive,
    "own": lambda scored: wrong_below_own(scored, 5.0),
    "closer": lambda scored: edited_above_others(scored, 5.0),
    "farther": lambda scored: edited_below_others(scored, 5.0),
}


@pytest.fixture
def scored():
    """Four images with up to three edited captions; images 0 and 2 have the same caption, the last
    has no edited one."""
    random = torch.Generator().manual_seed(0)
    others = ~torch.eye(4, dtype=torch.bool)
    others[0, 2] = others[2, 0] = False
    present = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]]).bool()
    return Scored(
        25 + 4 * torch.randn(4, 4, generator=random),
        others,
        25 + 4 * torch.randn(4, 3, generator=random),
        present,
    )


def wrong(scored, i):
    """The other captions of the batch, and the edited captions of image i."""
    others = [scored.captions[i, j].item() for j in range(4) if scored.others[i, j]]
    edited = [scored.edited[i, k].item() for k in range(3) if scored.present[i, k]]
    return others, edited


def cross_entropy(right, rest):
    return -log(exp(right) / (exp(right) + sum(exp(value) for value in rest)))


def test_the_contrastive_loss_has_edited_captions_among_the_texts_alone(scored):
    images, texts = [], []
    for i in range(4):
        own = scored.captions[i, i].item()
        others, edited = wrong(scored, i)
        images.append(cross_entropy(own, others + edited))
        shown = [scored.captions[j, i].item() for j in range(4) if scored.others[j, i]]
        texts.append(cross_entropy(own, shown))
    expected = 0.5 * (sum(images) + sum(texts)) / 4
    assert contrastive(scored).item() == pytest.approx(expected, rel=1e-5)


def test_the_own_caption_is_to_lead_all_others(scored):
    terms = []
    for i in range(4):
        others, edited = wrong(scored, i)
        terms += [max(0, 5 - scored.captions[i, i].item() + value) for value in others + edited]
    assert len(terms) == 10 + 6
    assert LOSSES["own"](scored).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_closer_puts_edited_captions_above_those_of_other_images(scored):
    terms = [
        max(0, 5 - edited + other)
        for i in range(4)
        for edited in wrong(scored, i)[1]
        for other in wrong(scored, i)[0]
    ]
    assert len(terms) == 3 * 2 + 1 * 3 + 2 * 2
    assert LOSSES["closer"](scored).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_farther_puts_edited_captions_below_the_likest_other_image(scored):
    terms = []
    for i in range(4):
        shown = [scored.captions[j, i].item() for j in range(4) if scored.others[j, i]]
        terms += [max(0, 5 + edited - max(shown)) for edited in wrong(scored, i)[1]]
    assert LOSSES["farther"](scored).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_the_two_signs_pull_edited_captions_apart(scored):
    pulls = {}
    for sign in ("closer", "farther"):
        edited = scored.edited.clone().requires_grad_()
        LOSSES[sign](Scored(scored.captions, scored.others, edited, scored.present)).backward()
        pulls[sign] = edited.grad[scored.present]
    assert (pulls["closer"] <= 0).all()
    assert (pulls["farther"] >= 0).all()
    assert pulls["closer"].min() < 0 < pulls["farther"].max()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("anything", [1e4, inf, nan])
def test_missing_negatives_have_no_effect(scored, name, anything):
    """Neither on the loss nor on any gradient, to the last bit, whatever their place holds."""
    results = []
    for value in (0.0, anything):
        captions = scored.captions.clone().requires_grad_()
        edited = scored.edited.masked_fill(~scored.present, value).requires_grad_()
        loss = LOSSES[name](Scored(captions, scored.others, edited, scored.present))
        loss.backward()
        edited_grad = torch.zeros_like(edited) if edited.grad is None else edited.grad
        results.append((loss.detach(), captions.grad, edited_grad))
        assert (edited_grad[~scored.present] == 0).all()
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", LOSSES)
def test_a_single_image_without_negatives_has_nothing_to_learn(name):
    captions = torch.tensor([[20.0]], requires_grad=True)
    edited = torch.full((1, 2), nan, requires_grad=True)
    none = torch.zeros(1, 2, dtype=torch.bool)
    loss = LOSSES[name](Scored(captions, torch.zeros(1, 1, dtype=torch.bool), edited, none))
    loss.backward()
    assert loss.item() == 0
    assert captions.grad is None or captions.grad.item() == 0


def test_an_edited_caption_costs_by_its_softmax():
    """One image, its caption at 2 and an edited one at 2: the image chooses between two likes."""
    scored = Scored(
        torch.tensor([[2.0]]),
        torch.zeros(1, 1, dtype=torch.bool),
        torch.tensor([[2.0]]),
        torch.ones(1, 1, dtype=torch.bool),
    )
    assert contrastive(scored).item() == pytest.approx(0.5 * log(2))
    assert wrong_below_own(scored, 3.0).item() == pytest.approx(3.0)
