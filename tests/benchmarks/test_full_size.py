"""The benchmark of full-size recipes: its shapes, its arithmetic, its meters; and the whole of it
on small models."""

import json
import sys

import full_size
import pytest
import torch
import torch.nn.functional as F
from full_size_parts import checkpoints, process
from full_size_parts.compiling import compiling
from full_size_parts.decoding import decoding, sdxl_vae
from full_size_parts.meters import PeakMemory, TokenMeter, counted, matmul_rate
from full_size_parts.phases import ROOT, Setup, models
from full_size_parts.process import Job
from full_size_parts.shapes import SMALL, TRUE, qwen
from memory_plan_parts.counting import work_of
from memory_plan_parts.facts import GIB
from memory_plan_parts.facts import models as known
from miniatures import sdxl
from safetensors.torch import load_file

from imgdiff.editing.costs import coding_bytes
from imgdiff.models.zoo import Checkpoint
from imgdiff.recipe.check import check
from imgdiff.toyland.tokenizer import clip_tokenizer

MIB = 1 << 20


@pytest.mark.parametrize("name", TRUE)
def test_the_true_shapes_are_those_of_the_models(name):
    parts = TRUE[name].parts(TRUE[name].layers)
    count = sum(each.numel() for model in parts.values() for each in model.parameters())
    assert count / 1e9 == pytest.approx(known()[name].parameters, abs=6e-4)
    if name == full_size.DIFFUSION:
        assert sum(each.numel() for each in parts["unet"].parameters()) == 2_567_463_684


def test_every_model_of_the_recipe_has_a_shape_of_both_sizes():
    named = {model.name for model in check(full_size.RECIPE).models.values()}
    assert named == set(TRUE) == set(SMALL)
    assert all(TRUE[name].family == SMALL[name].family for name in TRUE)


class TestRandomWeights:
    @pytest.fixture
    def shapes(self):
        like = {"a.weight": (3, 40), "norm.weight": (7,), "a.bias": (3,), "scale": ()}
        made = {name: torch.empty(shape, device="meta") for name, shape in like.items()}
        return made | {"places": torch.empty(1, 5, device="meta", dtype=torch.int64)}

    def test_they_are_read_by_the_library(self, shapes, tmp_path, monkeypatch):
        monkeypatch.setattr(checkpoints, "BLOCK", 16)  # so that a weight is longer
        checkpoints.write_random(shapes, tmp_path / "some.safetensors")
        read = load_file(tmp_path / "some.safetensors")
        assert {name: each.shape for name, each in read.items()} == {
            name: each.shape for name, each in shapes.items()
        }
        assert read["a.weight"].dtype == torch.bfloat16
        assert read["norm.weight"].tolist() == [1] * 7
        assert read["a.bias"].tolist() == [0] * 3
        assert read["places"].tolist() == [[0, 1, 2, 3, 4]]

    def test_what_goes_through_them_keeps_its_size(self, tmp_path):
        wide = {"a.weight": torch.empty(2000, 1000, device="meta")}
        checkpoints.write_random(wide, tmp_path / "some.safetensors")
        weight = load_file(tmp_path / "some.safetensors")["a.weight"].float()
        assert (weight @ torch.randn(1000)).std() == pytest.approx(1, abs=0.1)

    def test_a_model_that_is_there_is_not_written_again(self, tmp_path):
        for _ in range(2):
            count = checkpoints.checkpoint(
                SMALL["Qwen/Qwen2.5-7B-Instruct"], 1, tmp_path, ["a dog"]
            )
            times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert count == sum(
            each.numel() for each in load_file(tmp_path / "model.safetensors").values()
        )
        assert all(path.stat().st_mtime_ns == time for path, time in times.items())

    def test_a_recipe_with_another_model_is_refused(self, tmp_path):
        setup = Setup(ROOT / "recipes" / "sdxl" / "paper.yaml", "cpu", tmp_path, SMALL, 2, 1)
        told = "the shape of llava-hf/llava-v1.6-vicuna-13b-hf is not known"
        with pytest.raises(SystemExit, match=told):
            models(setup)


