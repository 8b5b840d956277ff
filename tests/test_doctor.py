"""`imgdiff doctor`: what a recipe needs of a machine, told before anything is loaded."""

import json
import socket
import sys
from importlib import metadata

import pytest
from chat_server import Server
from hub_server import Listed, Repo

from imgdiff import run
from imgdiff.cli import main
from imgdiff.errors import COMPLETE, REFUSED
from imgdiff.models.sizes import GIB

SMI = """#!/bin/sh
echo "0, NVIDIA L4, {total}, {free}"
"""


@pytest.fixture(autouse=True)
def disk(monkeypatch):
    """Has so many GB free; at first plenty."""

    def put(gigabytes):
        monkeypatch.setattr("imgdiff.doctor.examination._free", lambda _: gigabytes * 10**9)

    put(1000)
    return put


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A driver that knows one GPU of so many GiB; 0: no driver."""

    def put(total, free=None):
        if not total:
            monkeypatch.setenv("PATH", str(tmp_path))
            return
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir(exist_ok=True)
        free = total if free is None else free
        tool.write_text(SMI.format(total=int(total * 1024), free=int(free * 1024)))
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return put


@pytest.fixture
def bound(project, model_hub):
    """A recipe whose MLLM is a model of the Hub with weights of so many GiB."""

    def bind(gib=16, kind="llava", **binding):
        repo = model_hub.repos["a/large"] = Repo(public=True)
        config = json.dumps({"model_type": kind, "dtype": "float16"}).encode()
        weights = Listed(int(gib * GIB))
        repo.commit({"config.json": config, "model.safetensors": weights})
        model = {"name": "a/large", "dtype": "float16"} | binding
        process = [*project.settings["process"], "region_caption_mapper"]
        project.write_recipe(process=process, models={"mllm": model})

    return bind


def doctor(capsys, *overrides):
    code = main(["doctor", "mine.yaml", *overrides])
    return code, capsys.readouterr().out


def test_a_model_that_fits(bound, gpu, capsys):
    bound()
    gpu(24)
    code, said = doctor(capsys)
    assert code == COMPLETE
    assert "mllm: a/large: family " in said
    assert "16 GiB in float16, 17.2 GB to download, licence unknown" in said
    assert "NVIDIA L4 with 24 GiB" in said
    assert "difference_captions: 16 GiB of weights and about 2.5 GiB for work: fits" in said
    assert said.endswith("mine.yaml: fine\n")


@pytest.fixture
def edgetam(project, model_hub, monkeypatch):
    """A recipe whose segmenter is of a family that needs timm; installed is its version."""
    repo = model_hub.repos["a/small"] = Repo(public=True)
    config = json.dumps({"model_type": "edgetam"}).encode()
    repo.commit({"config.json": config, "model.safetensors": Listed(int(0.1 * GIB))})
    process = [project.settings["process"][0], "light_image_mapper", "image_segment_mapper"]
    project.write_recipe(process=process, models={"segmenter": "a/small"})
    real = metadata.version

    def install(timm):
        monkeypatch.setattr(
            metadata, "version", lambda name: timm if name == "timm" else real(name)
        )

    return install


def test_what_a_family_needs_is_named(edgetam, gpu, capsys):
    edgetam("1.0.24")
    gpu(24)
    code, said = doctor(capsys)
    assert code == COMPLETE, said
    assert "segmenter: a/small: family edgetam (needs timm >= 1.0.23), " in said
    assert main(["check", "mine.yaml"]) == COMPLETE
    assert "segmenter needs timm >= 1.0.23" in capsys.readouterr().out


def test_what_a_family_lacks_is_named(edgetam, gpu, capsys):
    edgetam("1.0.22")
    gpu(24)
    lacks = "a/small (family edgetam) needs timm >= 1.0.23, but 1.0.22 is installed"
    code, said = doctor(capsys)
    assert code == REFUSED
    assert f"wrong: segmenter: a/small: {lacks}. Install it with pip." in said
    assert main(["check", "mine.yaml"]) == REFUSED
    assert lacks in capsys.readouterr().err


def test_ray_is_only_missed_where_it_is_used(project, gpu, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    real = metadata.version

    def found(name):
        if name == "ray":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", found)
    gpu(0)
    assert doctor(capsys)[0] == COMPLETE
    code, said = doctor(capsys, "executor_type=ray")
    assert code == REFUSED
    assert "wrong: ray is not installed" in said
    assert run.main(["mine.yaml", "executor_type=ray"]) == REFUSED
    way_out = "In the checkout of imgdiff: pip install -e '.[ray]'"
    assert f"ray is missing. {way_out}" in capsys.readouterr().err
    assert not project.run_path.exists()


@pytest.mark.parametrize(
    ("total", "told", "code"),
    [
        (20, "for work: tight on NVIDIA L4", COMPLETE),
        (15, "for work, more than NVIDIA L4 has", REFUSED),
    ],
)
def test_a_gpu_that_is_small(bound, gpu, capsys, total, told, code):
    bound()
    gpu(total)
    found, said = doctor(capsys)
    assert found == code
    assert told in said


def test_of_a_tokenizer_no_memory_is_planned(project, model_hub, gpu, capsys):
    """What edits captions counts the diffusion model's tokens."""
    repo = model_hub.repos["a/large"] = Repo(public=True)
    pipeline = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet"]}
    weights = {"unet/diffusion_pytorch_model.safetensors": Listed(int(30 * GIB))}
    repo.commit({"model_index.json": json.dumps(pipeline).encode()} | weights)
    steps = ["caption_edit_mapper", "light_image_mapper"]
    project.write_recipe(process=steps, models={"diffusion": {"name": "a/large"}})
    for total in (24, 0):
        gpu(total)
        code, said = doctor(capsys)
        assert code == COMPLETE
        assert "diffusion: a/large: family sdxl" in said
        assert "of weights and" not in said


