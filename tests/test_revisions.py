"""Models of the Hub are pinned to a commit; the Hub is a local server that speaks its protocol."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import huggingface_hub.constants
import pytest

from imgdiff.errors import RefusedError
from imgdiff.models.revisions import pinned
from imgdiff.models.zoo import Checkpoint

COMMIT, OTHER = "1" * 40, "2" * 40
KNOWN = {
    "/api/models/a/b/revision/main": COMMIT,
    "/api/models/a/b/revision/v1": OTHER,
    f"/api/models/a/b/revision/{COMMIT}": COMMIT,
    f"/api/models/a/b/revision/{OTHER}": OTHER,
}
WEIGHTS = [{"rfilename": "model.safetensors"}]


@pytest.fixture
def hub(monkeypatch):
    """The paths that were asked for; `hub.status` is what an unknown path gets."""
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            commit = KNOWN.get(urlsplit(self.path).path)
            facts = {"id": "a/b", "modelId": "a/b", "sha": commit, "siblings": WEIGHTS}
            body = json.dumps(facts if commit else {})
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
    return tmp_path


@pytest.fixture(autouse=True)
def downloads(monkeypatch, tmp_path):
    """Puts files of a commit into the cache, which is empty else."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    def put(commit, *names):
        for name in names:
            path = tmp_path / "models--a--b" / "snapshots" / commit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return put


def revision(name="a/b", wanted=None, recorded=None):
    made = pinned(
        {"clip": Checkpoint(name=name, revision=wanted, family="clip")}, {"clip": recorded}
    )
    return made["clip"].revision


def test_branch_or_tag_becomes_its_commit(hub):
    assert (revision(), revision(wanted="v1")) == (COMMIT, OTHER)


def test_downloaded_commit_and_folder_need_no_hub(hub, downloads, tmp_path):
    downloads(OTHER, "unet/model.safetensors")
    assert revision(wanted=OTHER) == OTHER
    assert revision(name=str(tmp_path)) is None
    assert hub == []


def test_recorded_commit_is_kept(hub):
    assert revision(recorded=OTHER) == OTHER
    assert hub == []


def test_of_another_commit_the_hub_is_asked_whether_it_has_safetensors(hub, downloads):
    downloads(OTHER, "config.json")
    assert revision(wanted=OTHER) == OTHER
    assert hub == [f"/api/models/a/b/revision/{OTHER}?blobs=true"]


def test_unknown_revision_is_refused_by_name(hub):
    with pytest.raises(RefusedError, match=r"models\.clip: the Hub refuses a/b at v9: .*rev"):
        revision(wanted="v9")


def test_without_the_hub_the_downloaded_commit_counts(no_hub, downloads):
    downloads(COMMIT, "config.json", "model.safetensors")
    refs = no_hub / "models--a--b" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    assert revision() == COMMIT


@pytest.mark.parametrize("wanted", [None, COMMIT])
def test_without_hub_and_copy_the_run_is_refused(no_hub, wanted):
    name = f"a/b at {wanted or 'main'}"
    with pytest.raises(RefusedError, match=f"cannot be reached, and {name} is not on this disk"):
        revision(wanted=wanted)
