"""Trainings by SEED on miniatures and on the embedded model."""

import json
import math
import threading
from pathlib import Path

import pytest
import torch
from chat_miniatures import LLAVA_CHAT, save_llava, save_qwen_vl
from miniatures import save_llava_next
from safetensors.torch import load_file
from transformers import AutoProcessor

import imgdiff
from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.recipe.source import RecipeError
from imgdiff.toyland.make import write_questions
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.training.answers import encode_example
from imgdiff.training.check import check_training
from imgdiff.training.conversations import LlavaExamples, TrainingExample
from imgdiff.training.folder import open_training
from imgdiff.training.seed.data import Questions, description_questions, held_back, question_of
from imgdiff.training.seed.guards import Behaviour, behaviour
from imgdiff.training.seed.recipe import Guards, SeedRecipe
from imgdiff.training.seed.train import train
from imgdiff.training.seed.trainer import distillation_terms

RECIPES = Path(imgdiff.__file__).parent.parent / "recipes" / "train"
COUNT = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    write_questions(folder, COUNT)
    return folder / "questions.json"


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    save_llava(folder)
    return folder


def save_tiles(folder):
    """LLaVA-NeXT, with the words of LLaVA-1.5's chat template."""
    save_llava_next(folder)
    processor = AutoProcessor.from_pretrained(folder)
    processor.chat_template = LLAVA_CHAT
    processor.save_pretrained(folder)


def trained(folder, data, recipe="seed.yaml", restart=True, stop=None, **changes):
    """The folder of a short training."""
    changes = {
        "data": f"[{{llava: {data}}}]",
        "export_path": folder,
        "trainer.max_steps": 2,
        "trainer.logging_steps": 1,
        "trainer.per_device_train_batch_size": 2,
        "trainer.gradient_accumulation_steps": 1,
        "trainer.dataloader_num_workers": 0,
        "trainer.warmup_steps": 0,
        "guards": "{examples: 2, every: 1, max_new_tokens: 4, length_change: 9.0}",
        "max_new_tokens": 4,
    } | changes
    plan = check_training(RECIPES / recipe, [f"{key}={value}" for key, value in changes.items()])
    assert not plan.missing
    with open_training(plan.recipe, restart, stop or threading.Event()) as done:
        if not done.finished:
            torch.manual_seed(plan.recipe.seed)
            train(plan.recipe, done)
    return done


def weights(folder):
    return load_file(folder / "model.safetensors")


def curve(done, name):
    lines = [line.split(",") for line in (done.path / "curve.csv").read_text().splitlines()]
    return [float(value) for _, key, value in lines[1:] if key == name]


