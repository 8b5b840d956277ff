"""The embedded models' tokenizers."""

import pytest
from transformers import BertTokenizer

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import generator, sample_scene
from imgdiff.toyland.tokenizer import (
    CLIP_LENGTH,
    COMPOUNDS,
    chat_tokenizer,
    clip_tokenizer,
    wordpiece_vocabulary,
)
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS


@pytest.fixture(scope="module")
def captions():
    rngs = [generator("train", seed) for seed in range(200)]
    return [scene_caption(sample_scene(rng), rng) for rng in rngs]


@pytest.fixture(scope="module")
def clip():
    return clip_tokenizer()


@pytest.fixture(scope="module")
def chat():
    return chat_tokenizer()


@pytest.fixture(scope="module")
def bert():
    return BertTokenizer(vocab=wordpiece_vocabulary())


class TestClip:
    def test_captions_come_back(self, clip, captions):
        for caption in captions:
            ids = clip(caption)["input_ids"]
            assert clip.decode(ids, skip_special_tokens=True).replace(" ,", ",") == caption

    def test_captions_fit(self, clip, captions):
        assert max(len(clip(caption)["input_ids"]) for caption in captions) <= CLIP_LENGTH

    def test_nouns_of_one_and_of_several_tokens(self, clip):
        several = {name for name in CATEGORIES if len(clip.tokenize(name)) > 1}
        assert several == set(COMPOUNDS)
        assert all(len(clip.tokenize(colour)) == 1 for colour in COLOURS)

    def test_unknown_words_and_letters_come_back(self, clip):
        ids = clip("zürich 東京 xylophone")["input_ids"]
        assert clip.decode(ids, skip_special_tokens=True) == "zürich 東京 xylophone"

    def test_start_and_end(self, clip):
        ids = clip("a car")["input_ids"]
        assert (ids[0], ids[-1]) == (clip.bos_token_id, clip.eos_token_id)
        assert len(ids) == 4


class TestChat:
    @pytest.mark.parametrize(
        "text", ["A red car.", "Zürich,  東京!\n", "The left image shows a lighthouse.", " a "]
    )
    def test_text_comes_back_exactly(self, chat, text):
        assert chat.decode(chat(text)["input_ids"]) == text

    def test_image_is_one_token(self, chat):
        ids = chat("USER: <image>\nWhat is it? ASSISTANT:")["input_ids"]
        assert ids.count(chat.convert_tokens_to_ids("<image>")) == 1
        assert chat.image_token == "<image>"


class TestWordPiece:
    def test_captions_have_no_unknown_word(self, bert, captions):
        for caption in [*captions, "A Lighthouse? 42!", "nothing but grass"]:
            assert "[UNK]" not in bert.tokenize(caption)

    def test_captions_come_back(self, bert, captions):
        for caption in captions:
            ids = bert(caption)["input_ids"]
            assert bert.decode(ids, skip_special_tokens=True).replace(" ,", ",") == caption

    def test_compound_nouns_have_two_tokens(self, bert):
        counts = {name: len(bert.tokenize(name)) for name in CATEGORIES}
        assert counts == {name: 2 if name in COMPOUNDS else 1 for name in CATEGORIES}


@pytest.mark.parametrize("make", [clip_tokenizer, chat_tokenizer])
def test_vocabulary_is_the_same_every_time(make, clip, chat):
    """Else weights that are trained with one and stored with another mix up their words."""
    trained = clip if make is clip_tokenizer else chat
    assert make().get_vocab() == trained.get_vocab()
