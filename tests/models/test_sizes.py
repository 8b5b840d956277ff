"""How large a model is, from its files alone; and what must not run without a GPU."""

import json

import pytest
import torch
from hub_server import Listed, Repo
from recordings_folder import recorded_json

from imgdiff.errors import StoppedError
from imgdiff.models.loading import device_of
from imgdiff.models.sizes import GIB, ModelSize, in_words, loaded_files, needs_gpu, size_of
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint

SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")
INDEX = {"_class_name": "StableDiffusionXLPipeline"} | {part: ["a", "B"] for part in PARTS}


def repository():
    """Names of files as SDXL's repository has them (recorded: main of 2023-10-30)."""
    names = {"sd_xl_base_1.0.safetensors", "model_index.json", "vae_1_0/model.safetensors"}
    for part in PARTS:
        stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
        names |= {f"{part}/{stem}.safetensors", f"{part}/{stem}.fp16.safetensors"}
        names |= {f"{part}/config.json", f"{part}/model.onnx"}
    return names


class TestLoadedFiles:
    def test_a_pipeline_loads_its_components_alone(self):
        loaded = loaded_files(repository(), INDEX, "float32")
        assert [name.split("/")[0] for name in loaded] == list(PARTS)
        assert not any("fp16" in name for name in loaded)

    def test_files_of_half_the_size_for_float16_alone(self):
        halves = loaded_files(repository(), INDEX, "float16")
        assert len(halves) == 4
        assert all(name.endswith(".fp16.safetensors") for name in halves)
        assert loaded_files(repository(), INDEX, "bfloat16") == loaded_files(
            repository(), INDEX, "float32"
        )

    def test_a_model_in_several_files(self):
        files = {f"model-0000{k}-of-00002.safetensors" for k in (1, 2)}
        others = {"config.json", "model.fp16.safetensors", "onnx/model.safetensors"}
        assert loaded_files(files | others, {"model_type": "llava"}, "float32") == sorted(files)

    def test_the_real_listing(self):
        listing = recorded_json(SDXL, "listing.json")
        sizes = {each["path"]: each["size"] for each in listing["files"]}
        index = recorded_json(SDXL, "model_index.json")
        halves = sum(sizes[name] for name in loaded_files(set(sizes), index, "float16"))
        whole = sum(sizes[name] for name in loaded_files(set(sizes), index, "float32"))
        assert halves == pytest.approx(6.94e9, rel=0.01)
        assert whole == pytest.approx(13.88e9, rel=0.01)


def test_of_a_folder_its_numbers_are_counted():
    folder = EMBEDDED_WEIGHTS / "clip"
    size = size_of(Checkpoint(name=str(folder)))
    assert size.to_download == 0
    assert size.files == (folder / "model.safetensors").stat().st_size
    assert size.memory == pytest.approx(2 * size.files, rel=0.01)  # float16 there, float32 here
    half = size_of(Checkpoint(name=str(folder), dtype="float16"))
    assert half.memory == size.memory // 2


@pytest.mark.parametrize(
    ("stored", "wanted", "gib"), [("bfloat16", "float32", 2), ("float32", "float16", 0.5)]
)
def test_of_the_hub_its_listing_tells(model_hub, stored, wanted, gib):
    repo = model_hub.repos["a/b"] = Repo(public=True)
    config = json.dumps({"model_type": "llava", "dtype": stored}).encode()
    repo.commit({"config.json": config, "model.safetensors": Listed(GIB)})
    size = size_of(Checkpoint(name="a/b", dtype=wanted))
    assert size == ModelSize(GIB, GIB, int(gib * GIB))


def test_what_a_pipeline_has_from_elsewhere(model_hub):
    """A UNet takes the place of the pipeline's own, a LoRA comes beside it."""
    sizes = {"unet": 4 * GIB, "vae": GIB}
    files = {f"{part}/model.safetensors": Listed(size) for part, size in sizes.items()}
    for name, content in (
        ("a/sdxl", files | {"model_index.json": json.dumps(INDEX).encode()}),
        ("a/fast", {"unet.safetensors": Listed(2 * GIB), "lora.safetensors": Listed(GIB // 2)}),
    ):
        model_hub.repos[name] = Repo(public=True)
        model_hub.repos[name].commit(content)
    lora, unet = ({"name": "a/fast", "file": f"{part}.safetensors"} for part in ("lora", "unet"))

    def stored(**parts):
        size = size_of(Checkpoint(name="a/sdxl", dtype="float16", **parts))
        assert size.memory == 5 * GIB // 2
        assert size.files == size.to_download
        return size.files

    assert stored() == 5 * GIB
    assert stored(unet=unet) == 3 * GIB
    assert stored(lora=lora) == 5.5 * GIB


@pytest.mark.parametrize(
    ("size", "words"), [(33 << 20, "33 MiB"), (2.44 * GIB, "2.4 GiB"), (16.3 * GIB, "16 GiB")]
)
def test_memory_in_words(size, words):
    assert in_words(size) == words


class TestWithoutGpu:
    LARGE = ModelSize(16 * GIB, 0, 16 * GIB)

    def test_a_large_model_needs_one(self):
        said = needs_gpu(Checkpoint(name="a/b"), self.LARGE)
        assert said.startswith("a/b has 16 GiB of weights, and there is no GPU.")
        assert said.endswith("write device: cpu")

    def test_unless_the_recipe_says_otherwise_or_it_is_small(self):
        assert needs_gpu(Checkpoint(name="a/b", device="cpu"), self.LARGE) is None
        assert needs_gpu(Checkpoint(name="a/b"), ModelSize(GIB, 0, GIB)) is None

    def test_it_is_not_loaded(self, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("imgdiff.models.loading.size_of", lambda checkpoint: self.LARGE)
        with pytest.raises(StoppedError, match="there is no GPU"):
            device_of(Checkpoint(name="a/b"))
        assert device_of(Checkpoint(name="a/b", device="cpu")) == torch.device("cpu")