class TestMiniature:
    def test_the_language_models_linear_layers_moved_alone(self, mini, data, tmp_path):
        done = trained(tmp_path, data, model=mini)
        before, after = weights(mini), weights(done.model)
        assert before.keys() == after.keys()
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        assert moved == {n for n in before if "language_model" in n and "proj.weight" in n}

    def test_the_first_step_anchors_what_is_there_already(self, mini, data, tmp_path):
        """Before anything is learned the student is the teacher: nothing to anchor."""
        done = trained(tmp_path, data, model=mini, **{"trainer.max_steps": 1})
        assert curve(done, "anchored") == [pytest.approx(0, abs=1e-6)]
        assert curve(done, "loss") == pytest.approx(curve(done, "purged"), rel=1e-3)
        assert curve(done, "purged")[0] > 1e-6

    def test_rounds_go_on_from_the_student(self, mini, data, tmp_path):
        done = trained(tmp_path, data, model=mini, rounds=2)
        files = (tmp_path / f"round-{k}/adapter/adapter_model.safetensors" for k in (1, 2))
        first, second = map(load_file, files)
        name = next(name for name in first if "layers.1.mlp.down_proj.lora_B" in name)
        other = name.replace("lora_B", "lora_A")
        learned = sum(2 * each[name] @ each[other] for each in (first, second))
        key = next(key for key in weights(mini) if "layers.1.mlp.down_proj" in key)
        change = weights(done.model)[key] - weights(mini)[key]
        torch.testing.assert_close(change, learned, atol=1e-6, rtol=1e-4)

    def test_a_round_that_is_done_is_not_done_again(self, mini, data, tmp_path):
        trained(tmp_path, data, model=mini, rounds=2)
        (tmp_path / "training.json").write_text(
            (tmp_path / "training.json").read_text().replace('"figures"', '"stopped"')
        )
        stamp = (tmp_path / "round-1/adapter/adapter_model.safetensors").stat().st_mtime_ns
        trained(tmp_path, data, model=mini, rounds=2, restart=False)
        assert (tmp_path / "round-1/adapter/adapter_model.safetensors").stat().st_mtime_ns == stamp

    def test_a_restart_forgets_the_rounds(self, mini, data, tmp_path):
        trained(tmp_path, data, model=mini, rounds=2)
        trained(tmp_path, data, model=mini, restart=True)
        assert not list(tmp_path.glob("round-*"))

    def test_a_stopped_training_ends_as_one_that_was_not(self, mini, data, tmp_path):
        """The noise goes on where it was, too."""
        more = {"model": mini, "trainer.max_steps": 3, "trainer.save_steps": 1}
        whole = trained(tmp_path / "whole", data, **more)
        stop = threading.Event()
        stop.set()
        with pytest.raises(StoppedError, match="after step 1"):
            trained(tmp_path / "parts", data, stop=stop, **more)
        parts = trained(tmp_path / "parts", data, restart=False, **more)
        one, other = (
            load_file(done.path / "adapter/adapter_model.safetensors") for done in (whole, parts)
        )
        assert all(torch.equal(weight, other[key]) for key, weight in one.items())

    def test_a_training_that_leaves_its_bounds_ends_with_the_last_good_adapter(
        self, mini, data, tmp_path, caplog
    ):
        caplog.set_level("INFO", "imgdiff.train")
        guards = "{examples: 4, every: 1, max_new_tokens: 6, length_change: 1.0e-9}"
        more = {"trainer.learning_rate": 0.5, "trainer.max_steps": 5}
        done = trained(tmp_path, data, model=mini, guards=guards, **more)
        figures = done.record["figures"]
        kept = figures["kept_step"]
        assert figures["steps"] == kept + 1 < 5
        assert f"step {kept + 1}: descriptions have" in figures["stopped_by"]
        assert f"the adapter of step {kept} is kept" in caplog.text
        assert figures["words"] == figures["words_before"]
        if kept == 0:
            assert all(torch.equal(weights(mini)[n], w) for n, w in weights(done.model).items())

    def test_a_round_out_of_its_bounds_is_the_last_one(self, mini, data, tmp_path):
        guards = "{examples: 4, every: 1, max_new_tokens: 6, length_change: 1.0e-9}"
        more = {"trainer.learning_rate": 0.5, "trainer.max_steps": 5, "rounds": 2}
        done = trained(tmp_path, data, model=mini, guards=guards, **more)
        assert done.record["figures"]["stopped_by"]
        assert not (tmp_path / "round-2").exists()

    def test_what_was_stopped_out_of_its_bounds_does_not_go_on(self, mini, data, tmp_path):
        """A person may stop between two looks at the answers."""
        guards = "{examples: 4, every: 5, max_new_tokens: 6, length_change: 1.0e-9}"
        more = {"trainer.learning_rate": 0.5, "trainer.max_steps": 5, "guards": guards}
        stop = threading.Event()
        stop.set()
        with pytest.raises(StoppedError, match="after step 1"):
            trained(tmp_path, data, stop=stop, model=mini, **more)
        with pytest.raises(StoppedError, match="checkpoint of step 1 is out of bounds: descript"):
            trained(tmp_path, data, restart=False, model=mini, **more)

    def test_figures_outlive_a_kill_after_the_last_step(self, mini, data, tmp_path):
        whole = trained(tmp_path, data, model=mini).record["figures"]
        record = tmp_path / "training.json"
        record.write_text(record.read_text().replace('"figures"', '"killed"'))
        again = trained(tmp_path, data, model=mini, restart=False)
        assert json.dumps(again.record["figures"]) == json.dumps(whole)  # of which some are NaN

    def test_an_anchor_without_weights_is_refused(self, mini, data, tmp_path):
        with pytest.raises(RecipeError, match="anchor needs weighting divergence"):
            trained(tmp_path, data, model=mini, weighting="none", anchor=1.0)


@pytest.mark.parametrize(
    ("recipe", "save"),
    [
        ("llava_seed.yaml", save_llava),
        ("llava_seed.yaml", save_tiles),
        ("qwen_vl_seed.yaml", save_qwen_vl),  # flat patches
    ],
)
def test_the_first_step_at_full_size(recipe, save, data, tmp_path):
    """On miniatures of the real classes, random weights."""
    save(tmp_path / "mini")
    done = trained(
        tmp_path / "out",
        data,
        recipe,
        **{"model.name": tmp_path / "mini", "trainer.max_steps": 1},
    )
    assert math.isfinite(curve(done, "loss")[0])
    picture = draw(sample_scene(generator("test", 0))).image
    ImageTextToText.load(Checkpoint(name=str(done.model), dtype="bfloat16")).answer(
        [Question((picture,), "What?")], 2
    )
    adapter = load_file(done.path / "adapter" / "adapter_model.safetensors")
    assert all(weight.abs().sum() > 0 for name, weight in adapter.items() if "lora_B" in name)


@pytest.mark.slow
def test_the_embedded_model_comes_closer_to_what_is_purified(tmp_path, data):
    done = trained(
        tmp_path,
        data,
        **{"trainer.max_steps": 12, "trainer.per_device_train_batch_size": 6},
    )
    purged = curve(done, "purged")
    assert sum(purged[-3:]) < 0.8 * sum(purged[:3])
    picture = draw(sample_scene(generator("test", 0))).image
    mllm = ImageTextToText.load(Checkpoint(name=str(done.model)))
    assert mllm.answer([Question((picture,), "Describe this image.")], 24)[0].endswith(".")
    assert weights(done.model).keys() == weights(EMBEDDED_WEIGHTS / "mllm").keys()


