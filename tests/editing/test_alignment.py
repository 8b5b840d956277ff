"""Which tokens stand for which: by hand, and as the method's published code has it.

The tokenizer reads 40 tokens; token 0 is the start. `lighthouse` has four tokens (l igh t house),
`teapot` and `snowman` have three, all other words here have one.
"""

import pytest
import torch

from imgdiff.editing.alignment import refinement, replacement, token_range
from imgdiff.text.words import Span, changed_spans

LENGTH = 40


def replaced(tokenizer, a, b):
    return replacement(tokenizer, a, b, *changed_spans(a, b))


def targets_of(taken, source):
    """{target token: share} of a source token."""
    return {j: taken[source, j].item() for j in taken[source].nonzero().flatten().tolist()}


class TestReplacement:
    def test_one_token_for_one(self, tokenizer):
        torch.testing.assert_close(
            replaced(tokenizer, "a red car", "a red boat").taken, torch.eye(LENGTH)
        )

    def test_as_many_tokens_one_to_one(self, tokenizer):
        result = replaced(tokenizer, "a teapot on sand", "a snowman on sand")
        torch.testing.assert_close(result.taken, torch.eye(LENGTH))

    def test_one_token_for_four(self, tokenizer):
        # start a car on sand end -> start a l igh t house on sand end
        result = replaced(tokenizer, "a car on sand", "a lighthouse on sand").taken
        expected = torch.zeros(LENGTH, LENGTH)
        expected[0, 0] = expected[1, 1] = 1
        expected[2, 2:6] = 0.25
        for source in range(3, 36):
            expected[source, source + 3] = 1
        expected[36:, 39] = 1  # what is pushed beyond the end stays on the last token
        torch.testing.assert_close(result, expected)

    def test_four_tokens_for_one(self, tokenizer):
        result = replaced(tokenizer, "a lighthouse on sand", "a car on sand").taken
        expected = torch.zeros(LENGTH, LENGTH)
        expected[0, 0] = expected[1, 1] = 1
        expected[2:6, 2] = 1
        for source in range(6, LENGTH):
            expected[source, source - 3] = 1
        torch.testing.assert_close(result, expected)

    def test_four_tokens_for_three(self, tokenizer):
        result = replaced(tokenizer, "a lighthouse", "a teapot").taken
        for source in range(2, 6):
            assert targets_of(result, source) == pytest.approx({2: 1 / 3, 3: 1 / 3, 4: 1 / 3})

    def test_two_words_for_one(self, tokenizer):
        # start a red car end -> start a boat end
        result = replaced(tokenizer, "a red car", "a boat").taken
        assert [targets_of(result, i) for i in range(5)] == [
            {0: 1.0},
            {1: 1.0},
            {2: 1.0},
            {2: 1.0},
            {3: 1.0},
        ]

    def test_second_of_two_equal_words(self, tokenizer):
        # start a car and a car end -> start a car and a lighthouse end
        result = replaced(tokenizer, "a car and a car", "a car and a lighthouse").taken
        assert result[2, 2] == 1
        torch.testing.assert_close(result[5, 5:9], torch.full((4,), 0.25))

    def test_capital_letters_punctuation_and_double_spaces(self, tokenizer):
        plain = replaced(tokenizer, "a car, on sand", "a lighthouse, on sand").taken
        odd = replaced(tokenizer, "A  CAR ,  on sand", "a Lighthouse,   on  sand").taken
        torch.testing.assert_close(odd, plain)

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("a car", "a lighthouse"),
            ("a lighthouse on sand", "a car on sand"),
            ("a mug", "a red ball"),
        ],
    )
    def test_no_attention_is_lost_or_new(self, tokenizer, a, b):
        result = replaced(tokenizer, a, b)
        torch.testing.assert_close(result.taken.sum(1), torch.ones(LENGTH))
        assert not result.new.any()


