"""`method: ohd_clip` on drawn scenes, with miniatures of CLIP and SigLIP."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset
from miniatures import save_vit
from ohd_rows import FEATURES, SAVERS, row, write_rows
from safetensors.torch import load_file
from transformers import AutoModel

from imgdiff.cli import main
from imgdiff.models.kinds import family_of
from imgdiff.models.zoo import Checkpoint
from imgdiff.training.check import check_training
from imgdiff.training.fitting import last_checkpoint
from imgdiff.training.ohd_clip.accuracy import measure_accuracy
from imgdiff.training.ohd_clip.data import Collator, load_rows
from imgdiff.training.ohd_clip.losses import (
    Scored,
    contrastive,
    edited_above_others,
    wrong_below_own,
)
from imgdiff.training.ohd_clip.recipe import LossSettings
from imgdiff.training.ohd_clip.scoring import scored
from imgdiff.training.ohd_clip.train import weighted

RECIPES = Path(__file__).parents[2] / "recipes" / "train"


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, save in SAVERS.items():
        save(folder / name)
    return folder


@pytest.fixture
def write(tmp_path, miniatures):
    """A recipe of six steps over twelve rows; returns its path."""
    data = write_rows(tmp_path / "pairs", [4, 0, 2, 4] * 4)

    def recipe(model="clip", trainer=(), **settings):
        content = {
            "project_name": "small",
            "method": "ohd_clip",
            "model": model if "/" in model else str(miniatures / model),
            "export_path": str(tmp_path / "out"),
            "data": str(data),
            "validation": {"fraction": 0.25, "every_steps": 2},
            "trainer": {
                "learning_rate": 1e-3,
                "max_steps": 6,
                "per_device_train_batch_size": 4,
                "save_steps": 2,
                "logging_steps": 1,
                **dict(trainer),
            },
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(content | settings))
        return path

    return recipe


def towers(folder):
    """The model as filters use it."""
    checkpoint = Checkpoint(name=str(folder), device="cpu")
    return family_of("clip", checkpoint).load(checkpoint)


def collator(folder, negatives=None):
    clip = towers(folder)
    return Collator(clip.processor, clip.reading, clip.length, negatives)


def opened(some):
    """Rows as `datasets` gives them."""
    return Dataset.from_list(some, features=FEATURES)


class TestBatches:
    def test_equal_sentences_are_encoded_once(self, miniatures):
        rows = [row(0, 3), row(0, 1), row(1, 2)]
        batch = collator(miniatures / "clip")(opened(rows))
        assert batch["caption_of"].tolist() == [0, 0, 1]
        assert batch["negatives_of"].tolist() == [[2, 3, 4], [2, -1, -1], [5, 6, -1]]
        distinct = batch["input_ids"][:7].unique(dim=0)
        assert len(distinct) == 7
        assert len(batch["input_ids"]) == 32

    def test_what_rounds_the_number_of_sentences_changes_nothing(self, miniatures, monkeypatch):
        rows = opened([row(0, 3), row(1, 2)])
        model = AutoModel.from_pretrained(miniatures / "clip").eval()
        losses = []
        for size in (1, 32):
            monkeypatch.setattr("imgdiff.training.ohd_clip.data.ROUND", size)
            batch = collator(miniatures / "clip")(rows)
            assert len(batch["input_ids"]) == (7 if size == 1 else 32)
            result = scored(model, model.logit_scale, batch)
            losses.append(weighted(result, LossSettings()).item())
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)

    def test_negatives_are_drawn_without_repetition(self, miniatures):
        seen = set()
        for seed in range(20):
            torch.manual_seed(seed)
            batch = collator(miniatures / "clip", negatives=2)(opened([row(0, 4), row(1, 1)]))
            assert batch["negatives_of"].shape == (2, 2)
            assert (batch["negatives_of"][1] >= 0).sum() == 1
            tokens = batch["input_ids"][batch["negatives_of"][0]]
            seen.add(tuple(map(tuple, tokens.tolist())))
        assert len(seen) > 3

    def test_rows_without_negatives(self, miniatures):
        batch = collator(miniatures / "clip")(opened([row(0, 0), row(1, 0)]))
        model = AutoModel.from_pretrained(miniatures / "clip")
        assert scored(model, model.logit_scale, batch).edited.shape == (2, 0)

    @pytest.mark.parametrize("kind", ["clip", "siglip"])
    def test_logits_are_scaled_cosines(self, miniatures, kind):
        rows = opened([row(0, 2), row(1, 1), row(0, 0)])
        model = AutoModel.from_pretrained(miniatures / kind)
        result = scored(model, model.logit_scale, collator(miniatures / kind)(rows))
        expected = logits_of(miniatures / kind, rows, [each["caption_a"] for each in rows])
        assert torch.allclose(result.captions, expected, atol=1e-4)
        edited = [negative["caption"] for negative in rows[0]["negatives"]]
        expected = logits_of(miniatures / kind, rows, edited)
        assert torch.allclose(result.edited[0], expected[0], atol=1e-4)
        alike = [[False, True, False], [True, False, True], [False, True, False]]
        assert result.others.tolist() == alike
        assert result.present.tolist() == [[True, True], [True, False], [False, False]]


def logits_of(folder, rows, texts):
    """[B, T] by the clip role, which filters use."""
    clip = towers(folder)
    pictures = clip.embed_images([np.array(each["image_a"]) for each in rows])
    scale = clip.model.logit_scale.detach().exp()
    return torch.from_numpy(pictures @ clip.embed_texts(texts).T) * scale


def test_accuracy_counts_rows_by_family(miniatures):
    """Against the clip role, row by row; an edited caption that comes twice or equals the caption
    is no other candidate."""
    made = [row(k, 4) for k in range(24)]
    for each in made[::2]:
        same = {"caption": each["caption_a"], "family": "alter", "objects": []}
        each["negatives"] += [same, dict(each["negatives"][0])]
    rows = opened(made)
    model = AutoModel.from_pretrained(miniatures / "clip")
    accuracy = measure_accuracy(model, collator(miniatures / "clip"), rows)
    hits = {"all": [], "random": [], "popular": [], "alter": []}
    for k in range(len(rows)):
        negatives = made[k]["negatives"][:4]
        texts = [made[k]["caption_a"], *(negative["caption"] for negative in negatives)]
        own, *edited = logits_of(miniatures / "clip", rows.select([k]), texts)[0].tolist()
        hits["all"].append(own > max(edited))
        hits["random"].append(own > max(edited[0], edited[3]))
        hits["popular"].append(own > edited[1])
        hits["alter"].append(own > edited[2])
    assert set(accuracy) == set(hits)
    for family, expected in hits.items():
        assert accuracy[family].value == pytest.approx(np.mean(expected))
        assert accuracy[family].items == 24
    assert 0 < accuracy["alter"].value < 1


class TestData:
    def test_a_split_named_validation_is_taken(self, write, tmp_path):
        write_rows(tmp_path / "pairs", [1] * 3, "validation")
        rows, held_back = load_rows(check_training(write()).recipe)
        assert (len(rows), len(held_back)) == (16, 3)

    def test_else_some_captions_are_held_back(self, write):
        rows, held_back = load_rows(check_training(write()).recipe)
        assert len(rows) + len(held_back) == 16
        assert not set(rows["caption_a"]) & set(held_back["caption_a"])

    def test_missing_data(self, write, tmp_path, capsys):
        recipe = write(data=str(tmp_path / "nothing"))
        assert main(["check", str(recipe)]) == 0
        assert main(["train", str(recipe)]) == 2
        assert "with: imgdiff run recipes/ohd_negatives.yaml" in capsys.readouterr().err

    def test_a_dataset_of_another_kind(self, write, tmp_path, capsys):
        rows = opened([row(0, 1)]).remove_columns("negatives")
        (tmp_path / "other").mkdir()
        rows.to_parquet(tmp_path / "other" / "train.parquet")
        assert main(["train", str(write(data=str(tmp_path / "other")))]) == 2
        assert "has no column negatives" in capsys.readouterr().err


class TestTraining:
    @pytest.mark.parametrize("model", SAVERS)
    @pytest.mark.parametrize("sign", ["closer", "farther"])
    def test_learns_and_leaves_a_model(self, model, sign, write, tmp_path):
        loss = {"edited_captions": sign}
        recipe = write(model, {"max_steps": 2}, loss=loss, negatives_per_step=2)
        assert main(["train", str(recipe)]) == 0
        figures = json.loads((tmp_path / "out" / "training.json").read_text())["figures"]
        families = ["", "_random", "_popular", "_alter"]
        assert set(figures) == {f"ohd_{when}{f}" for when in ("before", "after") for f in families}
        trained = AutoModel.from_pretrained(tmp_path / "out" / "model")
        begun = AutoModel.from_pretrained(check_training(recipe).recipe.checkpoint().name)
        moved = [
            name
            for (name, weight), old in zip(
                trained.named_parameters(), begun.parameters(), strict=True
            )
            if not torch.equal(weight, old)
        ]
        for tower in ("text_model", "vision_model"):
            assert any(tower in name for name in moved)
        assert "logit_bias" not in moved
        curve = (tmp_path / "out" / "curve.csv").read_text()
        assert ",eval_ohd," in curve
        assert (tmp_path / "out" / "curve.png").is_file()

    def test_before_and_after_are_of_full_precision(self, write, monkeypatch):
        """Though the training is of mixed precision."""
        exact = []

        def watched(model, collator, rows):
            fresh = type(model)(model.config).eval()
            fresh.load_state_dict(model.state_dict())
            batch = collator([rows[0]])
            one, other = (scored(m.eval(), m.logit_scale, batch).own for m in (model, fresh))
            exact.append(torch.allclose(one, other, atol=1e-5))
            return measure_accuracy(model, collator, rows)

        monkeypatch.setattr("imgdiff.training.ohd_clip.train.measure_accuracy", watched)
        assert main(["train", str(write(trainer={"max_steps": 2, "bf16": True}))]) == 0
        assert exact == [True, False, True]  # the curve, between them, is the training's

    def test_gradient_checkpointing_learns_the_same(self, write, tmp_path):
        weights = []
        for saving in (False, True):
            recipe = write(trainer={"max_steps": 1, "gradient_checkpointing": saving})
            assert main(["train", str(recipe), "--restart"]) == 0
            weights.append(load_file(tmp_path / "out" / "model" / "model.safetensors"))
        for name, weight in weights[0].items():
            assert torch.allclose(weight, weights[1][name], atol=1e-6), name

    def test_another_kind_of_model_is_refused(self, write, tmp_path, capsys):
        save_vit(tmp_path / "vit")
        assert main(["train", str(write(model=str(tmp_path / "vit")))]) == 2
        assert "is of the kind vit, but clip takes clip, siglip" in capsys.readouterr().err

    @pytest.mark.slow
    def test_killed_it_goes_on_to_the_same_weights(self, write, tmp_path):
        """Other negatives are drawn in every step, and they are the same ones after a kill."""
        recipe = write(negatives_per_step=1)
        assert main(["train", str(recipe)]) == 0
        whole = load_file(tmp_path / "out" / "model" / "model.safetensors")
        override = f"export_path={tmp_path / 'killed'}"
        killed = subprocess.Popen([sys.executable, "-m", "imgdiff", "train", str(recipe), override])
        while not (tmp_path / "killed" / "checkpoints" / "checkpoint-2").is_dir():
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        assert main(["train", str(recipe), override]) == 0
        again = load_file(tmp_path / "killed" / "model" / "model.safetensors")
        assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    assert last_checkpoint(tmp_path / "none") is None
    for step in (2, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_checkpoint(tmp_path) is None
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").touch()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


def test_weights_of_zero_leave_the_contrastive_loss():
    scored = Scored(
        torch.tensor([[3.0, 1.0], [0.0, 2.0]]),
        ~torch.eye(2, dtype=torch.bool),
        torch.tensor([[2.5], [1.0]]),
        torch.ones(2, 1, dtype=torch.bool),
    )
    alone = LossSettings(own_weight=0, edited_weight=0)
    assert weighted(scored, alone).item() == contrastive(scored).item()
    all_three = LossSettings(own_weight=0.5, own_margin=1, edited_weight=2, edited_margin=3)
    expected = (
        contrastive(scored) + 0.5 * wrong_below_own(scored, 1) + 2 * edited_above_others(scored, 3)
    )
    assert weighted(scored, all_three).item() == pytest.approx(expected.item())


class TestHub:
    COMMIT = "c" * 40

    @pytest.fixture
    def name(self, model_hub, miniatures):
        """A CLIP with pickled weights, whose safetensors are in a pull request."""
        model_hub.publish("owner/clip", miniatures / "clip", self.COMMIT, "SFconvertbot", "open")
        return "owner/clip"

    def test_a_model_is_trained_and_recorded_at_its_commit(self, name, model_hub, write, tmp_path):
        recipe, record = write(name, {"max_steps": 2}), tmp_path / "out" / "training.json"
        assert main(["train", str(recipe)]) == 0
        done = json.loads(record.read_text())
        fingerprint = f"{name}@{self.COMMIT}"
        assert done["model"] == {
            "name": name,
            "revision": self.COMMIT,
            "fingerprint": fingerprint,
        }
        del done["figures"]  # as if it had been stopped
        record.write_text(json.dumps(done))
        model_hub.repos[name].commit({"model.safetensors": b"other"})
        assert main(["train", str(recipe)]) == 0
        assert json.loads(record.read_text())["model"]["fingerprint"] == fingerprint

    def test_damaged_weights_are_told_in_one_line(self, name, model_hub, write, capsys):
        model_hub.repos[name].commit(model_hub.files(name) | {"model.safetensors": b"damaged"})
        assert main(["train", str(write(name))]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"{name} cannot be loaded: ")

    @pytest.mark.parametrize("verb", ["check", "train"])
    def test_without_safetensors_it_is_refused(
        self, name, model_hub, write, tmp_path, capsys, verb
    ):
        model_hub.repos[name].requests.clear()
        assert main([verb, str(write(name))]) == 2
        said = f"model: {name} at main has no safetensors weights (only pytorch_model.bin). "
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


class TestRecipes:
    @pytest.mark.parametrize("name", ["ohd_clip", "ohd_clip_paper", "ohd_clip_scripts"])
    def test_they_pass_the_check(self, name):
        check_training(RECIPES / f"{name}.yaml")

    @pytest.mark.parametrize("name", ["ohd_clip_paper", "ohd_clip_scripts"])
    def test_published_settings_take_a_step(self, name, write, miniatures, tmp_path):
        write()
        overrides = [
            f"model={miniatures / 'clip'}",
            f"data={tmp_path / 'pairs'}",
            f"export_path={tmp_path / 'out'}",
            "trainer.max_steps=1",
            "trainer.bf16=false",
        ]
        assert main(["train", str(RECIPES / f"{name}.yaml"), *overrides]) == 0
        assert (tmp_path / "out" / "model" / "model.safetensors").is_file()