class TestTerms:
    recipe = SeedRecipe.model_construct(
        alpha=1.0, beta=0.0, epsilon=1e-6, divergence="reverse", weighting="divergence"
    )
    seen = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    unseen = torch.tensor([[0.5, 0.5], [1e-9, 1 - 1e-9]]).log()  # the second needs the picture
    # of the second: (1/2, 1/2) from p* = (1, 0), whose floor is 1e-6 / 2
    lost = -math.log(2) - 0.5 * math.log(0.5e-6)

    def test_a_token_counts_where_the_picture_decides_it(self):
        student = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
        purging, anchoring = distillation_terms(student, self.seen, self.unseen, self.recipe)
        apart = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
        share = 0.3112781  # 1 - H(1/4) / 1 bit + 1/2 bit, of the second token
        assert anchoring.item() == pytest.approx(apart / (2 - share), rel=1e-3)
        assert purging.item() == pytest.approx(self.lost, rel=1e-3)

    def test_without_weights_every_token_is_purged(self):
        plain = self.recipe.model_copy(update={"weighting": "none"})
        purging, anchoring = distillation_terms(self.seen, self.seen, self.unseen, plain)
        assert anchoring.item() == 0
        assert purging.item() == pytest.approx(
            (-math.log(2) - 0.5 * math.log(0.5e-6)) / 2, rel=1e-3
        )


class TestGuards:
    def test_behaviour(self):
        answers = ["**Yes**", "No.", "A boat.", "A red car on the sand.", "A mug."]
        found = behaviour(answers, [True, True, True, False, False])
        assert found == Behaviour(words=4.0, yes_rate=pytest.approx(1 / 3))

    def test_nothing_of_a_kind_is_never_a_breach(self):
        none = behaviour(["Yes."], [True])
        assert math.isnan(none.words)
        assert none.breaches(none, Guards()) == []

    @pytest.mark.parametrize(
        ("words", "yes_rate", "said"),
        [
            (10.9, 0.55, []),
            (8.9, 0.5, ["descriptions have 8.9 words, 10.0 before"]),
            (
                11.2,
                0.39,
                ["descriptions have 11.2 words, 10.0 before", "yes-rate 0.39, 0.50 before"],
            ),
        ],
    )
    def test_breaches(self, words, yes_rate, said):
        assert Behaviour(words, yes_rate).breaches(Behaviour(10.0, 0.5), Guards()) == said


class TestData:
    def test_what_is_held_back_is_not_trained_on(self, data):
        source = LlavaExamples(data, data.parent)
        (part,), questions = held_back([source], 4, seed=0)
        assert (len(part), len(questions)) == (COUNT - 4, 4)
        left = {question_of(part[k]).picture.tobytes() for k in range(len(part))}
        assert not left & {question.picture.tobytes() for question in questions}

    def test_no_more_than_half_is_held_back(self, data):
        (part,), questions = held_back([LlavaExamples(data, data.parent)], 64, seed=0)
        assert len(part) == len(questions) == COUNT // 2

    def test_a_question_has_no_marks(self, data):
        question = question_of(LlavaExamples(data, data.parent)[0])
        assert question.text[0].isupper()
        assert "<image>" not in question.text
        assert question.answered("Yes.").turns[1] == ("assistant", "Yes.")

    def test_every_picture_is_described_too(self, data):
        _, questions = held_back([LlavaExamples(data, data.parent)], 4, seed=0)
        asked = description_questions(questions, "What is this?")
        assert [q.text for q in asked] == ["What is this?"] * 4
        assert asked[2].picture is questions[2].picture
        assert description_questions(asked, "What is this?") == []

    def test_several_pictures(self):
        with pytest.raises(RowError, match="x is about 2 pictures"):
            question_of(TrainingExample("x", [None, None], [("user", "<image><image>What?")]))

    def test_a_question_that_is_too_long_is_passed_over(self, mini, data, caplog):
        source = LlavaExamples(data, data.parent)
        processor = AutoProcessor.from_pretrained(mini)
        lengths = [
            len(encode_example(processor, question_of(source[k]).answered("")).tokens["input_ids"])
            for k in range(COUNT)
        ]
        most = sorted(lengths)[COUNT // 2]
        some = Questions([source], None, 0, processor, most)
        found = [some[k] for k in range(len(some))]
        kept = {source[k].id for k in range(COUNT) if lengths[k] <= most}
        assert {question.name for question in found} == kept
        assert max(lengths) > most
        assert f"tokens, at most {most} are taken" in caplog.text

    def test_questions_come_by_shares(self, mini, data):
        source = LlavaExamples(data, data.parent)
        some = Questions([source, source], [3, 1], 0, AutoProcessor.from_pretrained(mini), 2000)
        assert len(some) == COUNT + COUNT // 3

    def test_no_examples(self, tmp_path):
        (tmp_path / "none.json").write_text("[]")
        with pytest.raises(RefusedError, match=r"none.json has no examples"):
            held_back([LlavaExamples(tmp_path / "none.json", tmp_path)], 4, seed=0)
