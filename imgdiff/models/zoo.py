"""Which checkpoint plays which role: names, places and fingerprints, without loading anything."""

import hashlib
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from imgdiff.models.pipeline_parts import (
    SchedulerSetting,
    Weights,
    WeightsSetting,
    digest_of,
    local_path,
)

ROLES = ("diffusion", "segmenter", "clip", "matcher", "mllm", "llm", "nsfw")
ANSWERING = ("mllm", "llm")  # roles that may be played by a server
OF_DIFFUSION = ("unet", "lora", "scheduler", "compile")  # settings that no other role has
# without user or password, for it is written into run.json, and with one host for every reader
URL = re.compile(
    r"https?://(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])(?P<port>:\d{1,5})?(?:/[^\s@\\?#]*)?", re.ASCII
)
KEY_VARIABLE = re.compile(r"[A-Za-z_]\w*_API_KEY", re.ASCII)  # what a recipe may name, no other
WEIGHTS = ("*.safetensors", "*/*.safetensors")  # no deeper: the folder may be that of a whole disk
EMBEDDED_WEIGHTS = Path(__file__).parent.parent / "toyland" / "weights"


class Checkpoint(BaseModel):
    """A model to load: a local folder or a Hub name, safetensors only."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1, description="local folder or Hub name")
    revision: str | None = Field(None, description="branch, tag or commit on the Hub")
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    device: str = Field("auto", description="auto (a GPU if there is one), cpu, cuda, cuda:1")
    trust_remote_code: bool = False
    family: str | None = Field(
        None, description="how it is loaded and asked; null: as its config.json says"
    )
    unet: WeightsSetting | None = Field(None, description="in the place of the pipeline's own")
    lora: WeightsSetting | None = Field(None, description="added to the pipeline's weights")
    scheduler: SchedulerSetting | None = Field(
        None, description="in the place of the pipeline's own"
    )
    compile: bool = Field(
        False, description="torch.compile: minutes at the first picture, then faster on a GPU"
    )

    @property
    def folder(self) -> Path | None:
        """The local folder, or None for a name on the Hub."""
        return local_path(self.name)

    @property
    def parts(self) -> dict[str, Weights]:
        """The weights that it has from elsewhere, by what they are."""
        both = {"unet": self.unet, "lora": self.lora}
        return {name: part for name, part in both.items() if part is not None}

    @property
    def is_embedded(self) -> bool:
        """Whether it ships with the package."""
        return self.folder is not None and self.folder.parent == EMBEDDED_WEIGHTS

    def problem(self) -> str | None:
        """Why it cannot be loaded, as far as can be told without loading; None if nothing is
        wrong."""
        if self.folder is not None and not os.path.isdir(self.folder):
            return f"no such folder: {self.name}"
        if self.folder is None and self.name.count("/") != 1:
            return f"{self.name} is neither a folder nor a Hub name (owner/name)"
        if self.folder is not None and not any(map(any, map(self.folder.glob, WEIGHTS))):
            return f"no safetensors weights in {self.name} (imgdiff loads no pickled weights)"
        found = {name: part.problem(name == "lora") for name, part in self.parts.items()}
        wrong = [f"{name}: {problem}" for name, problem in found.items() if problem is not None]
        return "; ".join(wrong) or None

    def fingerprint(self) -> str:
        """Changes with the weights and the scheduler: a hash over a folder's files, or
        `name@revision` on the Hub."""
        here = self.folder
        own = f"{self.name}@{self.revision or 'main'}" if here is None else digest_of(here)
        exchanged = [f"{name}={part.fingerprint()}" for name, part in self.parts.items()]
        if self.scheduler is not None:
            exchanged.append(f"scheduler={self.scheduler.model_dump_json(exclude_none=True)}")
        return " ".join((own + _asked_as(self.family), *exchanged))


class Endpoint(BaseModel):
    """Where a model answers."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    base_url: str = Field(description="for example http://localhost:8000/v1")
    model: str = Field(min_length=1, description="the model's name on that server")
    key_variable: str = Field(
        "OPENAI_API_KEY",
        description="environment variable with the key, whose name ends in _API_KEY. It is sent to "
        "this machine, and to a host that --allow-key or your own config.yaml allows",
    )
    concurrent_requests: int = Field(8, ge=1, le=256)
    timeout_s: float = Field(120.0, gt=0, le=86_400, description="for one whole answer")
    tries: int = Field(5, ge=1, le=20, description="of one question, before its row fails")
    family: str | None = Field(
        None, description="of the model that answers, by which it is asked; null: any"
    )
    extra_body: dict[str, Any] = Field(
        {}, description="fields of every request, above all others; null leaves one out"
    )

    _is_key_allowed: bool = PrivateAttr(default=False)  # no recipe can set it

    @field_validator("key_variable")
    @classmethod
    def _is_key(cls, name: str) -> str:
        if not KEY_VARIABLE.fullmatch(name):
            raise ValueError(f"{name} may not be sent: the variable's name must end in _API_KEY")
        return name

    @field_validator("extra_body")
    @classmethod
    def _is_json(cls, fields: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(fields, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"not what JSON can hold ({error})") from None
        return fields

    @property
    def name(self) -> str:
        return f"{self.model} at {self.base_url}"

    @property
    def host(self) -> str:
        """Of the server, in lower case; empty where the address is none."""
        match = URL.fullmatch(self.base_url)
        return match["host"].lower() if match else ""

    @property
    def host_and_port(self) -> str:
        match = URL.fullmatch(self.base_url)
        return self.host + (match["port"] or "" if match else "")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        return self.host == "localhost"

    def with_key(self) -> "Endpoint":
        """The same, with leave to send the key there."""
        made = self.model_copy()
        made._is_key_allowed = True
        return made

    @property
    def key(self) -> str | None:
        """What is sent as the key; None if there is none, or it must not be sent there."""
        may = self.is_local or self._is_key_allowed
        return (os.environ.get(self.key_variable, "").strip() or None) if may else None

    @property
    def keeps_key(self) -> bool:
        """Whether there is a key that must not be sent there."""
        return bool(os.environ.get(self.key_variable)) and self.key is None

    @property
    def key_note(self) -> str:
        """What becomes of the key, in words."""
        if self.key:
            return f"{self.key_variable} is sent to {self.host}"
        if not self.keeps_key:
            return f"{self.key_variable} is not set, so no key is sent"
        allow = f"--allow-key {self.key_variable}={self.host_and_port} allows it"
        return f"{self.key_variable} is not sent to {self.host}: {allow}"

    @property
    def folder(self) -> None:
        """Nothing on this disk."""

    @property
    def revision(self) -> None:
        """A server does not say which it runs."""

    @property
    def parts(self) -> Mapping[str, Weights]:
        """None from elsewhere."""
        return {}

    def problem(self) -> str | None:
        """Why it cannot be asked, as far as can be told without asking."""
        if not URL.fullmatch(self.base_url):
            return f"{self.base_url} is no http address without user and password"
        return None

    def fingerprint(self) -> str:
        """Changes with what is asked, and how; what answers can be changed behind its back."""
        text = f"{self.base_url}#{self.model}{_asked_as(self.family)}"
        if self.extra_body:
            fields = json.dumps(self.extra_body, sort_keys=True).encode()
            text += f"#{hashlib.sha256(fields).hexdigest()[:16]}"
        return text


def _asked_as(family: str | None) -> str:
    """Added to a fingerprint, for the family that a recipe names decides how a model is used."""
    return f"#{family}" if family else ""


Binding = Checkpoint | Endpoint
NAMED_SETS: dict[str, dict[str, Binding]] = {
    "embedded": {
        role: Checkpoint(name=str(EMBEDDED_WEIGHTS / role))
        for role in ROLES
        if role not in ("llm", "nsfw")
    },
}


def bind(setting: str | dict[str, str | dict[str, object]]) -> dict[str, Binding]:
    """Role -> what plays it, from a named set or from a mapping whose values are names, or fields
    of a `Checkpoint` or an `Endpoint`.

    Raises:
        ValueError: an unknown set, role or field; the message says what is allowed.
    """
    if isinstance(setting, str):
        if setting not in NAMED_SETS:
            raise ValueError(f"no named set {setting!r}; there are: {', '.join(NAMED_SETS)}")
        return dict(NAMED_SETS[setting])
    bound: dict[str, Binding] = {}
    for role, given in setting.items():
        if role not in ROLES:
            raise ValueError(f"no role {role!r}; the roles are: {', '.join(ROLES)}")
        if isinstance(given, str) and role in NAMED_SETS.get(given, ()):
            bound[role] = NAMED_SETS[given][role]
            continue
        fields = {"name": given} if isinstance(given, str) else given
        if not isinstance(fields, dict):
            raise ValueError(f"{role}: expected a name, or settings such as name: and dtype:")
        kind = Endpoint if role in ANSWERING and "base_url" in fields else Checkpoint
        try:
            bound[role] = kind.model_validate(fields)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{role}.{where}: {first['msg']}") from None
        foreign = [name for name in OF_DIFFUSION if name in fields and role != "diffusion"]
        if foreign:
            raise ValueError(f"{role}.{foreign[0]}: a setting of diffusion alone")
    return bound