class TestRefinement:
    def test_words_in_front(self, tokenizer):
        # start a car end -> start a red blue car end
        result = refinement(tokenizer, "a car", "a red blue car")
        assert result.new.nonzero().flatten().tolist() == [2, 3]
        for i, j in [(0, 0), (1, 1), (2, 4), (3, 5)]:
            assert targets_of(result.taken, i) == {j: 1.0}

    def test_words_at_the_end(self, tokenizer):
        # start a car end -> start a car on sand end
        result = refinement(tokenizer, "a car", "a car on sand")
        assert result.new.nonzero().flatten().tolist() == [3, 4]
        assert (result.taken[2, 2], result.taken[3, 5]) == (1, 1)

    def test_words_left_out(self, tokenizer):
        # start a red car end -> start a car end
        result = refinement(tokenizer, "a red car", "a car")
        assert not result.new.any()
        assert result.taken[2].sum() == 0
        assert (result.taken[3, 2], result.taken[4, 3]) == (1, 1)

    def test_several_changes(self, tokenizer):
        # start a red car and a mug end -> start a blue car and a lighthouse end
        result = refinement(tokenizer, "a red car and a mug", "a blue car and a lighthouse")
        assert result.new.nonzero().flatten().tolist() == [2, 6, 7, 8, 9]
        for i, j in [(0, 0), (1, 1), (3, 3), (4, 4), (5, 5), (7, 10)]:
            assert result.taken[i, j] == 1

    def test_part_of_a_word(self, tokenizer):
        # l igh t house and house share their last token
        result = refinement(tokenizer, "a lighthouse", "a house")
        assert not result.new.any()
        assert result.taken[5, 2] == 1

    def test_same_caption(self, tokenizer):
        result = refinement(tokenizer, "a red car", "a red car")
        torch.testing.assert_close(result.taken, torch.eye(LENGTH))
        assert not result.new.any()

    def test_padding_stays_with_padding(self, tokenizer):
        result = refinement(tokenizer, "a car", "a red car")
        assert result.taken[:, 5:].sum(0).tolist() == [1] * 35
        assert result.taken[:4, 5:].sum() == 0


class TestPublished:
    """Maps of the method's published code (google/prompt-to-prompt, seq_aligner.py), worked out for
    these captions from its algorithm: for every target token the source token, or -1."""

    @pytest.mark.parametrize(
        ("a", "b", "sources"),
        [
            ("a car", "a red car", [0, 1, -1, 2, 3]),
            ("a red car", "a car", [0, 1, 3, 4]),
            ("a car on sand", "a car on grass", [0, 1, 2, 3, -1, 5]),
            ("a car", "a car and a car", [0, 1, 2, -1, -1, -1, 3]),
            ("a car and a car", "a car", [0, 1, 2, 6]),
            ("a mug and a ball", "a ball and a mug", [0, 1, -1, 3, 4, -1, 6]),
            ("a boat", "a lighthouse", [0, 1, -1, -1, -1, -1, 3]),
            ("a lighthouse", "a boat", [0, 1, -1, 6]),
            ("red car blue mug", "blue mug red car", [0, 3, 4, -1, -1, 5]),
            ("a tree", "a tree a tree", [0, 1, 2, -1, -1, 3]),
            ("a house", "a lighthouse", [0, 1, -1, -1, -1, 2, 3]),
            ("a car", "a car", [0, 1, 2, 3]),
        ],
    )
    def test_refinement(self, tokenizer, a, b, sources):
        result = refinement(tokenizer, a, b)
        for j, i in enumerate(sources):
            assert result.new[j].item() == (i == -1)
            expected = [] if i == -1 else [i]
            assert result.taken[:, j].nonzero().flatten().tolist() == expected


class TestTokenRange:
    @pytest.mark.parametrize(
        ("caption", "word", "tokens"),
        [
            ("a red car", "red", range(2, 3)),
            ("a lighthouse, red", "lighthouse", range(2, 6)),
            ("a   red  car", "car", range(3, 4)),
            ("A RED car", "RED", range(2, 3)),
            ("a lighthouse", "house", range(5, 6)),
        ],
    )
    def test_tokens_of_a_word(self, tokenizer, caption, word, tokens):
        start = caption.index(word)
        assert token_range(tokenizer, caption, Span(start, start + len(word))) == tokens

    def test_span_without_a_token(self, tokenizer):
        with pytest.raises(ValueError, match="characters 5 to 5 of 'a red car' hold no token"):
            token_range(tokenizer, "a red car", Span(5, 5))

    def test_too_long_caption_is_named_with_its_count(self, tokenizer):
        caption = "a car " * 20
        message = "caption has 40 tokens, the text encoder reads 38: 'a car a car"
        with pytest.raises(ValueError, match=message):
            refinement(tokenizer, "a car", caption)
        with pytest.raises(ValueError, match=message):
            replacement(tokenizer, caption, "a car", Span(0, 1), Span(0, 1))

    def test_longest_caption(self, tokenizer):
        caption = ("a car " * 19).strip()
        torch.testing.assert_close(refinement(tokenizer, caption, caption).taken, torch.eye(LENGTH))
