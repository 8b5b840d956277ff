"""The sets of a run as tokens and labels."""

from collections import Counter

import numpy as np
import pytest
import torch
from chat_miniatures import save_llava, save_qwen_vl
from efuf_run import CAPTIONS, write_run
from transformers import AutoProcessor

from imgdiff.errors import RefusedError, RowError
from imgdiff.models.asking import AskingProfile
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.text.words import Span
from imgdiff.training.answers import IGNORED
from imgdiff.training.conversations import TrainingExample
from imgdiff.training.efuf.data import SETS, Triples, UnlearningSets, batches_of
from imgdiff.training.efuf.tokens import encode_part

SAID = "The left image shows a red cup, no. A cup, a red cup!"
ENDS = {"embedded": "</s>", "llava": "</s>", "qwen_vl": "<|im_end|>"}


@pytest.fixture(scope="module")
def processors(tmp_path_factory):
    folders = {"embedded": EMBEDDED_WEIGHTS / "mllm"}
    for name, save in {"llava": save_llava, "qwen_vl": save_qwen_vl}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        save(folders[name])
    return {name: AutoProcessor.from_pretrained(folder) for name, folder in folders.items()}


@pytest.fixture(params=ENDS)
def chat(request, processors):
    return processors[request.param], ENDS[request.param]


def example(said=SAID):
    turns = [("user", "<image>\nWhat differs?"), ("assistant", said)]
    return TrainingExample("one", [np.full((40, 40, 3), 90, np.uint8)], turns)


def spoken(processor, ids):
    return processor.tokenizer.decode(ids).strip()


@pytest.mark.parametrize("nth", [0, 1])
def test_a_part_is_learned_where_it_stands(chat, nth):
    """`a red cup` occurs twice; context is all that was said before, and nothing follows."""
    processor, _ = chat
    start = [k for k in range(len(SAID)) if SAID.startswith("a red cup", k)][nth]
    made = encode_part(processor, example(), Span(start, start + len("a red cup"))).tokens
    labelled = made["labels"] != IGNORED
    assert spoken(processor, made["labels"][labelled]) == "a red cup"
    assert spoken(processor, made["input_ids"]).endswith(SAID[: start + len("a red cup")])
    assert labelled[-1]
    assert {len(value) for value in made.values()} == {len(labelled)}


def test_a_whole_caption_has_one_end_and_a_part_has_none(chat):
    processor, end = chat
    whole = encode_part(processor, example(), None).tokens
    assert spoken(processor, whole["labels"][whole["labels"] != IGNORED]) == SAID + end
    last = encode_part(processor, example(), Span(SAID.index("A cup"), len(SAID))).tokens
    eos = processor.tokenizer.convert_tokens_to_ids(end)
    assert [int((made["labels"] == eos).sum()) for made in (whole, last)] == [1, 0]
    assert spoken(processor, last["input_ids"]).endswith("a red cup!")


def test_a_part_without_a_token_is_refused(chat):
    with pytest.raises(RowError, match=r"one: no token in ' '"):
        encode_part(chat[0], example(), Span(3, 4))


class TestSets:
    @pytest.fixture
    def sets(self, tmp_path):
        write_run(tmp_path)
        return UnlearningSets(tmp_path, "sub_sentence", ["</s>"], AskingProfile())

    def test_every_caption_is_sorted(self, sets):
        samples = {
            name: [
                (sets.rows[s.row]["id"], s.part and s.part.of(sets.rows[s.row]["caption_a"]))
                for s in found
            ]
            for name, found in sets.samples.items()
        }
        assert samples == {
            "positive": [("clean", "A red car"), ("clean", "a blue mug on the sand")],
            "negative": [("wrong", "a green duck on the snow")],
            "sentence": [("clean", None)],
        }

    def test_scores_are_those_of_phrases_and_their_mean(self, sets):
        assert sets.samples["negative"][0].score == pytest.approx(0.1)
        assert sets.samples["sentence"][0].score == pytest.approx((0.9 + 0.7) / 2)

    def test_triples_meet_all_of_every_set(self, sets, processors):
        triples = Triples(sets, processors["embedded"], seed=0, epochs=6)
        assert len(triples) == 6  # one negative, six times
        met = [sample.part for k in range(6) for number, sample, _ in triples[k] if number == 0]
        assert Counter(met) == {sample.part: 3 for sample in sets.samples["positive"]}

    def test_a_batch_says_which_set_each_is_from(self, sets, processors):
        triples = Triples(sets, processors["embedded"], seed=0, epochs=1, count=2)
        batch = batches_of(0)([triples[0], triples[1]])
        assert batch["sets"].tolist() == [0, 1, 2] * 2
        assert batch["scores"][1].item() == pytest.approx(0.1)
        assert len(batch["input_ids"]) == len(batch["pixel_values"]) == 2 * len(SETS)
        ends = (batch["labels"] == processors["embedded"].tokenizer.eos_token_id).sum(-1)
        assert torch.equal(ends, torch.tensor([0, 0, 1] * 2))


WEIGHED = "It weighs 2.5 kilos, Dr. Smith says. A red cat sits here; no dog"
SORTED = [("2.5 kilos", 0.9), ("Dr. Smith", 0.1), ("A red cat", 0.8), ("dog", 0.1)]
TAUGHT = {
    "sub_sentence": {
        "positive": ["It weighs 2.5 kilos", "A red cat sits here"],
        "negative": ["Dr. Smith says", "no dog"],
    },
    "phrase": {
        "positive": ["It weighs 2.5 kilos", "A red cat"],
        "negative": ["Dr. Smith", "no dog"],
    },
}


@pytest.mark.parametrize("unit", TAUGHT)
def test_a_number_and_a_title_are_not_cut(tmp_path, processors, unit):
    """What a model is taught, token by token: no part begins or ends at the point of 2.5 or Dr."""
    write_run(tmp_path, {"weighed": (WEIGHED, SORTED), "clean": CAPTIONS["clean"]})
    sets, processor = UnlearningSets(tmp_path, unit, [], AskingProfile()), processors["qwen_vl"]
    triples = Triples(sets, processor, seed=0, epochs=len(sets.samples["positive"]))
    taught = {name: set() for name in ("positive", "negative")}
    for number, sample, encoded in (one for k in range(len(triples)) for one in triples[k]):
        labels = encoded.tokens["labels"]
        if sets.rows[sample.row]["id"] == "weighed":
            taught[SETS[number]].add(spoken(processor, labels[labels != IGNORED]))
    assert taught == {name: set(texts) for name, texts in TAUGHT[unit].items()}


def test_an_empty_set_is_refused(tmp_path):
    write_run(tmp_path, {"clean": CAPTIONS["clean"]})
    with pytest.raises(RefusedError, match=r"has no negative samples\. Move the thresholds"):
        UnlearningSets(tmp_path, "sub_sentence", [], AskingProfile())


def test_rows_of_another_recipe_are_refused(tmp_path):
    write_run(tmp_path, leave_out="phrases")
    with pytest.raises(RefusedError, match="no column phrases: it is no run of recipes/efuf_data"):
        UnlearningSets(tmp_path, "sub_sentence", [], AskingProfile())


def test_captions_with_special_tokens_are_passed_over(tmp_path):
    write_run(tmp_path)
    with pytest.raises(RefusedError, match="no negative samples"):
        UnlearningSets(tmp_path, "sub_sentence", ["duck"], AskingProfile())
