"""Which checkpoint plays which role: names, places and fingerprints, without loading anything."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

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
URL = re.compile(r"https?://[^\s@]+")  # without user or password: it is written into run.json
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
        if self.folder is not None and not self.folder.is_dir():
            return f"no such folder: {self.name}"
        if self.folder is None and self.name.count("/") != 1:
            return f"{self.name} is neither a folder nor a Hub name (owner/name)"
        if self.folder is not None and not any(self.folder.rglob("*.safetensors")):
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
        "OPENAI_API_KEY", description="environment variable with the key; unset: none is sent"
    )
    concurrent_requests: int = Field(8, ge=1, le=256)
    timeout_s: float = Field(120.0, gt=0, description="for one answer")
    tries: int = Field(5, ge=1, le=20, description="of one question, before its row fails")
    family: str | None = Field(
        None, description="of the model that answers, by which it is asked; null: any"
    )
    extra_body: dict[str, Any] = Field(
        {}, description="fields of every request, above all others; null leaves one out"
    )

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
