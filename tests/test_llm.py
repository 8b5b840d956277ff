"""A local language model: sampling from a seed of its own for every row."""

import pytest
import torch
from miniatures import save_llm

from imgdiff.models.families.causal_lm import CausalLm, GumbelNoise
from imgdiff.models.zoo import Checkpoint

QUESTIONS = ["a red car", "a much longer question about a blue mug on the sand", "x"]


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    """A miniature chat model with random weights, from a folder."""
    folder = tmp_path_factory.mktemp("llm")
    save_llm(folder)
    return CausalLm.load(Checkpoint(name=str(folder), device="cpu"))


def answer(llm, questions=QUESTIONS, seeds=(1, 2, 3), temperature=0.8):
    return llm.answer(questions, seeds, max_new_tokens=6, temperature=temperature)


def test_an_answer_does_not_depend_on_its_batch(llm):
    together = answer(llm)
    alone = [
        answer(llm, [question], [seed])[0]
        for question, seed in zip(QUESTIONS, (1, 2, 3), strict=True)
    ]
    assert together == alone


def test_the_seed_decides(llm):
    assert answer(llm, seeds=(1, 2, 3)) == answer(llm, seeds=(1, 2, 3))
    assert answer(llm, ["x"] * 3, seeds=(1, 2, 3)) != answer(llm, ["x"] * 3, seeds=(4, 5, 6))


def test_without_temperature_seeds_do_not_matter(llm):
    assert answer(llm, seeds=(1, 2, 3), temperature=0) == answer(
        llm, seeds=(4, 5, 6), temperature=0
    )


def test_draws_follow_the_softmax():
    logits, temperature, count = torch.tensor([[0.0, 1.0, 2.0]]), 0.5, 4000
    noise = GumbelNoise(range(count), temperature)
    drawn = noise(torch.zeros(count, 1), logits.expand(count, 3)).argmax(1)
    shares = torch.bincount(drawn, minlength=3) / count
    expected = (logits[0] / temperature).softmax(0)
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.03)
