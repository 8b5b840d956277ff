"""Models of the Hub are pinned to a commit; the Hub is a local server that speaks its protocol."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub.constants
import pytest

from imgdiff.errors import RefusedError
from imgdiff.models.revisions import pinned
from imgdiff.models.zoo import Checkpoint

COMMIT, OTHER = "1" * 40, "2" * 40
KNOWN = {
    "/api/models/a/b/revision/main": COMMIT,
    "/api/models/a/b/revision/v1": OTHER,
}


@pytest.fixture
def hub(monkeypatch):
    """The paths that were asked for; `hub.status` is what an unknown path gets."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            commit = KNOWN.get(self.path)
            body = json.dumps({"id": "a/b", "modelId": "a/b", "sha": commit} if commit else {})
            self.send_response(200 if commit else 404)
            if not commit:
                self.send_header("X-Error-Code", "RevisionNotFound")
                self.send_header("X-Error-Message", "Invalid rev id")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """A Hub that does not answer, and an empty cache in the folder that is given back."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def revision(name="a/b", wanted=None, recorded=None):
    made = pinned({"clip": Checkpoint(name=name, revision=wanted)}, {"clip": recorded})
    return made["clip"].revision


def test_branch_or_tag_becomes_its_commit(hub):
    assert (revision(), revision(wanted="v1")) == (COMMIT, OTHER)


def test_commit_and_folder_need_no_hub(hub, tmp_path):
    assert revision(wanted=OTHER) == OTHER
    assert revision(name=str(tmp_path)) is None
    assert hub == []


def test_recorded_commit_is_kept(hub):
    assert revision(recorded=OTHER) == OTHER
    assert hub == []


def test_unknown_revision_is_refused_by_name(hub):
    with pytest.raises(RefusedError, match=r"models\.clip: the Hub refuses a/b at v9: .*rev"):
        revision(wanted="v9")


def test_without_the_hub_the_downloaded_commit_counts(no_hub):
    snapshot = no_hub / "models--a--b" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = no_hub / "models--a--b" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    assert revision() == COMMIT


def test_without_hub_and_copy_the_run_is_refused(no_hub):
    with pytest.raises(
        RefusedError, match="cannot be reached, and a/b at main is not on this disk"
    ):
        revision()
