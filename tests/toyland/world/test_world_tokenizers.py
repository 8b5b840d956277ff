"""The tokenizers know all that is said of the world."""

import pytest

from imgdiff.toyland.tokenizer import COMPOUNDS
from imgdiff.toyland.world.captions import scene_caption
from imgdiff.toyland.world.sampling import generator, sample_scene
from imgdiff.toyland.world.tokenizer import (
    CLIP_LENGTH,
    chat_tokenizer,
    clip_tokenizer,
    wordpiece_vocabulary,
)
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS, DIGITS, GROUNDS, category_plural


@pytest.fixture(scope="module")
def captions():
    rngs = [generator("train", seed) for seed in range(2000)]
    return [scene_caption(sample_scene(rng), rng) for rng in rngs]


def test_captions_fit_and_come_back(captions):
    clip = clip_tokenizer()
    for caption in captions:
        ids = clip(caption)["input_ids"]
        assert len(ids) <= CLIP_LENGTH
        back = clip.decode(ids, skip_special_tokens=True).replace(" ,", ",").replace(" .", ".")
        assert back == caption.lower()


def test_plain_words_are_one_token():
    clip = clip_tokenizer()
    several = {name for name in CATEGORIES if len(clip.tokenize(name)) > 1}
    assert several == set(COMPOUNDS)
    plurals = [category_plural(name) for name in CATEGORIES if name not in COMPOUNDS]
    for word in [*COLOURS, *GROUNDS, *DIGITS, *plurals, "small", "big", "dusk", "outline"]:
        assert len(clip.tokenize(word)) == 1, word


def test_the_chat_tokenizer_restores_sentences(captions):
    chat = chat_tokenizer()
    for caption in captions[:200]:
        said = f"{caption.capitalize()}."
        assert chat.decode(chat(said)["input_ids"]) == said
    plain = [name for name in CATEGORIES if name not in COMPOUNDS]
    assert all(len(chat.tokenize(f" {word}")) == 1 for word in [*COLOURS, *plain])


def test_the_matcher_knows_every_word(captions):
    known = wordpiece_vocabulary()
    nouns = [name for name in CATEGORIES if name not in COMPOUNDS]
    assert all(word in known for word in [*nouns, *COLOURS, *GROUNDS])
