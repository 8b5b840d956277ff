"""Articles and plurals."""

import pytest

from imgdiff.text.grammar import article, fit_article, plural

ARTICLES = [
    *(
        (word, "an")
        for word in "apple orange hour honest umbrella igloo unidentified unmade".split()
    ),
    *((word, "a") for word in "car horse ukulele unicorn uniform European one-way used".split()),
]


@pytest.mark.parametrize(("word", "expected"), ARTICLES)
def test_article_goes_by_the_sound(word, expected):
    assert article(word) == expected


@pytest.mark.parametrize(
    ("before", "word", "fitted"),
    [
        ("a ", "apple", "an "),
        ("An ", "car", "A "),
        ("A  ", "apple", "An  "),
        ("the ", "apple", "the "),
        ("panda ", "apple", "panda "),
        ("a, ", "apple", "a, "),
    ],
)
def test_article_at_the_end_is_made_to_fit(before, word, fitted):
    assert fit_article(before, word) == fitted


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("box", "boxes"),
        ("bench", "benches"),
        ("toothbrush", "toothbrushes"),
        ("strawberry", "strawberries"),
        ("toy", "toys"),
        ("fire truck", "fire trucks"),
        ("mouse", "mice"),
        ("computer mouse", "computer mice"),
    ],
)
def test_plural(noun, expected):
    assert plural(noun, {"mouse": "mice"}) == expected