class TestMeters:
    def test_the_peak_is_what_was_there_since_the_reset(self):
        peak = PeakMemory("cpu")
        peak.reset()
        before = peak.read()
        torch.ones(64 * MIB // 4)
        assert 60 * MIB < peak.read() - before < 100 * MIB
        peak.reset()
        assert peak.read() < before + 30 * MIB

    def test_arithmetic_by_hand(self):
        """Of a linear layer, a convolution, and fused attention."""
        found = {}
        with torch.inference_mode(), counted(found):
            F.linear(torch.ones(10, 20), torch.ones(30, 20))
            F.conv2d(torch.ones(1, 2, 8, 8), torch.ones(4, 2, 3, 3), padding=1)
            F.scaled_dot_product_attention(*(torch.ones(1, 2, 16, 8) for _ in range(3)))
        by_hand = 2 * 10 * 20 * 30 + 2 * 8 * 8 * 2 * 4 * 9 + 2 * 2 * 2 * 16 * 16 * 8
        assert found["tflop"] * 1e12 == by_hand

    def test_tokens_that_a_language_model_reads_and_writes(self):
        (meta,) = qwen(1, 64, 64, 4, 100).values()
        model = type(meta)(meta.config).eval()
        meter = TokenMeter("cpu")
        with meter.installed():
            model.generate(
                input_ids=torch.ones(2, 5, dtype=torch.long), min_new_tokens=3, max_new_tokens=3
            )
        assert (meter.read, meter.written) == (10, 6)
        assert meter.seconds > 0
        model.generate(input_ids=torch.ones(1, 5, dtype=torch.long), max_new_tokens=1)
        assert meter.read == 10

    def test_the_rate_of_a_product_of_matrices(self):
        assert 1e-4 < matmul_rate("cpu", side=256) < 1e3


def test_figures_of_a_phase_by_hand():
    found = {"name": "draw", "peak": 3 * GIB, "alone": 2 * GIB, "rows": 4, "tflop": 8.0}
    found |= {"seconds": {"a": 1.0, "b": 3.0}, "read": 100, "written": 20, "answering": 2.0}
    loaded = [(Checkpoint(name="a", dtype=dtype), GIB) for dtype in ("float32", "float16")]
    assert full_size.of_phase(found, loaded, rate=10.0) == {
        "draw_weights_gib": 6.0,
        "draw_together_gib": 3.0,
        "draw_alone_gib": 2.0,
        "draw_memory_ratio": 1.5,
        "draw_pair_s": 1.0,
        "draw_pair_tflop": 2.0,
        "draw_share_of_matmul": 0.2,
        "draw_tokens_read_per_s": 50.0,
        "draw_tokens_written_per_s": 10.0,
    }


@pytest.mark.parametrize(("ratio", "verdict"), [(1.05, "met"), (1.2, "MISSED")])
def test_the_table_and_the_verdict(ratio, verdict, monkeypatch, tmp_path, capsys):
    names = [phase.name for phase in check(full_size.RECIPE).phases if phase.loaded_roles]
    found = {"alone": GIB, "rows": 1, "tflop": 2.0, "read": 0, "written": 0, "answering": 0.0}
    measured = [
        found | {"name": name, "peak": ratio * GIB, "seconds": {"a": 1.0}} for name in names
    ]
    made = {role: (Checkpoint(name=role), 7) for role in check(full_size.RECIPE).models}
    monkeypatch.setattr(full_size, "models", lambda setup: made)
    monkeypatch.setattr(full_size, "measure", lambda *_: measured)
    monkeypatch.setattr(full_size, "matmul_rate", lambda device: 4.0)
    command = ["full_size.py", "--only", "phases", "--json", str(tmp_path / "figures.json")]
    monkeypatch.setattr(sys, "argv", command)
    full_size.main()
    assert f"at most {ratio:.3f} of what a phase alone needs; bar 1.1: {verdict}" in (
        capsys.readouterr().out
    )
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["memory_ratio_most"] == pytest.approx(ratio)
    assert figures["image_pairs_share_of_matmul"] == 0.5


class TestProcess:
    """On operators without models."""

    @pytest.fixture
    def job(self, project):
        project.write_recipe(process=[*project.settings["process"], "light_conversation_mapper"])
        return lambda **more: Job("mine.yaml", (), {}, "cpu", **more)

    def test_a_run_that_stops_after_a_phase_goes_on_with_the_next(self, job, project):
        phases = [phase.name for phase in check("mine.yaml").phases]
        assert len(phases) > 1
        for number, name in enumerate(phases):
            found = process.do(job(until=name))
            assert [each["name"] for each in found["phases"]] == phases[: number + 1]
            rows = [each["rows"] for each in found["phases"]]
            assert rows[:-1] == [0] * number  # what is stored is not done again
            assert rows[-1] > 0
            assert all(each["peak"] > 0 for each in found["phases"])
        assert (project.run_path / "report.json").exists()

    def test_a_whole_run_says_how_it_ended(self, job):
        found = process.do(job())
        assert (found["ended"], found["failed"]) == ("whole", 0)


class TestDecoding:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("side", [512, 1024])
    def test_the_estimate_is_what_is_counted_in_the_true_shape(self, dtype, side):
        vae = sdxl_vae().to(dtype)
        like = {"device": "meta", "dtype": dtype}
        latents = torch.empty(1, 4, side // 8, side // 8, **like)
        picture = torch.empty(1, 3, side, side, **like)
        decoded = work_of(vae, lambda: vae.decode(latents)).gib
        encoded = work_of(vae, lambda: vae.encode(picture)).gib
        estimated = coding_bytes(vae, side**2) / GIB
        assert 0.9 * decoded < estimated < 1.2 * decoded
        assert encoded < estimated

    def test_figures(self):
        found = decoding("cpu", 64, SMALL[full_size.DIFFUSION].parts(0)["vae"])
        assert found["decode_counted_gib"] < found["estimated_gib"]
        assert found["decode_float32_whole_gib"] >= 0


@pytest.mark.slow
def test_a_compiled_unet_beside_itself():
    tokenizer = clip_tokenizer()
    found = compiling(sdxl(tokenizer), side=32, steps=2, backend="eager")
    assert found["compile_difference"] < 1e-3
    assert found["compile_speedup"] > 0
    assert "compile_warm_up_s" in found


@pytest.mark.slow
def test_the_whole_of_it_on_small_models(monkeypatch, tmp_path, capsys):
    figures = tmp_path / "figures.json"
    command = ["full_size.py", "--quick", "--json", str(figures), "--only", "phases", "decoding"]
    monkeypatch.setattr(sys, "argv", command)
    full_size.main()
    found = json.loads(figures.read_text())
    assert found["memory_ratio_most"] <= full_size.BAR
    for phase in ("caption_pairs", "image_pairs", "difference_area", "difference_captions"):
        assert found[f"{phase}_pair_tflop"] > 0
        assert found[f"{phase}_weights_gib"] < found[f"{phase}_alone_gib"]
    assert found["difference_captions_tokens_written_per_s"] > 0
    assert "bar 1.1: met" in capsys.readouterr().out
