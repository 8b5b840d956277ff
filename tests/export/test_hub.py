"""Pushes to a server that speaks the Hub's protocol: whole, interrupted, refused, loaded back."""

import _thread
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest
from hub_server import TOKEN, HubServer
from PIL import Image
from small_project import Project

from imgdiff import cli, run
from imgdiff.export import parquet_files

REPO = "me/pairs"
PUSH = ["push", "outputs/try", REPO]
FILES = 8  # of `finished`: two of each table, two pictures, the card, the list of files
REQUESTS = 25  # of its first push
AGAIN = "Run again: imgdiff push outputs/try me/pairs\n"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    server = HubServer()
    server.take_the_place_of_the_hub(monkeypatch, tmp_path / "hub-cache")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.close()


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were to be waited; nobody does."""
    asked = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    """A project whose run has two files of pairs and two of samples."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(parquet_files, "ROW_GROUP_BYTES", 1)
        patch.setattr(parquet_files, "RECORDS", 1)
        patch.setattr(parquet_files, "FILE_BYTES", 1)
        Project(folder)
        assert run.main(["mine.yaml", "limit=16"]) == run.COMPLETE
    return folder


@pytest.fixture
def finished(project, finished_once):
    """The current folder, with a copy of that project."""
    shutil.copytree(finished_once, project.folder, dirs_exist_ok=True)
    return project


def local_files(folder=Path("outputs/try/data")):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_push_is_one_commit_of_the_whole_folder(finished, hub, capsys):
    assert cli.main(PUSH) == run.COMPLETE
    assert len(hub.repos[REPO].commits) == 2  # the first one is the Hub's own
    there, here = hub.files(REPO), local_files()
    assert set(there) == set(here) | {".gitattributes", "imgdiff.json"}
    assert {path for path in here if here[path] != there[path]} == {"README.md"}
    assert f"{hub.url}/datasets/me/pairs (commit " in capsys.readouterr().out
    assert len(hub.asked) == REQUESTS


def test_the_card_there_says_how_to_load_it_from_there(finished, hub):
    cli.main(PUSH)
    card = hub.files(REPO)["README.md"].decode()
    assert 'pairs = load_dataset("me/pairs", "pairs", split="train")' in card
    assert "path/to/this/folder" not in card


def test_a_second_push_of_the_same_commits_nothing(finished, hub, capsys):
    cli.main(PUSH)
    assert cli.main(PUSH) == run.COMPLETE
    assert len(hub.repos[REPO].commits) == 2
    assert " already holds this (commit " in capsys.readouterr().out


def test_a_push_with_fewer_files_deletes_those_of_the_earlier_one(finished, hub):
    cli.main(PUSH)
    hub.repos[REPO].commit(hub.files(REPO) | {"notes.txt": b"mine", "pairs/note.txt": b"mine"})
    assert run.main(["mine.yaml", "limit=16"]) == run.COMPLETE
    assert cli.main(PUSH) == run.COMPLETE
    assert len(hub.repos[REPO].commits) == 4
    others = {".gitattributes", "imgdiff.json", "notes.txt", "pairs/note.txt"}
    assert set(hub.files(REPO)) == set(local_files()) | others
    assert [path for path in hub.files(REPO) if path.endswith(".parquet")] == [
        "pairs/00000.parquet",
        "samples/00000.parquet",
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", range(REQUESTS))
def test_a_push_interrupted_at_any_request_goes_on(finished, hub, waits, capsys, number, moment):
    setattr(hub, moment, lambda asked: "break" if asked >= number else None)
    assert cli.main(PUSH) == run.STOPPED
    said = capsys.readouterr().err
    assert said.startswith("push stopped after ")
    assert said.endswith(AGAIN)
    last = number == REQUESTS - 1
    arrived = last and moment == "after"
    repo = hub.repos.get(REPO)
    assert repo is None or len(repo.commits) == 1 + arrived
    unknown = "Whether its commit came to the Hub is not known."
    assert (
        unknown if number >= REQUESTS - 2 else "Nothing of it is visible on the Hub yet."
    ) in said
    safe = set(hub.uploaded)
    hub.uploaded.clear()
    setattr(hub, moment, lambda asked: None)
    assert cli.main(PUSH) == run.COMPLETE
    assert safe.isdisjoint(hub.uploaded)
    assert len(hub.repos[REPO].commits) == 2
    assert set(local_files()) < set(hub.files(REPO))


@pytest.mark.parametrize("instead", ["break", (503, {}), (429, {"Retry-After": "7"})])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1, 2, 4, 5, REQUESTS - 2, REQUESTS - 1])
def test_one_bad_moment_is_survived(finished, hub, waits, number, moment, instead):
    setattr(hub, moment, lambda asked: instead if asked == number else None)
    assert cli.main(PUSH) == run.COMPLETE
    assert len(hub.repos[REPO].commits) == 2
    assert set(local_files()) < set(hub.files(REPO))


