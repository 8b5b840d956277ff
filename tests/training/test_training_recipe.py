"""Training recipes and their folders, by the method `finetune` on the embedded model."""

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from imgdiff import cli as imgdiff
from imgdiff.run import COMPLETE, REFUSED, STOPPED
from imgdiff.training import fitting
from imgdiff.training.finetune import train as finetuning

TEXT = """\
project_name: mine
method: finetune
export_path: out
data:
  - llava: data.json
trainer:
  learning_rate: 1.0e-4
  max_steps: 2
  per_device_train_batch_size: 1
  logging_steps: 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe with its data: two records, and not yet trained."""
    monkeypatch.chdir(tmp_path)
    turns = [("human", "<image>\nWhat colour?"), ("gpt", "Red.")]
    spoken = [{"from": who, "value": text} for who, text in turns]
    Image.new("RGB", (32, 32), "red").save("red.png")
    record = {"image": "red.png", "conversations": spoken}
    Path("data.json").write_text(json.dumps([record] * 2))
    Path("mine.yaml").write_text(TEXT)
    return tmp_path


def refused(capsys, *arguments):
    """What is said of a command that is refused."""
    assert imgdiff.main(list(arguments)) == REFUSED
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "max_steps",
            "max_stps",
            "line 8, trainer.max_stps: unknown setting. Did you mean max_steps?",
        ),
        ("1.0e-4", "1e-4", 'learning_rate: "1e-4" is text, expected a number. Write 1.0e-4.'),
        ("1.0e-4", "-1.0", "line 7, trainer.learning_rate: -1.0 is not above 0"),
        ("finetune", "finetuning", "line 2, method: finetuning: expected one of"),
        ("llava: data.json", "share: 1.0", "line 5, data[0]: expected run: FOLDER or llava: FILE"),
        ("llava: data.json", "{run: a, llava: b}", "expected run: FOLDER or llava: FILE"),
        ("llava: data.json", "{run: a, images: b}", "images goes with llava"),
        ("llava: data.json", "{llava: a, form: two_images}", "form goes with run"),
        (
            "llava: data.json",
            "llava: data.json\n    share: 0.5\n  - run: a",
            "give every source a share, or none",
        ),
        ("export_path", "model: no/such/model\nexport_path", "line 3, model: "),
    ],
)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_problems_are_told_with_their_lines(folder, capsys, verb, old, new, said):
    Path("mine.yaml").write_text(TEXT.replace(old, new))
    assert said in refused(capsys, verb, "mine.yaml")
    assert not Path("out").exists()


def test_a_server_is_not_trained(folder, capsys):
    server = "model={base_url: 'http://localhost:8000/v1', model: m}"
    error = refused(capsys, "train", "mine.yaml", server)
    assert "model: a server's model cannot be trained" in error


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{run: outputs/replace}", "outputs/replace has no samples. Make them: imgdiff run RECIPE"),
        ("{llava: none.json}", "no such file: none.json"),
        ("{llava: data.json, images: nowhere}", "no such folder: nowhere"),
    ],
)
def test_missing_data_is_noted_by_check_and_refused_by_train(folder, capsys, data, said):
    Path("mine.yaml").write_text(TEXT.replace("llava: data.json", data))
    assert imgdiff.main(["check", "mine.yaml"]) == COMPLETE
    assert f"fine, trains by finetune; line 5, data[0].{data[1:6].strip(':')}" in (
        noted := capsys.readouterr().out
    )
    assert said in noted
    assert said in refused(capsys, "train", "mine.yaml")


def test_run_says_what_trains(folder, capsys):
    assert "imgdiff train mine.yaml" in refused(capsys, "run", "mine.yaml")


def test_train_says_what_runs(folder, capsys):
    recipe = Path(__file__).parents[2] / "recipes/replace.yaml"
    assert f"this recipe makes data: imgdiff run {recipe}" in refused(capsys, "train", str(recipe))
    Path("mine.yaml").write_text(TEXT.replace("method: finetune\n", ""))
    assert "method: expected one of" in refused(capsys, "train", "mine.yaml")


def test_a_finished_training_prints_its_figures_and_does_nothing(folder, capsys, monkeypatch):
    assert imgdiff.main(["train", "mine.yaml"]) == COMPLETE
    printed = capsys.readouterr().out
    assert "steps: 2\nexamples: 2\ndropped: 0\n" in printed
    assert {path.name for path in Path("out").iterdir()} == {
        "checkpoints", "curve.csv", "curve.png", "model", "train.log", "training.json",
        "training.lock",
    }  # fmt: skip
    monkeypatch.delattr(finetuning, "train")
    assert imgdiff.main(["train", "mine.yaml"]) == COMPLETE
    again = capsys.readouterr().out
    assert again.splitlines() == printed.splitlines()[-len(again.splitlines()) :]
    assert again.startswith("loss: ")


