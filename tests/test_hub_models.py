"""Models of the Hub that were published as pickled weights, through whole runs; the Hub is a local
server that lists files as it does, and holds miniatures."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from hub_server import Repo
from huggingface_hub import constants
from miniatures import SMALL, WIDTH, save_blip, save_clip, sdxl
from recordings_folder import recorded, recorded_json
from transformers import BlipConfig, BlipForImageTextRetrieval, CLIPConfig, CLIPModel

from imgdiff import cli, run
from imgdiff.toyland.tokenizer import clip_tokenizer

RECIPES = Path(__file__).parents[1] / "recipes"
CLIP, BLIP = "openai/clip-vit-base-patch32", "Salesforce/blip-itm-large-coco"
CONVERTED = {
    CLIP: "c237dc49a33fc61debc9276459120b7eac67e7ef",
    BLIP: "c0273606af96037e7a3b2fb0ff4ae9620b517be6",
}
BOT = "SFconvertbot"
WEIGHTS, PICKLED = "model.safetensors", "pytorch_model.bin"
PROCESS = [
    {"light_edit_mapper": {"suffix": "and a cup"}},
    "light_image_mapper",
    {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}},
    "light_area_mapper",
    {"region_text_matching_filter": {"min_itc": -1.0}},
]
ONLY_PICKLED = f"has no safetensors weights (only {PICKLED})"
WAY_OUT = "imgdiff loads no pickled weights. Convert them, or name another model."


@pytest.fixture(scope="module")
def miniatures(tmp_path_factory):
    """Model -> a folder with a small one."""
    folders = {name: tmp_path_factory.mktemp("miniature") for name in CONVERTED}
    save_clip(folders[CLIP])
    save_blip(folders[BLIP])
    return folders


@pytest.fixture
def hub(model_hub, miniatures):
    """A Hub with both: pickled weights on main, safetensors in a pull request of the bot."""
    for name, folder in miniatures.items():
        model_hub.publish(name, folder, CONVERTED[name], BOT, "open")
    return model_hub


def main_of(hub, name):
    return hub.repos[name].commits[-1][0]


@pytest.fixture
def start(project):
    """Runs a recipe on these models, with changes of its settings; gives the exit code."""

    def begin(models=None, *arguments, **changes):
        bound = {"clip": CLIP, "matcher": BLIP} | (models or {})
        project.write_recipe(process=PROCESS, models=bound, limit=8, **changes)
        return run.main(["mine.yaml", *arguments])

    return begin


def revisions(project):
    models = project.open().info.models
    return models["clip"].revision, models["matcher"].revision


def fetched(hub):
    """The weights that were asked for."""
    return {path for path in hub.asked if path.endswith((WEIGHTS, PICKLED))}


def assert_used_both(project):
    """Every row has a score of either model."""
    for row in project.rows():
        assert row.ok
        assert -1 <= row.scores["image_pair_similarity"] <= 1
        assert all(-1 <= region.scores["noun_itc_b"] <= 1 for region in row.regions)
        assert row.regions


@pytest.mark.parametrize("revision", [None, "main", "commit"])
def test_safetensors_of_the_pull_request_are_loaded_and_its_commit_recorded(
    hub, project, start, caplog, revision
):
    wanted = {name: main_of(hub, name) if revision == "commit" else revision for name in CONVERTED}
    code = start(
        {
            "clip": {"name": CLIP, "revision": wanted[CLIP]},
            "matcher": {"name": BLIP, "revision": wanted[BLIP]},
        }
    )
    assert code == run.COMPLETE
    assert revisions(project) == (CONVERTED[CLIP], CONVERTED[BLIP])
    assert_used_both(project)
    assert not any(PICKLED in path for path in fetched(hub))
    said = f"{CLIP} at {wanted[CLIP] or 'main'} {ONLY_PICKLED}: taking those of refs/pr/66, commit "
    assert said + CONVERTED[CLIP] in caplog.text


def test_the_models_as_the_recipes_name_them(hub, project, start):
    named = yaml.safe_load((RECIPES / "sdxl" / "replace.yaml").read_text())["models"]
    assert start({role: named[role] for role in ("clip", "matcher")}) == run.COMPLETE
    assert revisions(project) == (CONVERTED[CLIP], CONVERTED[BLIP])
    assert_used_both(project)
    assert not any("discussions" in path for path in hub.asked)


def test_every_recipe_names_the_commits_that_have_safetensors():
    found = set()
    for path in RECIPES.rglob("*.yaml"):
        settings = yaml.safe_load(path.read_text())
        models = settings.get("models")
        bound = [*(models.values() if isinstance(models, dict) else ()), settings.get("model")]
        for binding in bound:
            name = binding["name"] if isinstance(binding, dict) else binding
            if name in CONVERTED:
                assert binding["revision"] == CONVERTED[name], path
                found.add(name)
    assert found == set(CONVERTED)


def test_a_resumed_run_keeps_the_commit(hub, project, start):
    assert start() == run.COMPLETE
    for name in CONVERTED:  # main has other safetensors now, and the pull request is gone
        hub.repos[name].commit(hub.files(name) | {WEIGHTS: b"other"})
        hub.repos[name].requests.clear()
    assert start(None, "light_area_mapper.seconds=0.001") == run.COMPLETE
    assert revisions(project) == (CONVERTED[CLIP], CONVERTED[BLIP])


@pytest.mark.parametrize("limits", [(), ("region_text_matching_filter.min_itm=0.0",)])
def test_a_finished_run_needs_neither_the_hub_nor_its_files(
    hub, project, start, monkeypatch, limits
):
    assert start(None, *limits) == run.COMPLETE
    hub.before = lambda number: (503, {})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(project.folder / "emptied"))
    assert start(None, "--dry-run", *limits) == run.COMPLETE
    assert start(None, *limits) == run.COMPLETE


def test_safetensors_of_the_revision_itself_come_first(hub, project, start, miniatures):
    weights = (miniatures[CLIP] / WEIGHTS).read_bytes()
    moved = hub.repos[CLIP].commit(hub.files(CLIP) | {WEIGHTS: weights})
    assert start() == run.COMPLETE
    assert revisions(project) == (moved, CONVERTED[BLIP])


@pytest.mark.parametrize(
    ("author", "status"), [("stranger", "open"), (BOT, "closed"), (BOT, "draft")]
)
def test_other_peoples_weights_are_not_taken(hub, start, miniatures, capsys, author, status):
    hub.publish(CLIP, miniatures[CLIP], CONVERTED[CLIP], author, status)
    assert start() == run.REFUSED
    assert f"models.clip: {CLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n" == capsys.readouterr().err


def test_weights_of_another_version_are_named_and_not_taken(hub, start, capsys):
    hub.repos[CLIP].commit(hub.files(CLIP) | {PICKLED: b"trained further"})
    assert start() == run.REFUSED
    assert (
        f"models.clip: {CLIP} at main {ONLY_PICKLED}; refs/pr/66 adds them to other files: "
        f"for these, revision: {CONVERTED[CLIP]}. {WAY_OUT}\n"
    ) == capsys.readouterr().err


def test_a_new_model_card_changes_no_weights(hub, project, start):
    hub.repos[CLIP].commit(hub.files(CLIP) | {"README.md": b"# Cited as follows"})
    assert start() == run.COMPLETE
    assert revisions(project) == (CONVERTED[CLIP], CONVERTED[BLIP])


class TestWithoutSafetensors:
    @pytest.fixture(autouse=True)
    def only_pickled(self, hub):
        for repo in hub.repos.values():
            repo.requests.clear()

    def test_a_run_is_refused_before_any_work_with_a_line_for_each(self, project, start, capsys):
        assert start() == run.REFUSED
        assert capsys.readouterr().err == (
            f"models.clip: {CLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n"
            f"models.matcher: {BLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n"
        )
        assert not project.run_path.exists()

    def test_discussions_that_are_switched_off_are_none(self, hub, start, capsys):
        def refuse(number):
            return (403, {}) if hub.asked[number].endswith("/discussions") else None

        hub.before = refuse
        assert start() == run.REFUSED
        assert f"models.clip: {CLIP} at main {ONLY_PICKLED}. {WAY_OUT}" in capsys.readouterr().err

    def test_check_says_so_with_the_line(self, project, start, capsys):
        start()
        text = Path("mine.yaml").read_text().splitlines()
        line = next(n for n, each in enumerate(text, 1) if each.strip().startswith("clip:"))
        capsys.readouterr()
        assert cli.main(["check", "mine.yaml"]) == run.REFUSED
        assert capsys.readouterr().err == (
            "mine.yaml: 2 problems\n"
            f"  line {line}, models.clip: {CLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n"
            f"  line {line + 1}, models.matcher: {BLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n"
        )

    def test_an_evaluation(self, project, capsys):
        assert cli.main(["evaluate", "ohd", "--model", CLIP, "--toyland", "1"]) == run.REFUSED
        said = f"--model: {CLIP} at main {ONLY_PICKLED}. {WAY_OUT}\n"
        assert capsys.readouterr().err == said


class TestCheck:
    def test_models_that_are_there(self, hub, start, capsys):
        start(None, "--dry-run")
        capsys.readouterr()
        assert cli.main(["check", "mine.yaml"]) == run.COMPLETE
        assert capsys.readouterr().out == "mine.yaml: fine, 5 operators\n"
        assert fetched(hub) == set()

    def test_a_hub_that_does_not_answer(self, hub, start, capsys):
        start(None, "--dry-run")
        capsys.readouterr()
        hub.before = lambda number: (503, {})
        assert cli.main(["check", "mine.yaml"]) == run.COMPLETE
        note = "its models were not looked up: the Hub cannot be reached"
        assert capsys.readouterr().out == f"mine.yaml: fine, 5 operators; {note}\n"

    def test_a_model_that_is_not_there(self, hub, start, capsys):
        start({"clip": "nobody/nothing"}, "--dry-run")
        hub.repos["nobody/empty"] = Repo(public=True)
        capsys.readouterr()
        assert cli.main(["check", "mine.yaml"]) == run.REFUSED
        assert "models.clip: the Hub refuses nobody/nothing at main: " in capsys.readouterr().err


def test_a_pinned_commit_that_was_downloaded_needs_no_hub(hub, project, start, capsys, monkeypatch):
    monkeypatch.setattr("imgdiff.data.hub.LATELY", 0.0)  # it comes back at once
    pinned = {
        "clip": {"name": CLIP, "revision": CONVERTED[CLIP]},
        "matcher": {"name": BLIP, "revision": CONVERTED[BLIP]},
    }
    hub.before = lambda number: (503, {})
    assert start(pinned) == run.REFUSED
    missing = f"the Hub cannot be reached, and {CLIP} at {CONVERTED[CLIP]} is not on this disk"
    assert f"models.clip: {missing}\n" in capsys.readouterr().err
    hub.before = lambda number: None
    assert start(pinned) == run.COMPLETE
    hub.asked.clear()
    assert start(pinned, "--restart") == run.COMPLETE
    assert not any("/revision/" in path for path in hub.asked)
    assert_used_both(project)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_files_of_half_the_size_are_taken_where_there_are_any(
    model_hub, project, tmp_path, variant
):
    tokenizer = clip_tokenizer()
    tokenizer.model_max_length = 77
    pipeline = sdxl(tokenizer)
    pipeline.save_pretrained(tmp_path / "sdxl")
    if variant is not None:
        pipeline.to(dtype=torch.float16).save_pretrained(tmp_path / "sdxl", variant=variant)
    files = [path for path in (tmp_path / "sdxl").rglob("*") if path.is_file()]
    repo = model_hub.repos["owner/sdxl"] = Repo(public=True)
    commit = repo.commit(
        {str(path.relative_to(tmp_path / "sdxl")): path.read_bytes() for path in files}
    )
    project.write_recipe(
        process=[{"sdxl_text2image_mapper": {"side": 64, "num_inference_steps": 1}}],
        models={"diffusion": {"name": "owner/sdxl", "dtype": "float16"}},
        limit=1,
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert project.open().info.models["diffusion"].revision == commit
    (row,) = project.rows()
    assert row.ok
    weights = [path for path in model_hub.asked if path.endswith(".safetensors")]
    assert weights
    assert all(path.endswith(".fp16.safetensors") == (variant == "fp16") for path in weights)


@pytest.mark.parametrize("test", ["ohd", "chair"])
def test_an_evaluation_of_damaged_weights(hub, project, capsys, test):
    hub.repos[BLIP].commit(hub.files(BLIP) | {WEIGHTS: b"damaged"})
    assert cli.main(["evaluate", test, "--model", BLIP, "--toyland", "2"]) == run.REFUSED
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "loaded" in each]
    assert line.startswith(f"{BLIP} cannot be loaded: ")


def save_recorded(name, folder):
    """A small model with random weights and the processor files that its repository has."""
    config, model = (
        (CLIPConfig, CLIPModel) if name == CLIP else (BlipConfig, BlipForImageTextRetrieval)
    )
    settings = recorded_json(name, "config.json")
    for part in ("text_config", "vision_config"):
        settings[part] |= SMALL
    for size in ("projection_dim", "image_text_hidden_size"):
        if size in settings:
            settings[size] = WIDTH
    if "encoder_hidden_size" in settings["text_config"]:
        settings["text_config"]["encoder_hidden_size"] = WIDTH
    model(config.from_dict(settings)).save_pretrained(folder)
    for path in recorded(name).iterdir():
        if path.name not in ("config.json", "SOURCE.json"):
            shutil.copy(path, folder)


def test_the_processors_of_the_real_repositories(model_hub, project, start, tmp_path):
    for name, commit in CONVERTED.items():
        folder = tmp_path / "saved" / name
        save_recorded(name, folder)
        model_hub.publish(name, folder, commit, BOT, "open")
    assert start() == run.COMPLETE
    assert revisions(project) == (CONVERTED[CLIP], CONVERTED[BLIP])
    assert_used_both(project)


def test_an_evaluation_loads_the_pull_request(hub, project, capsys):
    asked = ["evaluate", "ohd", "--model", BLIP, "--toyland", "2", "--batch-size", "2"]
    assert cli.main(asked) == run.COMPLETE
    assert f"GET /{BLIP}/resolve/{CONVERTED[BLIP]}/{WEIGHTS}" in hub.asked


def test_a_download_is_told_and_later_the_loading(hub, start, capsys):
    start()
    said = capsys.readouterr().out
    for role, name in (("clip", CLIP), ("matcher", BLIP)):
        assert re.search(
            rf"^downloading {role}: {name}, \d+\.\d of \d+\.\d MB$", said, re.MULTILINE
        )
    start(None, "--restart")
    said = capsys.readouterr().out
    assert f"loading clip: {CLIP}\n" in said
    assert "downloading" not in said
