"""EFUF's terms against values computed by hand."""

from math import exp, log

import pytest
import torch

from imgdiff.training.efuf.losses import (
    ascent,
    finetuning,
    negative_share,
    positive_share,
    score_weights,
    token_losses,
)

IGNORED = -100


def chances(*rows):
    """Logits [1, T, V] whose softmax these rows are."""
    return torch.tensor([rows]).log()


class TestTokenLosses:
    def test_each_label_is_told_by_the_position_before_it(self):
        logits = chances([0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6])
        losses, wanted = token_losses(logits, torch.tensor([[2, 1, 2]]))
        torch.testing.assert_close(losses, torch.tensor([[-log(0.25), -log(0.8)]]))
        assert wanted.all()

    def test_unlabelled_tokens_cost_nothing_and_keep_their_place(self):
        logits = chances([0.5, 0.5], [0.9, 0.1], [0.3, 0.7])
        losses, wanted = token_losses(logits, torch.tensor([[0, IGNORED, 0]]))
        torch.testing.assert_close(losses, torch.tensor([[0, -log(0.9)]]))
        assert wanted.tolist() == [[False, True]]


def test_finetuning_is_the_mean_over_a_samples_own_tokens():
    losses = torch.tensor([[1.0, 3, 0], [5, 0, 0]])
    wanted = torch.tensor([[True, True, False], [True, False, False]])
    assert finetuning(losses, wanted).tolist() == [2, 5]


class TestAscent:
    WANTED = torch.ones(1, 2, dtype=torch.bool)

    def test_without_a_floor_it_is_the_papers(self):
        losses = torch.tensor([[1.0, 9]])
        assert ascent(losses, self.WANTED, None).tolist() == [-5]

    def test_a_token_below_the_floor_stays_there(self):
        losses = torch.tensor([[1.0, 9]])
        assert ascent(losses, self.WANTED, -3).tolist() == [-2]  # -(1 + 3) / 2

    def test_it_never_falls_below_the_floor(self):
        losses = torch.tensor([[40.0, 1e6]])
        assert ascent(losses, self.WANTED, -3).item() == -3

    @pytest.mark.parametrize(("floor", "unlearned"), [(None, 1 - exp(-9)), (-3.0, 0)])
    def test_what_is_unlearned_is_pushed_no_more(self, floor, unlearned):
        """The slope by the logit of a token with chance p is (1 - p) / tokens."""
        p = torch.tensor([exp(-1.0), exp(-9.0)], dtype=torch.float64)
        logits = torch.stack([p, 1 - p], -1).log().unsqueeze(0)
        logits = torch.cat([logits, torch.zeros(1, 1, 2)], 1).requires_grad_()
        losses, wanted = token_losses(logits, torch.tensor([[IGNORED, 0, 0]]))
        ascent(losses, wanted, floor).sum().backward()
        expected = [(1 - exp(-1)) / 2, unlearned / 2]
        assert logits.grad[0, :2, 0].tolist() == pytest.approx(expected, rel=1e-4)


class TestWeights:
    def test_scores_in_the_middle_weigh_one(self):
        """The released code: S for a positive, 55 - S for a negative, 55 = 23 + 32."""
        scores, unlearned = torch.tensor([0.275, 0.275, 0.33, 0.11]), torch.tensor([0, 1, 0, 1])
        weights = score_weights(scores, unlearned.bool(), 0.55)
        assert weights.tolist() == pytest.approx([1, 1, 1.2, 1.6])

    def test_the_positive_weight_falls_in_a_line(self):
        assert [positive_share(t, 0.5) for t in (0, 0.5, 1)] == [1, 0.75, 0.5]
        assert [positive_share(t, 1.0) for t in (0, 0.5, 1)] == [1, 1, 1]

    def test_the_negative_weight_holds_and_falls_to_nothing(self):
        shares = [negative_share(t, 0.4) for t in (0, 0.4, 0.7, 1)]
        assert shares == pytest.approx([1, 1, 0.5, 0])
        assert [negative_share(t, 1.0) for t in (0, 0.5, 1)] == [1, 1, 1]