def test_the_hub_says_how_long_to_wait(finished, hub, waits):
    hub.before = lambda asked: (429, {"Retry-After": "7"}) if asked == 0 else None
    assert cli.main(PUSH) == run.COMPLETE
    assert waits == [7]


def test_nobody_waits_for_an_hour(finished, hub, waits, capsys):
    hub.before = lambda asked: (429, {"Retry-After": "3600"})
    assert cli.main(PUSH) == run.STOPPED
    assert waits == []
    assert (
        f"push stopped after 0 of {FILES} files (not now). Nothing of it" in capsys.readouterr().err
    )


def test_tries_are_bounded(finished, hub, waits, capsys):
    hub.before = lambda asked: (503, {})
    assert cli.main(PUSH) == run.STOPPED
    assert len(hub.asked) == 5


@pytest.fixture
def listens_to_ctrl_c():
    """Also where the tests run in the background of a shell, which has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_ctrl_c")
def test_ctrl_c_says_how_far_it_came(finished, hub, waits, capsys):
    def interrupt(number):
        if number >= 9:  # every further request: Python drops an interrupt that meets a finalizer
            _thread.interrupt_main()
            return (503, {})
        return None

    hub.before = interrupt
    assert cli.main(PUSH) == run.STOPPED
    assert capsys.readouterr().err == (
        f"push stopped after 2 of {FILES} files. Nothing of it is visible on the Hub yet. {AGAIN}"
    )


def test_a_commit_of_somebody_else_is_not_overwritten(finished, hub, capsys):
    def meanwhile(number):
        if hub.asked[-1].endswith("/commit/main"):
            hub.repos[REPO].commit(hub.files(REPO) | {"theirs.txt": b"theirs"})

    hub.before = meanwhile
    assert cli.main(PUSH) == run.REFUSED
    said = capsys.readouterr().err
    assert said.startswith("me/pairs changed since this push began (now ")
    assert said.endswith("). Look at it, then push again.\n")
    assert set(hub.files(REPO)) == {".gitattributes", "theirs.txt"}


def test_files_that_no_push_put_there_are_left_alone(finished, hub, capsys):
    cli.main(PUSH)
    hub.repos[REPO].commit({"data/train.parquet": b"theirs"})
    assert cli.main(PUSH) == run.REFUSED
    assert capsys.readouterr().err == (
        "me/pairs holds other files (data/train.parquet), which no push put there. "
        "Choose another name.\n"
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the Hub does not accept the token (not now). Log in with `hf auth login`"),
        (403, "the token may not write to me/pairs (not now). Log in with `hf auth login`"),
        (400, "the Hub refuses the push to me/pairs: not now"),
    ],
)
def test_what_another_try_does_not_help_is_asked_once(finished, hub, capsys, status, words):
    hub.before = lambda asked: (status, {})
    assert cli.main(PUSH) == run.REFUSED
    assert words in capsys.readouterr().err
    assert len(hub.asked) == 1


def test_without_a_token_nothing_is_asked(finished, hub, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    words = "there is no token for the Hub. Log in with `hf auth login`, or set HF_TOKEN"
    for arguments in (PUSH, ["run", "mine.yaml", f"export.hub_repo={REPO}", "--restart"]):
        assert cli.main(arguments) == run.REFUSED
        assert words in capsys.readouterr().err
    assert hub.asked == []
    assert Path("outputs/try/data").exists()


def test_private_makes_a_private_repository(finished, hub):
    cli.main([*PUSH, "--private"])
    assert hub.repos[REPO].private


def test_private_data_does_not_go_to_a_public_repository(finished, hub, capsys):
    cli.main(PUSH)
    assert cli.main([*PUSH, "--private"]) == run.REFUSED
    assert "me/pairs is there, and public. Make it private" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pairs", "me/pairs/more", "me/pa irs", "me/a..b", "me/x.git"])
def test_a_name_that_the_hub_does_not_take(finished, hub, capsys, name):
    words = f'"{name}" is no name on the Hub, expected owner/name such as me/pairs'
    assert cli.main(["push", "outputs/try", name]) == run.REFUSED
    assert words in capsys.readouterr().err
    finished.write_recipe(export={"hub_repo": name})
    assert cli.main(["check", "mine.yaml"]) == run.REFUSED
    assert f", export.hub_repo: {words}" in capsys.readouterr().err


def test_a_run_that_is_not_complete_is_refused(finished, hub, capsys):
    next(Path("outputs/try/stages").glob("01_*/00000.json")).unlink()
    assert cli.main(PUSH) == run.REFUSED
    assert capsys.readouterr().err == (
        "outputs/try: 1 of 4 shards are missing. Run its recipe again to finish it.\n"
    )


def test_data_of_an_earlier_state_is_refused(finished, hub, monkeypatch, capsys):
    monkeypatch.setattr(run, "finish", lambda folder, say: exec("raise KeyboardInterrupt"))
    assert run.main(["mine.yaml", "limit=30"]) == run.STOPPED
    capsys.readouterr()
    assert cli.main(PUSH) == run.REFUSED
    assert capsys.readouterr().err == (
        "outputs/try/data is older than the shards. "
        "Run its recipe again: that only writes it out.\n"
    )


def test_a_folder_that_is_no_run_is_refused(project, hub, capsys):
    assert cli.main(["push", ".", REPO]) == run.REFUSED
    assert ". is no run folder: there is no run.json that can be read" in capsys.readouterr().err


def test_a_run_that_kept_nothing_is_not_pushed(project, hub, capsys):
    run.main(["mine.yaml", "light_length_filter.min_score=0.9"])
    assert cli.main(PUSH) == run.REFUSED
    words = "outputs/try/data holds no rows: there is nothing to push\n"
    assert capsys.readouterr().err == words


def test_a_recipe_pushes_when_it_is_done(project, hub):
    project.write_recipe(export={"hub_repo": REPO, "private": True})
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert set(local_files()) < set(hub.files(REPO))
    assert hub.repos[REPO].private


def test_a_failed_push_leaves_a_complete_run_and_redoes_nothing(project, hub, waits, capsys):
    project.write_recipe(export={"hub_repo": REPO})
    hub.before = lambda asked: (503, {})
    assert run.main(["mine.yaml"]) == run.STOPPED
    assert "push stopped after 0 of 6 files" in capsys.readouterr().err
    assert len(datasets.load_dataset("outputs/try/data", split="train", cache_dir="cache")) == 22
    hub.before = lambda asked: None
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert ": shard " not in capsys.readouterr().out
    assert set(local_files()) < set(hub.files(REPO))


def test_a_refused_push_of_a_recipe_is_no_refusal_of_its_work(project, hub):
    project.write_recipe(export={"hub_repo": REPO})
    hub.before = lambda asked: (403, {})
    assert run.main(["mine.yaml"]) == run.STOPPED


def test_a_run_with_too_many_failures_is_not_pushed(project, hub):
    project.write_captions([{"caption": "bad"}, {"caption": "a red ball here"}])
    project.write_recipe(export={"hub_repo": REPO})
    assert run.main(["mine.yaml"]) == run.TOO_MANY_FAILED
    assert hub.asked == []


def test_where_it_is_pushed_to_may_change(finished, hub):
    arguments = ["mine.yaml", "limit=16", f"export.hub_repo={REPO}", "export.license=cc-by-4.0"]
    assert run.main(arguments) == run.COMPLETE
    assert b"\nlicense: cc-by-4.0\n" in hub.files(REPO)["README.md"]


def test_the_token_is_written_nowhere(finished, hub, waits, capsys):
    hub.before = lambda asked: (503, {}) if asked in (3, 4) else None
    cli.main(PUSH)
    hub.before = lambda asked: (401, {})
    cli.main(PUSH)
    said = capsys.readouterr()
    written = [path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()]
    everything = [*written, *hub.files(REPO).values(), said.out.encode(), said.err.encode()]
    assert not any(TOKEN.encode() in each for each in everything)
    assert b"pushed to me/pairs, 8 files changed, commit " in b"".join(written)


LOAD = """
import json, sys
from datasets import load_dataset
for place, streaming in ((sys.argv[1], False), (sys.argv[2], False), (sys.argv[2], True)):
    for config in ("pairs", "samples"):
        rows = list(load_dataset(place, config, split="train", streaming=streaming))
        for row in rows:
            for name in {"image_a", "image_b"} & row.keys():
                row[name] = row[name].tobytes().hex()
        print(json.dumps(rows, sort_keys=True))
"""


@pytest.mark.slow
def test_what_was_pushed_is_loaded_and_streamed_back(finished, hub, tmp_path):
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=True)

    python("-m", "imgdiff", *PUSH)
    printed = python("-c", LOAD, "outputs/try/data", REPO).stdout.splitlines()
    pairs, samples = ([json.loads(line) for line in printed[start::2]] for start in (0, 1))
    assert [len(rows) for rows in (*pairs, *samples)] == [12] * 3 + [len(samples[0])] * 3
    assert pairs[0] == pairs[1] == pairs[2]
    assert samples[0] == samples[1] == samples[2]


def test_the_pictures_of_the_card_are_there_too(finished, hub):
    cli.main(PUSH)
    assert {"card/samples.png", "card/scores.png"} < hub.files(REPO).keys()
    for name in ("samples", "scores"):
        assert min(Image.open(f"outputs/try/data/card/{name}.png").size) > 200
