"""A server that speaks as much of the Hub's protocol as pushing and loading a dataset takes, and
loading a model.

It keeps repositories in memory, one commit after the other, answers as the Hub does where a
commit's parent has moved on, and misbehaves on demand.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub import constants, hf_api

from imgdiff.data import hub

TOKEN = "hf_only_for_this_test"
LARGE = (".parquet", ".png", ".safetensors", ".bin")  # what the Hub keeps in LFS
PLACE = r"(?:(?:/api)?/datasets|/api/models)?/([\w-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?"
POLL = 0.005  # seconds after which `close` is noticed; half a second by default
Files = dict[str, bytes]


class Listed(bytes):
    """A large file that is listed with its size, and never sent."""

    size: int

    def __new__(cls, size: int) -> "Listed":
        made = super().__new__(cls, str(size).encode())
        made.size = size
        return made


class Repo:
    """commits: (id, files), oldest first; the first one holds what the Hub puts there. requests:
    pull requests as the Hub lists them. proposed: reference -> the commit of one. public: read
    without a token. gated: everybody sees which files there are, and reads none."""

    def __init__(self, private: bool = False, public: bool = False, gated: bool = False) -> None:
        self.private, self.public, self.gated = private, public, gated
        self.commits: list[tuple[str, Files]] = []
        self.requests: list[dict] = []
        self.proposed: dict[str, tuple[str, Files]] = {}
        self.commit({".gitattributes": b"*.parquet filter=lfs\n"})

    def commit(self, files: Files) -> str:
        name = hashlib.sha1(repr((len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits.append((name, files))
        return name

    def propose(self, number: int, commit: str, files: Files, author: str, status: str) -> None:
        """A pull request with one commit."""
        self.proposed[f"refs/pr/{number}"] = commit, files
        facts = {"num": number, "status": status, "author": {"name": author}}
        facts |= {"title": "Adding `safetensors` variant of this model", "isPullRequest": True}
        facts |= {"createdAt": "2024-03-01T10:00:00.000Z", "repo": {"name": "", "type": "model"}}
        self.requests.append(facts)

    def at(self, revision: str) -> tuple[str, Files] | None:
        if revision == "main":
            return self.commits[-1]
        if revision in self.proposed:
            return self.proposed[revision]
        known = [*self.commits, *self.proposed.values()]
        return next((each for each in known if each[0] == revision), None)


class HubServer:
    """repos: by name. blobs: contents in LFS by sha256. asked: method and path of each request.

    before: called with the number of a request (from 0) before it is carried out; what it returns
    instead of None is the answer: a status with headers, or "break" for none at all. after:
    likewise, once the request has been carried out.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploaded: list[str] = []
        self.asked: list[str] = []
        self.before: Callable[[int], object] = lambda number: None
        self.after: Callable[[int], object] = lambda number: None
        self.lock = threading.Lock()
        handler = type("Bound", (Handler,), {"hub": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.handle_error = lambda *_: None  # clients that go away in the middle
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(POLL,), daemon=True).start()

    def take_the_place_of_the_hub(self, monkeypatch: Any, cache: Path) -> None:
        """Let the Hub's library ask this server in a test, and keep what it loads in `cache`."""
        address = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(hf_api.api, "endpoint", self.url)  # what its functions ask
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
        monkeypatch.setattr("imgdiff.data.hub._answered", {})

    def publish(self, name: str, folder: Path, converted: str, author: str, status: str) -> None:
        """A saved model as it is often published: pickled weights on main, safetensors in a pull
        request whose commit is `converted`."""
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        weights = files.pop("model.safetensors")
        files |= {"pytorch_model.bin": b"pickled", "README.md": b"# A model"}
        self.repos[name] = Repo(public=True)
        self.repos[name].commit(files)
        proposed = files | {"model.safetensors": weights}
        self.repos[name].propose(66, converted, proposed, author, status)

    def break_down(self) -> None:
        """Answer nobody, as a new process finds it, which does not remember that it did."""
        self.before = lambda number: "break"
        hub._answered.clear()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def files(self, repo: str) -> Files:
        return self.repos[repo].commits[-1][1]


class Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # which holds a body back for 40 ms

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks()
        if self.path.startswith("/api/agent-harnesses"):  # the client's own business
            self.send(*failure(404, "not spoken here"))
            return
        with self.hub.lock:
            number = len(self.hub.asked)
            self.hub.asked.append(f"{self.command} {urlsplit(self.path).path}")
            instead = self.hub.before(number)
            if instead is None:
                reply = self.reply(unquote(urlsplit(self.path).path), body)
                instead = self.hub.after(number)
        if instead == "break":
            self.close_connection = True
            self.connection.close()
        elif instead is not None:
            status, headers = instead
            self.send(status, b'{"error": "not now"}', headers)
        else:
            self.send(*reply)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 (the server's names)

    def chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def reply(self, path: str, body: bytes) -> tuple:
        if path.startswith("/lfs/"):
            self.hub.blobs[path.removeprefix("/lfs/")] = body
            self.hub.uploaded.append(path.removeprefix("/lfs/"))
            return 200, b"", {}
        found = re.fullmatch(PLACE, path)
        repo = self.hub.repos.get(found[1]) if found else None
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            return failure(401, "Invalid credentials in Authorization header")
        if given is None and not (repo and repo.public):  # whether there is one, or not
            return failure(401, "Invalid username or password.", "RepoNotFound")
        if path == "/api/validate-yaml":
            return success({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if repo is None:
            return failure(404, "Repository not found", "RepoNotFound")
        kind, _, rest = (found[2] or "revision/main").partition("/")
        if repo.gated and kind in ("auth-check", "resolve"):
            return failure(403, "Access to this model is restricted", "GatedRepo")
        if kind == "discussions":
            listed = {"start": 0, "count": len(repo.requests), "discussions": repo.requests}
            return success(listed)
        if kind in ("resolve", "tree", "revision", "paths-info"):
            revision, inner = re.fullmatch(r"(refs/pr/\d+|[^/]*)/?(.*)", rest).groups()
            if (commit := repo.at(revision)) is None:
                return failure(404, "Revision not found", "RevisionNotFound")
            return getattr(self, kind.replace("-", "_"))(found[1], commit, inner, body)
        if kind == "preupload":
            asked = json.loads(body)["files"]
            return success({"files": [self.mode(repo, each) for each in asked]})
        if kind == "info":  # info/lfs/objects/batch
            return success({"objects": [self.place(each) for each in json.loads(body)["objects"]]})
        if kind == "commit":
            return self.commit(found[1], [json.loads(line) for line in body.splitlines()])
        return failure(404, f"not spoken here: {path}")

    def create(self, asked: dict) -> tuple:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repos:
            return failure(409, "You already created this dataset repo")
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repos[name] = Repo(bool(private))
        return success({"url": f"{self.hub.url}/datasets/{name}"})

    def mode(self, repo: Repo, asked: dict) -> dict:
        mode = "lfs" if asked["path"].endswith(LARGE) else "regular"
        return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False}

    def place(self, asked: dict) -> dict:
        if asked["oid"] in self.hub.blobs:
            return asked
        return asked | {"actions": {"upload": {"href": f"{self.hub.url}/lfs/{asked['oid']}"}}}

    def commit(self, name: str, lines: list[dict]) -> tuple:
        repo = self.hub.repos[name]
        head, files = repo.commits[-1]
        if lines[0]["value"].get("parentCommit") not in (None, head):
            return failure(412, "A commit has happened since. Please refresh and try again.")
        files = dict(files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            else:
                del files[value["path"]]
        made = repo.commit(files)
        url = f"{self.hub.url}/datasets/{name}/commit/{made}"
        return success({"commitOid": made, "commitUrl": url, "pullRequestUrl": None})

    def revision(self, name: str, commit: tuple[str, Files], inner: str, body: bytes) -> tuple:
        blobs = [describe(path, content) for path, content in commit[1].items()]
        siblings = [{"rfilename": each.pop("path"), **each} for each in blobs]
        facts = {"id": name, "sha": commit[0], "private": self.hub.repos[name].private}
        facts["gated"] = "manual" if self.hub.repos[name].gated else False
        return success(facts | {"tags": [], "downloads": 0, "likes": 0, "siblings": siblings})

    def tree(self, name: str, commit: tuple[str, Files], inner: str, body: bytes) -> tuple:
        recursive = "recursive" in parse_qs(urlsplit(self.path).query)
        place = f"{inner}/" if inner else ""
        entries = {}
        for path, content in commit[1].items():
            if path.startswith(place):
                first, deeper, _ = path.removeprefix(place).partition("/")
                folder = {"type": "directory", "path": place + first, "oid": "0", "size": 0}
                if deeper:
                    entries[place + first] = folder
                if not deeper or recursive:
                    entries[path] = {"type": "file", **describe(path, content)}
        if not entries:
            return failure(404, "not there", "EntryNotFound")
        return success(list(entries.values()))

    def paths_info(self, name: str, commit: tuple[str, Files], inner: str, body: bytes) -> tuple:
        asked = parse_qs(body.decode()).get("paths") or json.loads(body)["paths"]
        found = [{"type": "file", **describe(p, commit[1][p])} for p in asked if p in commit[1]]
        folders = [p for p in asked if any(each.startswith(f"{p}/") for each in commit[1])]
        found += [{"type": "directory", "path": p, "oid": "0", "size": 0} for p in folders]
        return success(found)

    def resolve(self, name: str, commit: tuple[str, Files], inner: str, body: bytes) -> tuple:
        if inner not in commit[1]:
            return failure(404, "not there", "EntryNotFound")
        content = commit[1][inner]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": commit[0],
            "Accept-Ranges": "bytes",
        }
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
            part = content[first : last + 1]
            span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            return 206, part, headers | {"Content-Range": span}
        return 200, content, headers

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *given: object) -> None:
        pass


def describe(path: str, content: bytes) -> dict:
    """A file as the Hub lists it."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    size = content.size if isinstance(content, Listed) else len(content)
    facts = {"path": path, "size": size, "oid": blob, "blobId": blob}
    if not path.endswith(LARGE):
        return facts
    digest = hashlib.sha256(content).hexdigest()
    pointer = {"oid": digest, "sha256": digest, "size": size, "pointerSize": 130}
    return facts | {"lfs": pointer}


def success(content: object) -> tuple:
    return 200, json.dumps(content).encode(), {"Content-Type": "application/json"}


def failure(status: int, text: str, code: str = "") -> tuple:
    headers = {"X-Error-Message": text, "Content-Type": "application/json"}
    headers |= {"X-Error-Code": code} if code else {}
    return status, json.dumps({"error": text}).encode(), headers
