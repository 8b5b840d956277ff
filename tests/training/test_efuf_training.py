"""Trainings by EFUF: what moves, what stays, and that what was trained is what loads."""

import threading
from pathlib import Path

import pytest
import torch
from chat_miniatures import save_llava, save_qwen_vl
from efuf_run import write_run
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import imgdiff
from imgdiff.errors import RefusedError
from imgdiff.models.asking import AskingProfile
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.training.check import check_training
from imgdiff.training.efuf import losses
from imgdiff.training.efuf.data import Triples, UnlearningSets, batches_of
from imgdiff.training.efuf.layers import train_only
from imgdiff.training.efuf.train import train
from imgdiff.training.folder import open_training

RECIPES = Path(imgdiff.__file__).parent.parent / "recipes" / "train"
STEPS = 6


def trained(folder, recipe="efuf.yaml", **changes):
    """The folder of a short training on two captions."""
    if not (folder / "run").exists():
        write_run(folder / "run")
    changes = {
        "data": folder / "run",
        "export_path": folder / "out",
        "trainer.max_steps": STEPS,
        "trainer.logging_steps": 1,
        "trainer.save_steps": STEPS,
        "trainer.per_device_train_batch_size": 1,
        "trainer.learning_rate": 1e-3,
        "layers": "[projector]",
        "unit": "sub_sentence",
        "floor": -3.0,
        "negative_weight": 0.3,
        "sentence_weight": 0.2,
    } | changes
    overrides = [f"{key}={value}" for key, value in changes.items()]
    plan = check_training(RECIPES / recipe, overrides)
    with open_training(plan.recipe, True, threading.Event()) as done:
        train(plan.recipe, done)
    return done


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("efuf"))


def weights(folder):
    return load_file(folder / "model.safetensors")


def chance(folder, run, name):
    """The mean log-probability of one set's samples."""
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    sets = UnlearningSets(run, "sub_sentence", [], AskingProfile())
    triples = Triples(sets, processor, seed=0, epochs=1, count=2)
    batch = batches_of(0)([triples[0], triples[1]])
    labels, numbers, _ = (batch.pop(key) for key in ("labels", "sets", "scores"))
    with torch.no_grad():
        tokens, wanted = losses.token_losses(model(**batch).logits, labels)
    number = ("positive", "negative", "sentence").index(name)
    return -losses.finetuning(tokens, wanted)[numbers == number].mean().item()


class TestEmbedded:
    def test_the_loaded_model_is_the_trained_one(self, done):
        """Its weights are those of the last step, not those that the training began with."""
        last = weights(done.checkpoints / f"checkpoint-{STEPS}")
        model = AutoModelForImageTextToText.from_pretrained(done.model)
        projector = model.model.multi_modal_projector.state_dict()
        assert len(projector) == 4
        for name, value in projector.items():
            (saved,) = (last[key] for key in last if key.endswith(f"multi_modal_projector.{name}"))
            assert torch.equal(value, saved), name

    def test_only_the_projector_moved(self, done):
        begun = weights(EMBEDDED_WEIGHTS / "mllm")
        moved = {
            name
            for name, value in weights(done.model).items()
            if not torch.equal(value, begun[name].float())
        }
        assert moved == {name for name in begun if "multi_modal_projector" in name}

    def test_what_is_made_up_became_unlikely_and_the_rest_did_not(self, done):
        run = done.path.parent / "run"
        changes = {
            name: chance(done.model, run, name) - chance(EMBEDDED_WEIGHTS / "mllm", run, name)
            for name in ("positive", "negative", "sentence")
        }
        assert changes["negative"] < -0.1
        assert changes["positive"] > changes["negative"] + 0.1
        assert changes["sentence"] > changes["negative"] + 0.1

    def test_it_answers(self, done):
        mllm = ImageTextToText.load(Checkpoint(name=str(done.model)))
        picture = draw(sample_scene(generator("test", 0))).image
        assert mllm.answer([Question((picture,), "Describe this image.")], 24)[0]

    def test_every_term_is_in_the_curve(self, done):
        names = {line.split(",")[1] for line in (done.path / "curve.csv").read_text().splitlines()}
        assert {"loss", "positive", "negative", "sentence"} <= names

    def test_figures_say_what_it_was_made_of(self, done):
        figures = done.record["figures"]
        wanted = {"steps": STEPS, "positive": 2, "negative": 1, "sentence": 1}
        assert {name: figures[name] for name in wanted} == wanted


