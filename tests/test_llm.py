"""A local language model: sampling from a seed of its own for every row."""

import pytest
import torch
from miniatures import save_llm
from transformers import GenerationConfig

from imgdiff.errors import RowError
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


def test_its_own_settings_do_not_bend_an_answer(llm):
    plain = answer(llm)
    usual = llm.model.generation_config
    llm.model.generation_config = GenerationConfig(**usual.to_dict())
    llm.model.generation_config.update(repetition_penalty=9.0, no_repeat_ngram_size=1)
    try:
        assert answer(llm) == plain
    finally:
        llm.model.generation_config = usual


class TestThoughts:
    """Of a model whose template begins them unless it is told not to."""

    SWITCH = "{% if enable_thinking is false %}</think>{% else %}<think>{% endif %}{% endif %}"

    @pytest.fixture
    def thinker(self, llm, monkeypatch):
        template = llm.tokenizer.chat_template.removesuffix("{% endif %}") + self.SWITCH
        monkeypatch.setattr(llm.tokenizer, "chat_template", template)
        monkeypatch.setattr(llm.tokenizer, "decode", lambda ids: self.prompt)
        monkeypatch.setattr(llm.tokenizer, "batch_decode", lambda *_, **__: self.said)
        return llm

    def test_they_are_switched_off(self, thinker, monkeypatch):
        told = []
        template = thinker.tokenizer.apply_chat_template
        monkeypatch.setattr(
            thinker.tokenizer,
            "apply_chat_template",
            lambda *given, **how: told.append(how) or template(*given, **how),
        )
        self.prompt, self.said = "</think>", ["a red car "]
        assert answer(thinker, ["x"], [1]) == ["a red car"]
        assert told[0]["enable_thinking"] is False

    def test_what_comes_behind_them_is_the_answer(self, thinker):
        self.prompt, self.said = "<think>\n", ["so</think> a red car"]
        assert answer(thinker, ["x"], [1]) == ["a red car"]

    def test_thoughts_alone_fail_the_row(self, thinker):
        self.prompt, self.said = "<think>\n", ["so it is"]
        with pytest.raises(RowError) as failed:
            answer(thinker, ["x"], [1])
        assert failed.value.code == "only_thoughts"
