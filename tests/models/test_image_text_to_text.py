"""The answers of MLLMs that run here: by their weights alone, without thoughts, and sure or not."""

import numpy as np
import pytest
import torch
from chat_miniatures import save_llava, save_qwen_vl
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, LlamaConfig

from imgdiff.errors import RowError
from imgdiff.models.families import family_named
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.families.qwen3_5 import Qwen35
from imgdiff.models.kinds import family_of
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint
from imgdiff.text.answers import without_thoughts

BENT = {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1, "temperature": 0.1, "do_sample": True}
QUESTIONS = [
    Question((np.full((20 + 4 * k, 30, 3), 40 * k, np.uint8),), text)
    for k, text in enumerate(("What differs?", "Is there a red cup?", "Yes or no?"))
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Family -> a miniature of it."""
    made = {}
    for name, save in (("llava", save_llava), ("qwen3_vl", save_qwen_vl)):
        made[name] = tmp_path_factory.mktemp(name)
        save(made[name])
    return made


@pytest.mark.parametrize("name", ["llava", "qwen3_vl"])
class TestMiniatures:
    def test_it_is_asked_in_the_way_of_its_family(self, folders, name):
        checkpoint = Checkpoint(name=str(folders[name]), device="cpu")
        asked = family_of("mllm", checkpoint).load(checkpoint)
        assert type(asked.profile) is family_named("mllm", name).plays
        assert asked.profile.image_processor is asked.processor.image_processor

    def test_its_own_settings_do_not_bend_a_greedy_answer(self, folders, name):
        asked = ImageTextToText.load(Checkpoint(name=str(folders[name]), device="cpu"))
        plain = asked.answer(QUESTIONS, 12)
        asked.model.generation_config.update(**BENT)
        assert asked.answer(QUESTIONS, 12) == plain
        batch = asked.batch(QUESTIONS)
        bent = asked.model.generate(**batch, do_sample=False, max_new_tokens=12)
        said = asked.processor.batch_decode(
            bent[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert [text.strip() for text in said] != plain  # these settings do bend it

    def test_what_is_neither_yes_nor_no_is_no_number(self, folders, name):
        """With random weights every token is as likely as another."""
        asked = ImageTextToText.load(Checkpoint(name=str(folders[name]), device="cpu"))
        found = asked.yes_probability(QUESTIONS)
        assert found.dtype == np.float32
        assert np.isnan(found).all()

    def test_a_question_without_a_picture(self, folders, name):
        asked = ImageTextToText.load(Checkpoint(name=str(folders[name]), device="cpu"))
        assert len(asked.answer([Question((), "What?")], 3)) == 1


class Says(torch.nn.Module):
    """Says these words to anything, its first token being yes or no with these logits."""

    device, dtype = torch.device("cpu"), torch.float32
    config = LlamaConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1)

    def __init__(self, processor, words="", logits=()):
        super().__init__()
        self.tokenizer, self.words, self.logits = processor.tokenizer, words, logits
        self.given = {}

    def generate(self, input_ids, max_new_tokens, return_dict_in_generate=False, **given):
        self.given = given
        if return_dict_in_generate:
            first = torch.zeros(len(input_ids), len(self.tokenizer))
            for word, value in self.logits:
                first[:, self.tokenizer.convert_tokens_to_ids(word)] = value
            return type("Made", (), {"logits": (first,)})
        ids = torch.tensor([self.tokenizer.encode(self.words)] * len(input_ids))
        return torch.cat([input_ids, ids], dim=1)


@pytest.fixture
def qwen(folders):
    """A processor whose template begins thoughts unless it is told not to."""
    processor = AutoProcessor.from_pretrained(folders["qwen3_vl"])
    start = "{{ '<|im_start|>assistant\n' }}"
    switch = "{% if enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% else %}"
    begins = "{{ '<think>\n' }}{% endif %}"
    processor.switched = processor.chat_template.replace(start, start + switch + begins)
    processor.always = processor.chat_template.replace(start, start + "{{ '<think>\n' }}")
    return processor


class TestThoughts:
    def test_they_are_switched_off_where_the_template_can(self, qwen):
        qwen.chat_template = qwen.switched
        ids = ImageTextToText(Says(qwen), qwen, Qwen35()).batch(QUESTIONS[:1])["input_ids"][0]
        assert qwen.tokenizer.decode(ids).endswith("assistant\n<think>\n\n</think>\n\n")

    def test_what_comes_behind_them_is_the_answer(self, qwen):
        qwen.chat_template = qwen.always
        model = Says(qwen, "well, what <think> is it?</think>\n\na red cup ")
        asked = ImageTextToText(model, qwen, Qwen35())
        assert asked.answer(QUESTIONS[:2], 9) == ["a red cup"] * 2

    @pytest.mark.parametrize("words", ["The image shows", "so it is</think>  "])
    def test_thoughts_alone_fail_the_row(self, qwen, words):
        """The prompt began them, so that no tag stands before these words."""
        qwen.chat_template = qwen.always
        with pytest.raises(RowError, match="the model thought and did not answer") as failed:
            ImageTextToText(Says(qwen, words), qwen, Qwen35()).answer(QUESTIONS[:1], 9)
        assert failed.value.code == "only_thoughts"

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ("<think>x</think> a cat", "a cat"),
            ("<think>\n\n</think>\n\nA cat.", "A cat."),
            ("x</think>y</think>a cat", "a cat"),
            (" a cat ", "a cat"),
            ("", ""),
            ("a <think> in the middle", "a <think> in the middle"),
        ],
    )
    def test_reading(self, answer, said):
        assert without_thoughts(answer) == said

    @pytest.mark.parametrize("answer", ["<think>", " <think>a cat", "a cat</think>", "</think> "])
    def test_nothing_to_read(self, answer):
        with pytest.raises(RowError):
            without_thoughts(answer)


class TestYes:
    @pytest.mark.parametrize(
        ("logits", "chance"),
        [
            ([("Yes", 50.0)], 1.0),
            ([("Perhaps", 50.0), ("No", 49.5)], np.nan),
            ([("No", 50.0), ("Yes", 50.0)], 0.5),
            ([("No", 50.0), ("Perhaps", 40.0)], 0.0),
        ],
    )
    def test_of_those_that_begin_with_either(self, folders, logits, chance):
        processor = AutoProcessor.from_pretrained(folders["qwen3_vl"])
        processor.tokenizer.add_tokens(["Yes", "No", "Perhaps"])
        asked = ImageTextToText(Says(processor, logits=logits), processor, Qwen35())
        np.testing.assert_allclose(asked.yes_probability(QUESTIONS[:2]), [chance] * 2, atol=1e-6)


def test_a_saved_model_keeps_the_name_of_its_family(folders, tmp_path):
    """So do copies of the embedded MLLM that were trained further."""
    model = AutoModelForImageTextToText.from_pretrained(folders["llava"])
    model.config.update({"imgdiff_family": "toyland"})
    model.save_pretrained(tmp_path / "a")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "a")
    again.save_pretrained(tmp_path / "b")
    assert AutoConfig.from_pretrained(tmp_path / "b").imgdiff_family == "toyland"
    assert family_of("mllm", Checkpoint(name=str(tmp_path / "b"))).name == "toyland"


def test_questions_are_answered_in_parts_that_fit_in_memory(folders, monkeypatch):
    asked = ImageTextToText.load(Checkpoint(name=str(folders["qwen3_vl"]), device="cpu"))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, size, np.uint8) for size in ((48, 64, 3), (96, 64, 3))]
    questions = [Question((pictures[k % 2],), "What is it?" + " Look." * k) for k in range(6)]
    costs = [asked.bytes_for(question, 4) for question in questions]
    assert costs[4] > costs[2] > costs[0]  # longer texts
    together = asked.answer(questions, 4)
    sizes, batch = [], asked.batch
    monkeypatch.setattr(asked, "batch", lambda some: sizes.append(len(some)) or batch(some))
    monkeypatch.setattr("imgdiff.models.memory.CPU_BYTES", 2 * max(costs))
    assert asked.answer(questions, 4) == together
    assert asked.yes_probability(questions) == pytest.approx(
        [asked.yes_probability([question])[0] for question in questions], abs=1e-5, nan_ok=True
    )
    assert max(sizes) < 6