@pytest.mark.parametrize("override", ["models.mllm.device=cpu", "executor_type=ray"])
def test_a_small_gpu_is_no_fault_where_the_model_works_elsewhere(bound, gpu, capsys, override):
    bound()
    gpu(8)
    assert doctor(capsys)[0] == REFUSED
    assert doctor(capsys, override)[0] == COMPLETE


@pytest.mark.parametrize(("free", "code"), [(18, COMPLETE), (17, REFUSED)])
def test_a_disk_without_room_for_the_models(bound, gpu, disk, capsys, free, code):
    bound()
    gpu(24)
    disk(free)
    found, said = doctor(capsys)
    assert found == code
    assert f"17.2 GB of models to download, {free}.0 GB free" in said


def test_a_model_in_two_roles_is_counted_once(project, model_hub, gpu, capsys):
    repo = model_hub.repos["a/large"] = Repo(public=True)
    config = json.dumps({"model_type": "siglip", "dtype": "float32"}).encode()
    repo.commit({"config.json": config, "model.safetensors": Listed(4 * GIB)})
    steps = ["light_areas", {"region_text_matching_filter": {"min_itc": 0}}]
    steps += [{"region_difference_filter": {"max_similarity": 1}}]
    process = [*project.settings["process"][:-1], "light_area_mapper", *steps[1:]]
    project.write_recipe(process=process, models={"clip": "a/large", "matcher": "a/large"})
    gpu(24)
    code, said = doctor(capsys)
    assert code == COMPLETE
    assert "difference_area: 4.0 GiB of weights" in said
    assert "4.3 GB of models to download" in said


def test_a_gpu_that_others_use(bound, gpu, capsys):
    bound()
    gpu(24, free=3)
    assert "only 3.0 GiB are free; others use it" in doctor(capsys)[1]


def test_without_a_gpu(bound, capsys, monkeypatch, tmp_path):
    bound()
    monkeypatch.setenv("PATH", str(tmp_path))
    code, said = doctor(capsys)
    assert code == REFUSED
    problem = "a/large has 16 GiB of weights, and there is no GPU. It would take days."
    assert f"wrong: models.mllm: {problem}" in said
    assert run.main(["mine.yaml"]) == REFUSED
    assert f"models.mllm: {problem}" in capsys.readouterr().err
    assert doctor(capsys, "models.mllm.device=cpu")[0] == COMPLETE


def test_the_wrong_kind_and_the_missing_hub(bound, capsys, model_hub):
    bound(kind="vit")
    code, said = doctor(capsys)
    assert code == REFUSED
    assert "wrong: mllm: a/large: a/large is of the kind vit, but mllm takes" in said
    model_hub.before = lambda number: (503, {})
    code, said = doctor(capsys, "models.mllm.name=a/other")
    assert code == REFUSED
    assert "unknown: mllm: a/other: the Hub cannot be reached" in said


def test_a_server_is_asked_one_tiny_question(bound, project, capsys, monkeypatch):
    server = Server()
    monkeypatch.setenv("MY_API_KEY", "secret")
    process = [*project.settings["process"], "region_caption_mapper"]
    endpoint = {"base_url": server.url, "model": "toy", "key_variable": "MY_API_KEY"}
    project.write_recipe(process=process, models={"mllm": endpoint})
    code, said = doctor(capsys)
    server.close()
    assert code == COMPLETE
    assert len(server.asked) == 1
    assert f"mllm: toy at {server.url} answers (MY_API_KEY is sent to 127.0.0.1)" in said
    assert "secret" not in said


def test_a_server_that_is_not_there(project, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    process = [*project.settings["process"], "region_caption_mapper"]
    project.write_recipe(process=process, models={"mllm": {"base_url": url, "model": "toy"}})
    code, said = doctor(capsys)
    assert code == REFUSED
    assert f"wrong: mllm: toy at {url} cannot be reached" in said


def test_the_dataset_is_to_be_pushed_without_a_token(project, capsys, model_hub):
    project.write_recipe(export={"hub_repo": "me/pairs"})
    code, said = doctor(capsys)
    assert code == REFUSED
    assert "export.hub_repo: me/pairs, but there is no token of the Hub" in said
