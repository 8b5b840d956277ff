"""Finetuning on random-weight models of the real classes: what is trained, saved and resumed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from chat_miniatures import save_llava, save_qwen_vl
from drawn_run import drawn_rows, write_run
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from imgdiff import cli as imgdiff
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint
from imgdiff.run import COMPLETE, REFUSED, STOPPED
from imgdiff.training import fitting
from imgdiff.training.finetune.model_parts import make_trainable, weight_parts
from imgdiff.training.finetune.recipe import FinetuneRecipe
from imgdiff.training.lora import merged

RECIPES = Path(__file__).parents[2] / "recipes/train"
SAVERS = {"llava": save_llava, "qwen_vl": save_qwen_vl}
ONE_STEP = {"max_steps": 1, "logging_steps": 1, "dataloader_num_workers": 0, "warmup_steps": 0}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {name: tmp_path_factory.mktemp("models") / name for name in SAVERS}
    for name, save in SAVERS.items():
        save(folders[name])
    return folders


@pytest.fixture
def data(tmp_path):
    """Twelve records of instruction data, what the picture shows in the answer."""
    colours = {"red": (255, 0, 0), "blue": (0, 0, 255), "grey": (120, 120, 120)}
    records = []
    for number in range(12):
        name, colour = list(colours.items())[number % 3]
        Image.new("RGB", (40, 30 + number), colour).save(tmp_path / f"{number}.png")
        turns = [("human", "<image>\nWhat colour?"), ("gpt", f"It is {name}.")]
        spoken = [{"from": who, "value": text} for who, text in turns]
        records.append({"id": str(number), "image": f"{number}.png", "conversations": spoken})
    (tmp_path / "data.json").write_text(json.dumps(records))
    return tmp_path / "data.json"


@pytest.fixture
def write(tmp_path, data):
    """Writes a recipe and gives its path."""

    def write(name="mine", **changes):
        trainer = {"learning_rate": 0.01, "per_device_train_batch_size": 2, "logging_steps": 1}
        settings = {
            "project_name": "try",
            "method": "finetune",
            "export_path": str(tmp_path / "out" / name),
            "data": [{"llava": str(data)}],
            "trainer": trainer | changes.pop("trainer", {}),
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(settings | changes))
        return str(path)

    return write


def losses(tmp_path, name):
    lines = (tmp_path / "out" / name / "curve.csv").read_text().splitlines()[1:]
    return {
        int(step): float(v) for step, what, v in (x.split(",") for x in lines) if what == "loss"
    }


def recipe(**changes):
    settings = {"project_name": "x", "method": "finetune", "export_path": "x"}
    settings |= {"data": [{"run": "x"}], "trainer": {"learning_rate": 1e-3}}
    return FinetuneRecipe.model_validate(settings | changes)


class TestRecipes:
    @pytest.mark.parametrize("name", ["finetune", "llava_finetune", "qwen_vl_finetune"])
    def test_check(self, name, capsys):
        assert imgdiff.main(["check", str(RECIPES / f"{name}.yaml")]) == COMPLETE
        assert "fine, trains by finetune" in capsys.readouterr().out

    @pytest.mark.parametrize("name", SAVERS)
    def test_first_step_on_a_miniature(self, name, models, data, tmp_path, capsys):
        """The shipped recipe as it is, but for the model, the data, and the number of steps."""
        settings = [f"trainer.{key}={value}" for key, value in ONE_STEP.items()]
        settings += [f"model.name={models[name]}", f"export_path={tmp_path / 'out'}"]
        settings += [f"data=[{{llava: {data}, share: 1.0}}]"]
        recipe = str(RECIPES / f"{name}_finetune.yaml")
        assert imgdiff.main(["train", recipe, *settings]) == COMPLETE
        assert "steps: 1" in capsys.readouterr().out
        model = ImageTextToText.load(Checkpoint(name=str(tmp_path / "out" / "model")))
        picture = np.zeros((40, 40, 3), np.uint8)
        assert len(model.answer([Question((picture,), "What colour?")], 5)) == 1
        before = load_file(models[name] / "model.safetensors")
        after = load_file(tmp_path / "out" / "model" / "model.safetensors")
        changed = {key for key in before if not torch.equal(before[key].bfloat16(), after[key])}
        assert any("q_proj" in key for key in changed)
        assert any("projector" in key or "merger" in key for key in changed)
        assert not [key for key in changed if "vision_tower" in key or "visual.blocks" in key]


class TestParts:
    @pytest.mark.parametrize("name", SAVERS)
    def test_every_weight_has_its_part(self, name, models):
        model = AutoModelForImageTextToText.from_pretrained(models[name])
        found = weight_parts(model)
        assert set(found) == {name for name, _ in model.named_parameters()}
        for name, part in found.items():
            if "projector" in name or "merger" in name:
                assert part == "projector", name
            elif "vision_tower" in name or "visual" in name:
                assert part == "vision", name
            else:
                assert part == "language", name

    @pytest.mark.parametrize(
        ("settings", "trained"),
        [
            ({}, {"language", "projector"}),
            ({"train_projector": False}, {"language"}),
            ({"train_vision": True}, {"language", "projector", "vision"}),
        ],
    )
    @pytest.mark.parametrize("name", SAVERS)
    def test_what_is_trained(self, name, settings, trained, models):
        model = AutoModelForImageTextToText.from_pretrained(models[name])
        belongs = weight_parts(model)
        model = make_trainable(model, recipe(**settings))
        for weight_name, weight in model.named_parameters():
            assert weight.requires_grad == (belongs[weight_name] in trained), weight_name

    @pytest.mark.parametrize("name", SAVERS)
    def test_adapters_lie_in_all_linear_layers_of_the_language_model(self, name, models):
        model = AutoModelForImageTextToText.from_pretrained(models[name])
        linear = [
            n for n, m in model.get_decoder().named_modules() if isinstance(m, torch.nn.Linear)
        ]
        model = make_trainable(model, recipe(adapter={"rank": 2}))
        trained = [n for n, weight in model.named_parameters() if weight.requires_grad]
        adapters = [n for n in trained if "lora_" in n]
        assert len(adapters) == 2 * len(linear)
        assert all("language_model" in n for n in adapters)
        others = set(trained) - set(adapters)
        assert others
        assert all("projector" in n or "merger" in n for n in others)

    def test_only_the_layers_that_are_named(self, models):
        model = AutoModelForImageTextToText.from_pretrained(models["llava"])
        settings = {"adapter": {"rank": 2, "target_modules": ["q_proj"]}, "train_projector": False}
        model = make_trainable(model, recipe(**settings))
        trained = [n for n, weight in model.named_parameters() if weight.requires_grad]
        assert len(trained) == 2 * 2  # two matrices in each of two layers
        assert all(".q_proj." in n for n in trained)

    @pytest.mark.parametrize("name", SAVERS)
    def test_merged_adapters_answer_as_adapters_do(self, name, models):
        torch.manual_seed(1)
        model = AutoModelForImageTextToText.from_pretrained(models[name])
        model = make_trainable(model, recipe(adapter={"rank": 2})).eval()
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data += 0.1 * torch.randn_like(weight)  # adapters begin as nothing
        processor = AutoProcessor.from_pretrained(models[name])
        content = [{"type": "image", "image": Image.new("RGB", (40, 40), "red")}]
        batch = processor.apply_chat_template(
            [{"role": "user", "content": [*content, {"type": "text", "text": "What differs?"}]}],
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            adapted = model(**batch).logits
            with model.disable_adapter():
                before = model(**batch).logits
            whole = merged(model, torch.float32)
            after = whole(**batch).logits
        assert type(whole).__name__.endswith("ForConditionalGeneration")
        assert (adapted - before).abs().max() > 0.01
        assert torch.allclose(adapted, after, atol=1e-4)


class TestTraining:
    @pytest.mark.parametrize("adapter", [None, {"rank": 4}])
    def test_resumed_after_a_kill_it_learns_the_same(
        self, adapter, models, write, tmp_path, monkeypatch
    ):
        settings = {"model": {"name": str(models["llava"])}, "adapter": adapter}
        settings["trainer"] = {"max_steps": 8, "save_steps": 4}
        whole, broken = (write(name, **settings) for name in ("whole", "broken"))
        assert imgdiff.main(["train", whole]) == COMPLETE

        def kill(self, args, state, control, **_):
            if state.global_step == 6:
                raise ConnectionAbortedError

        with monkeypatch.context() as patched:
            patched.setattr(fitting._Watch, "on_step_begin", kill)
            with pytest.raises(ConnectionAbortedError):
                imgdiff.main(["train", broken])
        assert imgdiff.main(["train", broken]) == COMPLETE
        log = (tmp_path / "out/broken/train.log").read_text()
        assert "resuming from" in log
        assert "checkpoint-4" in log
        unbroken, resumed = losses(tmp_path, "whole"), losses(tmp_path, "broken")
        assert set(unbroken) == set(range(1, 9))
        assert resumed == pytest.approx(unbroken, rel=1e-4)
        assert unbroken[8] < 0.98 * unbroken[1]
        models = [
            tmp_path / "out" / name / "model/model.safetensors" for name in ("whole", "broken")
        ]
        first, second = map(load_file, models)
        for name, weight in first.items():
            assert torch.allclose(weight, second[name], atol=1e-4), name

    def test_adapters_are_left_for_peft(self, models, write, tmp_path):
        settings = {"model": {"name": str(models["llava"])}, "adapter": {"rank": 2}}
        assert imgdiff.main(["train", write(**settings, trainer={"max_steps": 2})]) == COMPLETE
        from peft import PeftModel

        out = tmp_path / "out/mine"
        base = AutoModelForImageTextToText.from_pretrained(models["llava"])
        again = PeftModel.from_pretrained(base, out / "adapter").merge_and_unload()
        saved = load_file(out / "model/model.safetensors")
        for name, weight in again.state_dict().items():
            if name in saved:
                assert torch.allclose(weight, saved[name], atol=1e-6), name

    def test_gradient_checkpointing_learns_the_same(self, models, write, tmp_path):
        for name, on in {"off": False, "on": True}.items():
            settings = {"model": {"name": str(models["qwen_vl"])}, "adapter": {"rank": 2}}
            settings["adapter"]["dropout"] = 0.0
            settings["trainer"] = {"max_steps": 3, "gradient_checkpointing": on}
            assert imgdiff.main(["train", write(name, **settings)]) == COMPLETE
        assert losses(tmp_path, "on") == pytest.approx(losses(tmp_path, "off"), rel=1e-4)

    def test_what_a_run_holds_back_validates(self, models, write, tmp_path, capsys):
        held = write_run(tmp_path / "run", drawn_rows(12), validation_fraction=0.3)
        settings = {"model": {"name": str(models["llava"])}, "data": [{"run": str(held)}]}
        settings["trainer"] = {"max_steps": 4, "save_steps": 2}
        assert imgdiff.main(["train", write(**settings)]) == COMPLETE
        assert "eval_loss: " in capsys.readouterr().out
        lines = (tmp_path / "out/mine/curve.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in lines if ",eval_loss," in line] == ["2", "4"]

    def test_bad_rows_are_dropped_and_counted(self, models, data, write, tmp_path, capsys):
        (tmp_path / "3.png").write_bytes(b"")
        records = json.loads(data.read_text())
        records[5]["conversations"][1]["value"] = " ".join(["red"] * 400)
        data.write_text(json.dumps(records))
        settings = {"model": {"name": str(models["llava"])}, "max_length": 200}
        assert imgdiff.main(["train", write(**settings)]) == COMPLETE
        assert "dropped: 2\n" in capsys.readouterr().out
        log = (tmp_path / "out/mine/train.log").read_text()
        assert "dropped: image_empty: 3.png is empty" in log
        assert "dropped: too_long: 5 has" in log

    @pytest.mark.slow
    def test_two_processes_train_together(self, models, write, tmp_path):
        settings = {"adapter": {"rank": 2}, "trainer": {"num_train_epochs": 3.0}}
        recipe = write(model=str(models["llava"]), **settings)
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
        port = ["--master_port=0", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0"]
        command = [*launch, *port, "-m", "imgdiff", "train", recipe]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert ended.returncode == COMPLETE, ended.stderr
        assert ended.stdout.count("steps: 9\n") == 1  # 12 examples, 2 in each process, 3 epochs
        assert list(losses(tmp_path, "mine")) == list(range(1, 10))
        assert (tmp_path / "out/mine/model/model.safetensors").exists()

    def test_no_row_can_be_used(self, models, write, capsys):
        settings = {"model": {"name": str(models["llava"])}, "max_length": 16}
        assert imgdiff.main(["train", write(**settings)]) == STOPPED
        assert "no example can be used; train.log says why" in capsys.readouterr().err

    def test_an_unknown_layer_is_refused(self, models, write, capsys):
        settings = {"model": {"name": str(models["llava"])}}
        settings["adapter"] = {"target_modules": ["c_attn"]}
        assert imgdiff.main(["train", write(**settings)]) == REFUSED
        error = capsys.readouterr().err
        assert "adapter.target_modules: no such layer. There are down_proj, gate_proj" in error

    def test_a_package_that_is_missing_is_installed_from_the_checkout(
        self, models, write, monkeypatch, capsys
    ):
        monkeypatch.setitem(sys.modules, "peft", None)
        settings = {"model": {"name": str(models["llava"])}, "adapter": {"rank": 2}}
        assert imgdiff.main(["train", write(**settings)]) == REFUSED
        way_out = "In the checkout of imgdiff: pip install -e '.[train]'"
        assert capsys.readouterr().err.endswith(f"peft is missing. {way_out}\n")

    def test_a_model_that_half_precision_would_break(self, models, write, capsys):
        for dtype, text in {"float16": "overflows", "bfloat16": "needs trainer.bf16"}.items():
            model = {"name": str(models["llava"]), "dtype": dtype}
            assert imgdiff.main(["check", write(model=model)]) == REFUSED
            assert (
                f"model: {'dtype ' * (dtype == 'bfloat16')}{dtype} {text}"
                in capsys.readouterr().err
            )
