"""The diffusion role: which pipelines it takes, and what a recipe exchanges in them."""

import json
import re
from unittest.mock import MagicMock

import pytest
import torch
from diffusers import AutoencoderKL, LCMScheduler
from hub_server import Listed, Repo
from miniatures import save_sdxl, sdxl
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from recordings_folder import origin, recorded, recorded_json
from safetensors.torch import save_file

from imgdiff import cli, run
from imgdiff.editing.decoding import decode
from imgdiff.editing.edits import EditSource
from imgdiff.editing.prompt_to_prompt import draw_edits
from imgdiff.errors import RefusedError
from imgdiff.models import pipeline_parts
from imgdiff.models.families.sdxl import StableDiffusionXl
from imgdiff.models.families.sdxl_parts import compile_unet
from imgdiff.models.kinds import family_of, problem
from imgdiff.models.zoo import Checkpoint, bind
from imgdiff.toyland.tokenizer import clip_tokenizer

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
DRAW = [{"sdxl_text2image_mapper": {"side": 64, "num_inference_steps": 1}}]
LIGHTNING = "lightning_4step_unet.safetensors"


def miniature(**unet_settings):
    tokenizer = clip_tokenizer()
    tokenizer.model_max_length = 77
    return sdxl(tokenizer, **unet_settings)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a miniature of SDXL."""
    folder = tmp_path_factory.mktemp("sdxl")
    save_sdxl(folder)
    return folder


@pytest.fixture(scope="module")
def other(base):
    """A pipeline whose UNet has other weights."""
    pipeline = miniature()
    with torch.no_grad():
        torch.manual_seed(1)
        for weight in pipeline.unet.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return pipeline


def load(base, **settings):
    bound = bind({"diffusion": {"name": str(base), "device": "cpu", **settings}})["diffusion"]
    return StableDiffusionXl.load(bound).pipeline


def drawn(pipeline):
    return draw_edits(pipeline, [EditSource("a red car", seed=1)], 2, 4.0, side=32)[0]


class TestWhichPipelines:
    @pytest.mark.parametrize("name", [SDXL, "stabilityai/sdxl-turbo"])
    def test_any_of_sdxl(self, name):
        assert origin(name, "model_index.json") == "recorded"
        checkpoint = Checkpoint(name=str(recorded(name, "model_index.json")))
        assert family_of("diffusion", checkpoint).name == "sdxl"

    @pytest.mark.parametrize(
        ("name", "kind", "mark"),
        [
            (
                "timbrooks/instruct-pix2pix",
                "StableDiffusionInstructPix2PixPipeline",
                "recorded",
            ),
            ("black-forest-labs/FLUX.1-Kontext-dev", "FluxKontextPipeline", "reconstructed"),
            ("black-forest-labs/FLUX.2-klein-4B", "Flux2KleinPipeline", "reconstructed"),
            ("Qwen/Qwen-Image-Edit-2509", "QwenImageEditPlusPipeline", "reconstructed"),
        ],
    )
    def test_other_pipelines_are_refused_before_weights_are_read(
        self, project, capsys, name, kind, mark
    ):
        assert origin(name, "model_index.json") == mark
        index = recorded_json(name, "model_index.json")
        (project.folder / "model").mkdir()
        (project.folder / "model" / "model_index.json").write_text(json.dumps(index))
        (project.folder / "model" / "unet.safetensors").write_bytes(b"weights that cannot be read")
        project.write_recipe(process=DRAW, models={"diffusion": "./model"})
        takes = "but diffusion takes StableDiffusionXLPipeline"
        for command in (["check", "mine.yaml"], ["run", "mine.yaml"]):
            assert cli.main(command) == run.REFUSED
            assert f"./model is of the kind {kind}, {takes}" in capsys.readouterr().err


class TestExchanged:
    """SDXL-Lightning and LCM are published as a UNet or a LoRA for SDXL."""

    def test_a_file_with_a_unet(self, base, other, tmp_path):
        save_file(other.unet.state_dict(), tmp_path / LIGHTNING)
        expected = drawn(other)
        by_path = load(base, unet=str(tmp_path / LIGHTNING))
        by_file = load(base, unet={"name": str(tmp_path), "file": LIGHTNING})
        for pipeline in (by_path, by_file):
            assert abs(drawn(pipeline) - expected).max() < 1e-5
        assert abs(drawn(load(base)) - expected).max() > 1e-3

    def test_a_whole_unet_that_reads_the_guidance(self, base, tmp_path):
        unet = miniature(time_cond_proj_dim=8).unet
        unet.save_pretrained(tmp_path)
        pipeline = load(base, unet=str(tmp_path), scheduler="LCMScheduler")
        expected = load(base)
        expected.unet = unet
        expected.scheduler = LCMScheduler.from_config(expected.scheduler.config)
        assert abs(drawn(pipeline) - drawn(expected)).max() < 1e-5

    def test_a_lora_is_fused(self, base, tmp_path):
        tuned = miniature()
        added = {"r": 2, "lora_alpha": 2, "target_modules": ["to_q", "to_v"]}
        tuned.unet.add_adapter(LoraConfig(**added, init_lora_weights=False))
        layers = get_peft_model_state_dict(tuned.unet)
        tuned.save_lora_weights(tmp_path, unet_lora_layers=layers)
        (file,) = tmp_path.iterdir()
        pipeline = load(base, lora={"name": str(tmp_path), "file": file.name})
        assert not any("lora" in name for name, _ in pipeline.unet.named_parameters())
        assert abs(drawn(pipeline) - drawn(load(base))).max() > 1e-3
        assert abs(drawn(pipeline) - drawn(tuned)).max() < 1e-3

    def test_a_scheduler_keeps_what_is_not_said(self, base):
        said = {"name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}
        scheduler = load(base, scheduler=said).scheduler
        assert type(scheduler).__name__ == "EulerDiscreteScheduler"
        assert scheduler.config.timestep_spacing == "trailing"
        assert scheduler.config.prediction_type == "v_prediction"  # the miniature's

    def test_every_scheduler_draws(self, base):
        names = pipeline_parts.SchedulerName.__args__
        for name in names:
            assert drawn(load(base, scheduler=name)).shape == (1, 32, 32, 3), name

    @pytest.mark.parametrize("change", ["shape", "name"])
    def test_weights_of_another_unet(self, base, other, tmp_path, change):
        weights = dict(other.unet.state_dict())
        if change == "name":
            weights["strange"] = weights.pop("conv_in.bias")
        else:
            weights["conv_in.bias"] = torch.zeros(3)
        save_file(weights, tmp_path / LIGHTNING)
        with pytest.raises(RefusedError, match=rf"{LIGHTNING} of .* does not fit the UNet of "):
            load(base, unet=str(tmp_path / LIGHTNING))

    @pytest.mark.parametrize("name", ["lora_of_nothing.lora_A.weight", "weight"])
    def test_a_lora_of_something_else(self, base, tmp_path, name):
        save_file({name: torch.zeros(2, 2)}, tmp_path / "lora.safetensors")
        with pytest.raises(RefusedError, match=r"lora\.safetensors of .* (no LoRA|holds no LoRA)"):
            load(base, lora=str(tmp_path / "lora.safetensors"))

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"unet": "./none.safetensors"}, "unet: no such file: none.safetensors"),
            ({"unet": "none"}, "unet: none is neither a file, a folder nor a Hub name"),
            ({"unet": {"name": "a/b", "file": "unet.ckpt"}}, "unet: unet.ckpt is no .safetensors"),
            ({"lora": "a/b"}, "lora: say which file of it, as file:"),
        ],
    )
    def test_mistakes(self, base, settings, said):
        bound = bind({"diffusion": {"name": str(base), **settings}})["diffusion"]
        assert said in problem("diffusion", bound)

    @pytest.mark.parametrize(
        ("role", "settings", "said"),
        [
            ("diffusion", {"scheduler": "FastScheduler"}, "scheduler.name: Input should be 'DDIM"),
            (
                "diffusion",
                {"scheduler": {"name": "LCMScheduler", "timestep_spacing": "even"}},
                "diffusion.scheduler.timestep_spacing: Input should be 'leading', ",
            ),
            ("clip", {"scheduler": "LCMScheduler"}, "clip.scheduler: a setting of diffusion alone"),
            ("mllm", {"compile": True}, "mllm.compile: a setting of diffusion alone"),
        ],
    )
    def test_settings_that_are_refused(self, role, settings, said):
        with pytest.raises(ValueError, match=re.escape(said)):
            bind({role: {"name": "a/b", **settings}})

    def test_a_lora_needs_peft(self, base, tmp_path, monkeypatch):
        save_file({"weight": torch.zeros(1)}, tmp_path / "lora.safetensors")
        bound = Checkpoint(name=str(base), lora={"name": str(tmp_path / "lora.safetensors")})
        assert problem("diffusion", bound) is None
        monkeypatch.setattr("imgdiff.models.kinds._installed", lambda name: None)
        needed = f"{base} (family sdxl) needs peft >= 0.18, which is not installed"
        assert problem("diffusion", bound) == f"{needed}. Install it with pip."

    def test_the_fingerprint_tells_all_of_it(self, base, other, tmp_path):
        save_file(other.unet.state_dict(), tmp_path / LIGHTNING)
        bound = [
            {},
            {"unet": {"name": str(tmp_path / LIGHTNING)}},
            {"unet": {"name": "a/b", "file": LIGHTNING}},
            {"lora": {"name": "a/b", "file": LIGHTNING}},
            {"scheduler": {"name": "LCMScheduler"}},
            {"scheduler": {"name": "LCMScheduler", "timestep_spacing": "trailing"}},
        ]
        prints = [Checkpoint(name=str(base), **settings).fingerprint() for settings in bound]
        assert len(set(prints)) == len(prints)
        assert prints[0] == Checkpoint(name=str(base), compile=True).fingerprint()


class TestOnTheHub:
    """A UNet of the Hub, through whole runs."""

    @pytest.fixture
    def hub(self, model_hub, other, tmp_path):
        save_file(other.unet.state_dict(), tmp_path / LIGHTNING)
        model_hub.repos["owner/lightning"] = Repo(public=True)
        files = {LIGHTNING: (tmp_path / LIGHTNING).read_bytes()}
        self.commit = model_hub.repos["owner/lightning"].commit(files)
        return model_hub

    @pytest.fixture
    def start(self, project, base):
        def begin(file=LIGHTNING, *arguments):
            unet = {"name": "owner/lightning", "file": file}
            scheduler = {"name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}
            bound = {"name": str(base), "unet": unet, "scheduler": scheduler}
            project.write_recipe(process=DRAW, models={"diffusion": bound}, limit=1)
            return run.main(["mine.yaml", *arguments])

        return begin

    def test_the_commit_is_recorded_and_kept(self, hub, start, project):
        assert start() == run.COMPLETE
        models = project.open().info.models
        assert models["diffusion.unet"].revision == self.commit
        assert models["diffusion.unet"].name == "owner/lightning"
        (row,) = project.rows()
        assert row.ok
        hub.repos["owner/lightning"].commit({"another.safetensors": b"later"})
        hub.asked.clear()
        assert start() == run.COMPLETE
        assert project.open().info.models["diffusion.unet"].revision == self.commit
        assert hub.asked == []

    def test_another_file_is_looked_up_again(self, hub, start, project):
        start()
        files = hub.files("owner/lightning")
        later = hub.repos["owner/lightning"].commit({"2step.safetensors": files[LIGHTNING]})
        assert start("2step.safetensors") == run.COMPLETE
        assert project.open().info.models["diffusion.unet"].revision == later

    def test_a_file_that_is_not_there(self, hub, start, capsys):
        assert start("none.safetensors") == run.REFUSED
        expected = f"owner/lightning at {self.commit} has no none.safetensors; it has {LIGHTNING}"
        assert expected in capsys.readouterr().err
        assert cli.main(["check", "mine.yaml"]) == run.REFUSED
        assert expected in capsys.readouterr().err


class TestFilesOfHalfTheSize:
    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_a_folder_that_has_no_others(self, base, tmp_path, dtype):
        load(base, dtype="float16").save_pretrained(tmp_path, variant="fp16")
        assert load(tmp_path, dtype=dtype).unet.dtype == getattr(torch, dtype)

    def test_bfloat16_says_how_much_it_downloads(self, model_hub, caplog, monkeypatch):
        monkeypatch.setattr("diffusers.StableDiffusionXLPipeline.from_pretrained", MagicMock())
        index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "A"]}
        files = {
            "model_index.json": json.dumps(index).encode(),
            "unet/diffusion_pytorch_model.safetensors": Listed(3_000_000_000),
            "unet/diffusion_pytorch_model.fp16.safetensors": Listed(1_500_000_000),
        }
        model_hub.repos["owner/sdxl"] = Repo(public=True)
        model_hub.repos["owner/sdxl"].commit(files)
        for dtype in ("float16", "bfloat16"):
            load("owner/sdxl", dtype=dtype)
        expected = "owner/sdxl: 3.0 GB to download for bfloat16; dtype: float16 would take 1.5 GB"
        assert [record.getMessage() for record in caplog.records] == [expected]


def test_the_autoencoder_of_sdxl_gives_no_nan_in_float16(base):
    """Its config, cut down; with weights so large that float16 overflows."""
    assert origin(SDXL, "vae/config.json") == "recorded"
    config = recorded_json(SDXL, "vae/config.json")
    small = {"block_out_channels": (4, 8, 8, 8), "norm_num_groups": 2, "layers_per_block": 1}
    vae = AutoencoderKL.from_config(config | small)
    with torch.no_grad():
        vae.decoder.conv_in.weight.mul_(1e5)
    pipeline = load(base, dtype="float16")
    pipeline.vae = vae.to(torch.float16)
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    assert not vae.decode(latents * 100).sample.isfinite().all()
    assert decode(pipeline, latents * 100).isfinite().all()
    assert vae.dtype == torch.float16


@pytest.mark.slow
def test_a_compiled_unet_draws_the_same_and_is_compiled_once(base):
    """By the compiler's front half: to make machine code of it takes a minute."""
    pipeline = load(base)
    expected = drawn(pipeline)
    compile_unet(pipeline.unet, backend="aot_eager")
    compiled = []
    for _ in range(3):
        assert abs(drawn(pipeline) - expected).max() < 1e-3
        compiled.append(torch._dynamo.utils.counters["frames"]["total"])
    assert compiled[0] > 0
    assert compiled[1] == compiled[2]
