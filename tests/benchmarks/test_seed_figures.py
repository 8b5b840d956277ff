"""SEED's part of `benchmarks/hallucination.py`, of answers that are known, on the embedded MLLM."""

import numpy as np
import pytest
import torch
from hallucination_parts import seed
from hallucination_parts.bench import Bench
from hallucination_parts.yes_no import exam

SCENES = 6


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("work"), quick=True).load(seed.BASE)


def said(base, yes):
    """Logits of first tokens that are yes where `yes`, and no elsewhere, for sure."""
    first = [base.first_tokens(word)[0] for word in ("no", "yes")]
    logits = torch.zeros(len(yes), base.model.config.get_text_config().vocab_size)
    logits[torch.arange(len(yes)), torch.tensor(first)[torch.tensor(yes).long()]] = 50.0
    return logits


def test_bars(base):
    questions = exam("test", SCENES)
    truth, always = questions.truth, np.ones(len(questions.truth), bool)
    found = seed.pope_figures(
        base, questions, said(base, always), [said(base, truth)] * 2, said(base, ~truth)
    )
    values = {figure.name: figure.value for figure in found}
    assert values["seed_pope_f1_before"] == pytest.approx(2 / 3)
    assert values["seed_pope_f1_after"] == values["seed_pope_sampled_after"] == 1
    assert values["seed_pope_adversarial_f1_change"] == pytest.approx(100 / 3)
    assert values["seed_forward_change"] == pytest.approx(-200 / 3)
    assert values["seed_pope_best_threshold_after"] == 1
    assert [figure.name for figure in found if figure.passes] == [
        "seed_pope_f1_change",
        "seed_pope_adversarial_f1_change",
    ]


def test_a_model_that_came_to_say_yes_alone_misses_them(base):
    questions = exam("test", SCENES)
    always = said(base, np.ones(len(questions.truth), bool))
    right = said(base, questions.truth)
    found = {one.name: one for one in seed.pope_figures(base, questions, right, [always], always)}
    assert found["seed_pope_f1_change"].passes is False
    assert found["seed_pope_adversarial_f1_change"].passes is False


def test_answers_are_kept(tmp_path):
    bench, questions = Bench(tmp_path, quick=True), exam("test", SCENES)
    clean = seed.answers(bench, seed.BASE, questions)
    distorted = seed.answers(bench, seed.BASE, questions, 999)
    assert clean.shape == distorted.shape
    assert not torch.equal(clean, distorted)
    (file,) = tmp_path.glob("answers-6-999-*.npy")
    np.save(file, np.zeros((1, 2), np.float32))
    assert seed.answers(bench, seed.BASE, questions, 999).tolist() == [[0, 0]]
    assert torch.equal(seed.answers(bench, seed.BASE, questions), clean)