def test_a_changed_recipe_is_refused_and_restart_begins_again(folder, capsys):
    assert imgdiff.main(["train", "mine.yaml"]) == COMPLETE
    error = refused(capsys, "train", "mine.yaml", "trainer.learning_rate=1.0e-3")
    assert "out was begun with another recipe: trainer.learning_rate: 0.0001 -> 0.001." in error
    assert "--restart" in error
    assert imgdiff.main(["train", "mine.yaml", "trainer.max_steps=3", "--restart"]) == COMPLETE
    assert "steps: 3" in capsys.readouterr().out
    assert not Path("out/checkpoints/checkpoint-2").exists()


def test_a_moved_folder_goes_on(folder, capsys):
    assert imgdiff.main(["train", "mine.yaml"]) == COMPLETE
    Path("out").rename("elsewhere")
    capsys.readouterr()
    assert imgdiff.main(["train", "mine.yaml", "export_path=elsewhere"]) == COMPLETE
    assert "steps: 2" in capsys.readouterr().out


def test_a_changed_model_is_refused(folder, capsys):
    model = "model={name: model, dtype: float32}"
    assert imgdiff.main(["train", "mine.yaml", "export_path=first"]) == COMPLETE
    Path("first/model").rename("model")
    assert imgdiff.main(["train", "mine.yaml", model]) == COMPLETE
    with Path("model/model.safetensors").open("ab") as file:
        file.write(b" ")
    assert "fingerprint: sha256:" in refused(capsys, "train", "mine.yaml", model)


def test_a_loss_that_is_no_number_stops(folder, capsys, monkeypatch):
    make_trainable = finetuning.make_trainable

    def poisoned(model, recipe):
        model = make_trainable(model, recipe)
        torch.nn.init.constant_(model.get_decoder().norm.weight, math.nan)
        return model

    monkeypatch.setattr(finetuning, "make_trainable", poisoned)
    assert imgdiff.main(["train", "mine.yaml"]) == STOPPED
    assert "stopped: loss is nan at step 1. Lower trainer.learning_rate" in capsys.readouterr().err
    assert not Path("out/model").exists()


def test_a_person_stops_it_and_goes_on(folder, capsys, monkeypatch):
    with monkeypatch.context() as patched:
        begun = fitting._Watch.on_step_begin

        def stop(self, args, state, control, **rest):
            self._folder.stop.set()
            return begun(self, args, state, control, **rest)

        patched.setattr(fitting._Watch, "on_step_begin", stop)
        assert imgdiff.main(["train", "mine.yaml"]) == STOPPED
    assert "after step 1. The same command goes on from there." in capsys.readouterr().err
    assert not Path("out/model").exists()
    assert imgdiff.main(["train", "mine.yaml"]) == COMPLETE
    log = Path("out/train.log").read_text()
    assert log.count("step 1/2: ") == log.count("step 2/2: ") == 1


def test_check_takes_the_overrides_of_train(folder, capsys):
    Path("more.json").write_text("[]")
    given = ["data.0.llava=more.json", "data[0].share=2.0", "trainer.max_steps=5"]
    assert imgdiff.main(["check", "mine.yaml", *given]) == COMPLETE
    assert capsys.readouterr().out == "mine.yaml: fine, trains by finetune\n"
    said = refused(capsys, "check", "mine.yaml", "data.0.llava=more.json", "data.1.run=x")
    assert said.endswith("command line, data[1].run: no such entry. data has 1, numbered from 0\n")
    Path("found.txt").write_text("data.0.share=2.0\ntrainer.max_stepz=5\n")
    assert "max_stepz: unknown setting" in refused(capsys, "check", "mine.yaml", "@found.txt")
    assert imgdiff.main(["check", "mine.yaml", "data.0.llava=none.json"]) == COMPLETE
    missing = "command line, data[0].llava: no such file: none.json"
    assert missing in capsys.readouterr().out
    assert missing in refused(capsys, "train", "mine.yaml", "data.0.llava=none.json")


def test_settings_may_stand_on_the_command_line(folder, capsys):
    with Path("mine.yaml").open("a") as file:
        yaml.safe_dump({"seed": 1}, file)
    assert (
        imgdiff.main(["train", "trainer.max_steps=1", "mine.yaml"]) == REFUSED
    )  # the recipe first
    capsys.readouterr()
    assert imgdiff.main(["train", "mine.yaml", "trainer.max_steps=1", "seed=2"]) == COMPLETE
    assert "steps: 1" in capsys.readouterr().out
    assert json.loads(Path("out/training.json").read_text())["recipe"]["seed"] == 2
