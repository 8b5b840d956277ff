"""caption_phrase_mapper: things that a caption names, by the lexicon or by a language model."""

import pytest

from imgdiff.operators.scene_captions.caption_phrase_mapper import CaptionPhraseMapper
from imgdiff.testing import make_row, run_operator


class FakeLlm:
    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def answer(self, questions, seeds, max_new_tokens, temperature):
        self.asked += [(question, temperature) for question in questions]
        return [next(a for c, a in self.answers.items() if c in q) for q in questions]


@pytest.fixture
def ask(models):
    def run(caption, answer):
        llm = FakeLlm({caption: answer})
        models.llm = lambda: llm
        row = make_row(caption_a=caption)
        (row,) = run_operator(CaptionPhraseMapper, [row], models, strategy="llm")
        return row, llm.asked

    return run


def test_nouns_of_the_lexicon(models):
    row = make_row(caption_a="A red boat, and a mug.")
    (row,) = run_operator(CaptionPhraseMapper, [row], models)
    assert row["phrases"] == [
        {"text": "A red boat", "start": 0, "end": 10, "score": None, "set": ""},
        {"text": "a mug", "start": 16, "end": 21, "score": None, "set": ""},
    ]


def test_lexicon_of_the_recipe(models):
    row = make_row(caption_a="A zebra by a car.")
    (row,) = run_operator(CaptionPhraseMapper, [row], models, lexicon="english")
    assert [phrase["text"] for phrase in row["phrases"]] == ["A zebra", "a car"]


def test_caption_that_names_nothing(models):
    row = make_row(caption_a="A lovely evening.")
    (row,) = run_operator(CaptionPhraseMapper, [row], models)
    assert (row.status, row.reason) == ("rejected", "caption_phrase_mapper: no_phrase")
    assert row.message == "no known object is named in the caption"


def test_what_a_language_model_lists(ask):
    row, [(question, temperature)] = ask("A gnu and a {caption}.", "a gnu, a tiger")
    assert [phrase["text"] for phrase in row["phrases"]] == ["A gnu"]
    assert question.endswith("Caption: A gnu and a {caption}.\nObjects:")
    assert temperature == 0
    assert row.ok


def test_language_model_that_refuses(ask):
    row, _ = ask("A gnu.", "Sorry, no.")
    assert (row.status, row.reason) == ("rejected", "caption_phrase_mapper: answer_form")
    assert row.message == "the answer is no list of phrases"


def test_language_model_is_asked_for_by_the_strategy_alone():
    for strategy, roles in (("lexicon", ()), ("llm", ("llm",))):
        params = CaptionPhraseMapper.Params(strategy=strategy)
        assert CaptionPhraseMapper(params).roles == roles