def test_the_loss_is_the_papers_sum(tmp_path):
    """At the first step, from the three terms in the curve."""
    lines = (trained(tmp_path, **{"trainer.max_steps": 1}).path / "curve.csv").read_text()
    first = {
        line.split(",")[1]: float(line.split(",")[2])
        for line in lines.splitlines()
        if line.startswith("1,")
    }
    wanted = first["positive"] + 0.3 * first["negative"] + 0.2 * first["sentence"]
    assert first["loss"] == pytest.approx(wanted, abs=1e-4)


def test_scores_and_progress_weigh_as_in_the_released_code(tmp_path):
    """A positive of 0.7 or 0.9, a negative of 0.1, a sentence of 0.8; T0 + T1 is 1. Of ten steps
    the last one but one begins after nine."""
    weighting = "{score_sum: 1.0, positive_end: 0.5, negative_hold: 0.4}"
    settings = {"weighting": weighting, "trainer.max_steps": 10, "trainer.save_steps": 10}
    lines = (trained(tmp_path, **settings).path / "curve.csv").read_text()
    last = {
        line.split(",")[1]: float(line.split(",")[2])
        for line in lines.splitlines()
        if line.startswith("10,")
    }
    rest = last["loss"] - 0.2 * 1.6 * last["sentence"]
    rest -= 0.3 * (0.1 / 0.6) * 1.8 * last["negative"]
    options = [0.55 * 2 * score * last["positive"] for score in (0.7, 0.9)]
    assert min(abs(rest - option) for option in options) < 1e-4


@pytest.mark.parametrize(
    ("recipe", "save", "part"),
    [
        ("llava_efuf.yaml", save_llava, "multi_modal_projector"),
        ("qwen_vl_efuf.yaml", save_qwen_vl, "merger"),
    ],
)
def test_full_size_recipes_take_their_first_step(recipe, save, part, tmp_path):
    """In bfloat16, with steps too small for it: the trained layers are held in float32."""
    save(tmp_path / "mini")
    small = {"model.name": tmp_path / "mini", "trainer.max_steps": 1, "trainer.save_steps": 1}
    small["trainer.learning_rate"] = "1.0e-5"  # the paper's
    done = trained(tmp_path, recipe, **small)
    begun = {name: value.bfloat16() for name, value in weights(tmp_path / "mini").items()}
    ended, last = weights(done.model), weights(done.checkpoints / "checkpoint-1")
    assert {value.dtype for value in ended.values()} == {torch.bfloat16}
    moved = {
        name for name, value in last.items() if not torch.equal(value.float(), begun[name].float())
    }
    assert moved
    assert all(part in name for name in moved)


class TestLayers:
    @pytest.mark.parametrize("save", [save_llava, save_qwen_vl])
    def test_the_last_block_and_the_language_model(self, save, tmp_path):
        save(tmp_path)
        model = AutoModelForImageTextToText.from_pretrained(tmp_path)
        train_only(model, ["last_block"])
        opened = {name for name, value in model.named_parameters() if value.requires_grad}
        assert opened
        assert all("language_model.layers.1." in name for name in opened)
        train_only(model, ["language_model", "projector"])
        opened = {name for name, value in model.named_parameters() if value.requires_grad}
        assert any("language_model.layers.0." in name for name in opened)
        assert not any("vision_tower" in name or "visual.blocks" in name for name in opened)

    def test_a_model_without_such_layers_is_refused(self, tmp_path):
        save_llava(tmp_path)
        model = AutoModelForImageTextToText.from_pretrained(tmp_path)
        model.model.multi_modal_projector = torch.nn.Identity()
        text = "layers: no projector in LlavaForConditionalGeneration"
        with pytest.raises(RefusedError, match=text):
            train_only(model, ["projector", "last_block"])
