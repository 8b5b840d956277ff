import math
import sys

import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.captions import plain_words, scores

WANTED = {"1": ["the car is red now"], "2": ["a dog has gone away"], "3": ["a tree was added here"]}


def test_sentences_become_plain_words():
    assert plain_words("The dog's ball, RED (again).") == "the dog's ball red again"


def test_the_references_themselves_are_perfect():
    found = scores({id_: said[0].capitalize() + "." for id_, said in WANTED.items()}, WANTED)
    assert found["bleu_4"].value == pytest.approx(100)
    assert found["rouge_l"].value == pytest.approx(100)
    assert found["cider_d"].value == pytest.approx(1000)


def test_scores_by_hand():
    found = scores({"1": "the car is blue", "2": "", "3": ""}, WANTED)
    # sentence 1: longest common subsequence 3, precision 3/4, recall 3/5, beta 1.2
    f = (1 + 1.2**2) * 0.75 * 0.6 / (0.6 + 1.2**2 * 0.75)
    assert found["rouge_l"].value == pytest.approx(100 * f / 3)
    assert found["bleu_4"].value == 0  # no four words in a row
    # every run of words weighs ln 3: 3, 2, 1 and 0 of them match; one run of 2 fewer: exp(-1 / 72)
    cosines = (3 / math.sqrt(4 * 5), 2 / math.sqrt(3 * 4), 1 / math.sqrt(2 * 3), 0)
    sentence = 10 * sum(cosines) / 4 * math.exp(-1 / (2 * 6**2))
    assert found["cider_d"].value == pytest.approx(100 * sentence / 3)


def test_bleu_by_hand():
    # all 5 words and 4, 3, 2 runs of 2, 3, 4 words are right in sentence 1; 2 and 3 are silent
    found = scores({"1": "the car is red now", "2": "", "3": ""}, WANTED)
    assert found["bleu_4"].value == pytest.approx(100 * math.exp(1 - 15 / 5))


@pytest.mark.parametrize("package", ["pycocoevalcap", "sacrebleu"])
def test_a_package_that_is_missing_is_installed_from_the_checkout(monkeypatch, package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RefusedError) as refusal:
        scores({"1": "a"}, WANTED)
    assert str(refusal.value) == (
        f"{package} is missing. In the checkout of imgdiff: pip install -e '.[evaluate]'"
    )


def test_one_sentence_is_refused():
    with pytest.raises(RefusedError, match="1 sentences; CIDEr-D needs two or more"):
        scores({"1": "a"}, {"1": ["a"]})
