"""How MLLMs are asked by their own templates and processors, where these are recorded."""

import json
import re

import numpy as np
import pytest
import torch
from asking_facts import FACTS, HIGH, SHAPES, WIDE, WIDE_BOX, picture, profile
from chat_miniatures import metaspace_tokenizer
from recordings_folder import copy_recorded, recorded, recorded_json
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoProcessor,
    LlavaImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
)
from transformers.utils.chat_template_utils import render_jinja_template

from imgdiff.data import images
from imgdiff.models.chat import kv_bytes_per_token, switched_off
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question

CLIP_MEAN = (122, 116, 104)
STAND_INS = {"llava": LlavaProcessor, "llava_next": LlavaNextProcessor}
PROCESSOR_SETTINGS = ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens")
PROMPTS = {
    "llava": "USER: <image>\n{} ASSISTANT:",
    "llava_next": "USER: <image>\n{} ASSISTANT:",
    "qwen2_5_vl": (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
    ),
    "qwen3_vl": (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "internvl": (
        "<|im_start|>user\n<img><IMG_CONTEXT></img>\n{}<|im_end|>\n<|im_start|>assistant\n"
    ),
}
PLACEHOLDER = re.compile(r"(<image>|<\|image_pad\|>|<IMG_CONTEXT>)\1*")


class Unloaded:
    """A model of which nothing is asked but where it is."""

    device, dtype = torch.device("cpu"), torch.float32

    def eval(self):
        return self


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Family -> its real template and processor, as if a model had been loaded with them."""
    made = {}

    def make(name):
        if name not in made:
            folder = copy_recorded(FACTS[name]["model"], tmp_path_factory.mktemp("real") / "model")
            processor = processor_of(name, folder)
            asked = profile(name, processor.image_processor)
            made[name] = ImageTextToText(Unloaded(), processor, asked)
        return made[name]

    return make


def processor_of(name, folder):
    """LLaVA's own tokenizer is not among the recordings; a small one takes its place."""
    if name not in STAND_INS:
        return AutoProcessor.from_pretrained(folder)
    settings = json.loads((folder / "processor_config.json").read_text())
    return STAND_INS[name](
        image_processor=AutoImageProcessor.from_pretrained(folder),
        tokenizer=metaspace_tokenizer(),
        chat_template=json.loads((folder / "chat_template.json").read_text())["chat_template"],
        **{key: settings[key] for key in PROCESSOR_SETTINGS},
    )


@pytest.mark.parametrize("name", PROMPTS)
class TestRealProcessors:
    """Of whole questions."""

    @pytest.mark.parametrize(("size", "box", "fact"), SHAPES)
    def test_the_prompt(self, real, name, size, box, fact):
        asked = real(name)
        question = asked.profile.region_question(picture(size), box)
        ids = asked.batch([question])["input_ids"][0].tolist()
        prompt = PROMPTS[name].format(FACTS[name][fact])
        tokenizer = asked.processor.tokenizer
        shown = PLACEHOLDER.search(prompt)[1]
        count = ids.count(tokenizer.convert_tokens_to_ids(shown))
        begin = [tokenizer.bos_token_id] if name in STAND_INS and tokenizer.add_bos_token else []
        expanded = prompt.replace(shown, shown * count)
        assert ids == begin + tokenizer.encode(expanded, add_special_tokens=False)

    @pytest.mark.parametrize("size", [WIDE, HIGH])
    def test_the_tokens_that_a_question_costs(self, real, name, size):
        asked = real(name)
        question = asked.profile.region_question(picture(size), WIDE_BOX)
        assert asked.tokens(question) == asked.batch([question])["input_ids"].shape[1]

    def test_the_tokens_of_pictures(self, real, name):
        asked = real(name)
        bare = asked.tokens(Question((), "x"))
        costs = [asked.tokens(Question((picture(s),), "x")) - bare for s in ((1024, 1024), WIDE)]
        marks = {"qwen2_5_vl": 2, "qwen3_vl": 2, "internvl": 1, "llava": 1, "llava_next": 1}[name]
        assert [cost - marks for cost in costs] == FACTS[name]["tokens"]

    def test_an_image_token_in_a_caption_stays_text(self, real, name):
        if name == "internvl":
            pytest.skip("its processor counts such a token as a picture, and refuses the question")
        asked = real(name)
        token = PLACEHOLDER.search(PROMPTS[name])[1]
        wanted = asked.processor.tokenizer.convert_tokens_to_ids(token)
        questions = [Question((picture(WIDE),), text) for text in ("a cat", f"a cat {token}")]
        plain, spelled = (asked.batch([each])["input_ids"][0].tolist() for each in questions)
        assert spelled.count(wanted) == plain.count(wanted)

    def test_two_pictures(self, real, name):
        """In order where the family reads two; else side by side, as one."""
        asked = real(name)
        pair = [picture(WIDE, seed) for seed in (1, 2)]
        question = asked.profile.pair_question(pair, WIDE_BOX, "x")
        made = asked.batch([question])
        marked = [images.draw_box(each, WIDE_BOX) for each in pair]
        if FACTS[name]["pictures"] == 1:
            marked = [images.side_by_side(*marked)]
        alone = [asked.batch([Question((each,), "x")])["pixel_values"] for each in marked]
        assert torch.equal(made["pixel_values"], torch.cat(alone))

    @pytest.mark.parametrize("size", [WIDE, HIGH])
    def test_the_margins_of_a_picture_are_seen(self, real, name, size):
        """A mark in the outer eighth of any side changes what the model gets."""
        asked = real(name)
        high, wide = size
        plain = np.full((high, wide, 3), 90, np.uint8)
        before = asked.batch([Question((plain,), "x")])["pixel_values"]
        for side in (np.s_[:, : wide // 8], np.s_[:, -wide // 8 :], np.s_[: high // 8]):
            marked = plain.copy()
            marked[side] = 220
            made = asked.batch([Question((marked,), "x")])["pixel_values"]
            assert (made - before).abs().max() > 0.5


def test_llava_gets_what_its_authors_padded(real):
    """transformers' own LlavaImageProcessor pads as LLaVA's code does, if it is told to."""
    asked = real("llava")
    padding = LlavaImageProcessor(
        size={"height": 336, "width": 336}, do_pad=True, do_center_crop=False
    )
    for size, box, _ in SHAPES:
        question = asked.profile.region_question(picture(size), box)
        wanted = padding(images=[picture(size)], return_tensors="pt")["pixel_values"]
        made = asked.batch([question])["pixel_values"]
        assert made.shape == wanted.shape == (1, 3, 336, 336)
        assert (made - wanted).abs().max() < 0.03
        (shown,) = asked.profile.prepared(question).pictures
        assert tuple(shown[0, 0]) == CLIP_MEAN


def test_llava_next_is_shown_squares_only_where_a_box_is_named(real):
    asked = real("llava_next").profile
    named = asked.region_question(picture(WIDE), WIDE_BOX)
    square = images.pad_to_square(picture(WIDE), CLIP_MEAN)
    np.testing.assert_array_equal(asked.prepared(named).pictures[0], square)
    whole = asked.prepared(Question((picture(WIDE),), "x")).pictures[0]
    np.testing.assert_array_equal(whole, picture(WIDE))


@pytest.mark.parametrize(
    "size", [WIDE, HIGH, (1024, 1024), (64, 48), (30, 31), (1000, 37), (300, 1000)]
)
@pytest.mark.parametrize("bounds", [{}, {"longest_edge": 200_000}, {"shortest_edge": 400_000}])
def test_qwen2_5_counts_the_pixels_that_its_processor_makes(real, size, bounds):
    asked = real("qwen2_5_vl")
    made = asked.processor.image_processor
    usual = made.size
    try:
        made.size = type(usual)(**(dict(usual) | bounds))
        question = asked.profile.region_question(picture(size), (0, 0, size[1], size[0]))
        _, rows, columns = asked.batch([question])["image_grid_thw"][0].tolist()
    finally:
        made.size = usual
    assert f"[0, 0, {14 * columns}, {14 * rows}]" in question.text


def test_a_small_picture_keeps_its_shape_for_qwen2_5(real):
    crop = real("qwen2_5_vl").batch([Question((picture((48, 64)),), "x")])["image_grid_thw"][0]
    _, rows, columns = crop.tolist()
    assert columns / rows == pytest.approx(64 / 48, rel=1 / 16)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_a_strip_is_no_reason_to_fail_for_qwen(real, name):
    strip = Question((np.zeros((3, 900, 3), np.uint8),), "x")
    assert real(name).batch([strip])["image_grid_thw"].prod() > 0


def test_the_marks_of_a_box_are_tokens_for_internvl(real):
    asked = real("internvl")
    ids = asked.batch([asked.profile.region_question(picture(WIDE), WIDE_BOX)])["input_ids"][0]
    marks = asked.processor.tokenizer.convert_tokens_to_ids(["<box>", "</box>"])
    assert [mark for mark in ids.tolist() if mark in marks] == marks


class TestThinking:
    def test_qwen3_5_is_told_not_to(self):
        folder = recorded(FACTS["qwen3_5"]["model"], "chat_template.jinja")
        template = (folder / "chat_template.jinja").read_text("utf-8")
        settings = switched_off(template)
        assert settings == {"enable_thinking": False}
        assert rendered(template, **settings).endswith("assistant\n<think>\n\n</think>\n\n")
        assert rendered(template).endswith("<think>\n")  # else it begins with thoughts

    def test_qwen3_vl_instruct_has_no_switch(self):
        template = recorded_json(FACTS["qwen3_vl"]["model"], "chat_template.json")
        assert switched_off(template["chat_template"]) == {}

    def test_qwen3_is_told_not_to(self):
        template = recorded_json("Qwen/Qwen3-8B", "tokenizer_config.json")["chat_template"]
        ends = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
        assert rendered(template, **switched_off(template)).endswith(ends)

    @pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "llava-hf/llava-1.5-7b-hf"])
    def test_others_are_told_nothing(self, name):
        template = recorded_json(name, "tokenizer_config.json").get("chat_template")
        assert switched_off(template) == {}


KV = {each["model"]: each["kv"] for each in FACTS.values()}
KV |= {"llava-hf/llava-v1.6-vicuna-13b-hf": 800, "Qwen/Qwen3-8B": 144}


@pytest.mark.parametrize("name", KV)
def test_what_a_token_takes_of_the_memory(name, tmp_path):
    config = AutoConfig.from_pretrained(copy_recorded(name, tmp_path / "model"))
    assert kv_bytes_per_token(config, 2) == KV[name] * 1024


def rendered(template, **settings):
    """One question by a chat template."""
    messages = [[{"role": "user", "content": "Why?"}]]
    (text,), _ = render_jinja_template(
        conversations=messages, chat_template=template, add_generation_prompt=True, **settings
    )
    return text
