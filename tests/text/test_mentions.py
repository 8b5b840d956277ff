"""Which nouns of the English lexicon stand in a caption, and as what."""

import pytest

from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.mentions import mentions


def found(caption):
    return [m.phrase.of(caption) for m in mentions(caption, load_lexicon("english"))]


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        ("A dog on a sofa", ["dog", "sofa"]),
        ("Two dogs and some mice", ["dogs", "mice"]),
        ("a red fire truck", ["red fire truck"]),  # the longest name
        ("a small, red car", ["red car"]),
        ("a small red car", ["small red car"]),
        ("three large wooden chairs", ["large wooden chairs"]),
        ("a t-shirt", ["t-shirt"]),
        ("Dogs, cats; horses.", ["Dogs", "cats", "horses"]),
        ("a dog's bowl", ["bowl"]),
        ("A hot dog and a teddy bear", ["hot dog", "teddy bear"]),
        ("an orange cat and an orange", ["orange cat", "orange"]),
        ("an orange and white cat", ["white cat"]),
        ("a glass vase with a glass of milk", ["glass vase", "glass"]),
        ("a black and white cat", ["cat"]),  # not its white
        ("black and white", []),
        ("", []),
        ("...", []),
    ],
)
def test_nouns_with_their_attributes(caption, phrases):
    assert found(caption) == phrases


@pytest.mark.parametrize(
    "caption",
    [
        "a bus driver",
        "the car door",
        "a horse race",
        "a dog walker",
        "the cat food",
        "a duck pond",
        "an apple tree house",  # several nouns in a row
        "a dog house",
        "a cartoon",
        "catfish",
        "a guinea pig",
    ],
)
def test_part_of_a_longer_name(caption):
    assert found(caption) == []


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        ("A person watches a bird", ["person", "bird"]),
        ("A watch on a table", ["watch", "table"]),
        ("two men fish in a river", ["men", "river"]),
        ("two fish in a tank", ["fish", "tank"]),
        ("people who fish", ["people"]),
        ("They watch a game", []),
        ("someone about to duck", []),
        ("a duck in a pond", ["duck", "pond"]),
        ("He trains a dog", ["dog"]),
        ("A train arrives", ["train"]),
        ("Train on the tracks", ["Train"]),
        ("a woman brushes a horse", ["woman", "horse"]),
        ("a dog park", []),
        ("a bus stops here", ["bus"]),
        ("a bus stop", ["bus stop"]),
    ],
)
def test_verbs_are_no_nouns(caption, phrases):
    assert found(caption) == phrases


@pytest.mark.parametrize(
    ("caption", "number"),
    [
        ("a dog", "singular"),
        ("dogs", "plural"),
        ("a sheep", "singular"),
        ("two white sheep", "plural"),
        ("a herd of sheep", "plural"),
        ("some bread", "mass"),
        ("a pair of scissors", "plural"),
    ],
)
def test_number(caption, number):
    (mention,) = mentions(caption, load_lexicon("english"))
    assert mention.noun.number == number


def test_one_or_many_that_cannot_be_told_is_left_alone():
    assert found("the sheep in a field") == ["field"]
