"""What the Hub does not give is told in one line, before any work: by `check` where the Hub
answers, by `doctor`, and where a run begins."""

import json
import re
import shutil

import pytest
from hub_server import Repo
from miniatures import save_clip
from transformers import CLIPModel

from imgdiff.cli import main
from imgdiff.errors import COMPLETE, REFUSED

NAME = "a/clip"
PROCESS = [
    {"light_edit_mapper": {"suffix": "and a cup"}},
    "light_image_mapper",
    {"image_pair_similarity_filter": {"min_score": -1.0, "max_score": 1.0}},
]
LOG_IN = "log in: hf auth login"
GATED = f"the Hub refuses {NAME}: it is gated. Ask for access on its page"
HIDDEN = "there is none of that name, or it is shown to"
UNREACHABLE = "the Hub cannot be reached, and"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of a CLIP whose weights are in several files."""
    folder = tmp_path_factory.mktemp("clip")
    save_clip(folder)
    CLIPModel.from_pretrained(folder).save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(model_hub, project, files):
    repo = model_hub.repos[NAME] = Repo(public=True)
    repo.commit(files)
    project.write_recipe(process=PROCESS, models={"clip": NAME}, limit=2)
    return model_hub


def said(capsys, *command):
    """What a command says, without the start of the line; it has done nothing."""
    assert main([*command]) == REFUSED
    out, err = capsys.readouterr()
    found = re.search(r"clip: (a/clip: )?(the Hub .*)", err or out)
    return found[2]


COMMANDS = [
    pytest.param((verb, "mine.yaml"), id=verb) for verb in ("check", "doctor", "run", "rehearse")
]
WITHOUT_CHECK = COMMANDS[1:]  # which goes on without the Hub
WITH_WEIGHTS = COMMANDS[1:3]


@pytest.mark.parametrize("command", COMMANDS)
class TestRefused:
    def test_gated(self, hub, project, command, capsys):
        hub.repos[NAME].gated = True
        assert said(capsys, *command) == f"{GATED}, then {LOG_IN}"
        assert not project.run_path.exists()

    def test_gated_for_this_token(self, hub, command, capsys, monkeypatch):
        hub.repos[NAME].gated = True
        monkeypatch.setenv("HF_TOKEN", "hf_only_for_this_test")
        assert said(capsys, *command) == f"{GATED}; the token of this machine has none"

    def test_missing_or_private(self, hub, command, capsys):
        hub.repos[NAME].public = False
        expected = f"the Hub refuses {NAME} at main: {HIDDEN} a token only ({LOG_IN})"
        assert said(capsys, *command) == expected

    def test_missing(self, hub, command, capsys, monkeypatch):
        del hub.repos[NAME]
        monkeypatch.setenv("HF_TOKEN", "hf_only_for_this_test")
        expected = f"the Hub refuses {NAME} at main: {HIDDEN} others than this machine's token"
        assert said(capsys, *command) == expected

    def test_a_token_that_is_none(self, hub, command, capsys, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_of_yesterday")
        told = f"it does not take the token of this machine. {LOG_IN.capitalize()}"
        assert said(capsys, *command) == f"the Hub refuses {NAME} at main: {told}"


class TestOutOfReach:
    @pytest.mark.parametrize("command", WITHOUT_CHECK)
    def test_nothing_is_here(self, hub, project, command, capsys):
        hub.break_down()
        assert said(capsys, *command) == f"{UNREACHABLE} {NAME} at main is not on this disk"
        assert not project.run_path.exists()

    @pytest.mark.parametrize("command", WITH_WEIGHTS)
    @pytest.mark.parametrize("at", ["main", "commit"])
    @pytest.mark.parametrize("lacking", ["*.safetensors", "model-00002-of-*.safetensors"])
    def test_some_files_are_here(self, hub, project, command, capsys, lacking, at, tmp_path):
        assert main(["run", "mine.yaml"]) == COMPLETE
        shutil.rmtree(project.run_path)
        if at == "commit":
            at = hub.repos[NAME].commits[-1][0]
            model = {"name": NAME, "revision": at}
            project.write_recipe(process=PROCESS, models={"clip": model}, limit=2)
        removed = [path.unlink() for path in (tmp_path / "hub-cache").rglob(lacking)]
        assert removed
        hub.break_down()
        partly = f"{UNREACHABLE} only a part of {NAME} at {at} is on this disk"
        assert said(capsys, *command) == partly


def test_check_says_that_it_did_not_look(hub, capsys):
    hub.break_down()
    assert main(["check", "mine.yaml"]) == COMPLETE
    note = "its models were not looked up: the Hub cannot be reached"
    assert note in capsys.readouterr().out
    assert len(hub.asked) == 1


def test_a_started_run_whose_models_are_gone(hub, project, tmp_path, capsys):
    """Their commits are recorded, so that the Hub is not asked before it goes on."""
    assert main(["run", "mine.yaml"]) == COMPLETE
    shutil.rmtree(tmp_path / "hub-cache")
    hub.break_down()
    capsys.readouterr()
    assert main(["run", "mine.yaml", "light_edit_mapper.suffix=and a mug"]) == REFUSED
    assert f"{UNREACHABLE} {NAME}" in capsys.readouterr().err


@pytest.mark.parametrize("pinned", [False, True])
def test_what_is_here_is_loaded_without_waiting_for_the_hub(hub, project, pinned):
    """Libraries would ask it again and again for templates, half a minute for each tokenizer."""
    model = {"name": NAME}
    if pinned:
        model["revision"] = hub.repos[NAME].commits[-1][0]
    project.write_recipe(process=PROCESS, models={"clip": model}, limit=2)
    assert main(["run", "mine.yaml"]) == COMPLETE
    hub.asked.clear()
    hub.break_down()
    assert main(["run", "mine.yaml", "--restart"]) == COMPLETE
    assert len(hub.asked) == 1, hub.asked
    assert json.loads((project.run_path / "report.json").read_text())["rows"]["ok"] == 2


def test_missing_files_are_downloaded_where_the_hub_answers(hub, project, tmp_path):
    assert main(["run", "mine.yaml"]) == COMPLETE
    for path in (tmp_path / "hub-cache").rglob("model-00002-of-*.safetensors"):
        path.unlink()
    assert main(["run", "mine.yaml", "--restart"]) == COMPLETE
