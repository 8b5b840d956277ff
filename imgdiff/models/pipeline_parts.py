"""What a recipe may exchange in a pipeline: its UNet, its scheduler; or add: a LoRA.

Few-step models of SDXL are published so: SDXL-Lightning as a UNet or a LoRA, LCM likewise, each to
be used with a scheduler of its own.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from imgdiff.data.files import named_path
from imgdiff.data.hub import SAFE

SchedulerName = Literal[  # of diffusers: those that draw with SDXL
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
]


def local_path(name: str) -> Path | None:
    """Where that is on this disk; None for a name on the Hub."""
    path = named_path(name)
    return path if os.path.exists(path) or path.is_absolute() or name.startswith(".") else None


def digest_of(path: Path) -> str:
    """Changes with the content of a file, or with that and the names of all files of a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path) if path.is_dir() else "").encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return f"sha256:{digest.hexdigest()[:16]}"


class Weights(BaseModel):
    """Safetensors for one part of a pipeline."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    name: str = Field(min_length=1, description="local file or folder, or Hub name")
    file: str | None = Field(None, description="of the folder or repository; null: a whole model")
    revision: str | None = Field(None, description="branch, tag or commit on the Hub")

    @property
    def folder(self) -> Path | None:
        """What is on this disk, a folder or the file itself; None for a name on the Hub."""
        return local_path(self.name)

    @property
    def path(self) -> Path | None:
        """The file on this disk; None if there is none or it is a whole model."""
        if self.folder is None or (self.file is None and os.path.isdir(self.folder)):
            return None
        return self.folder / self.file if self.file else self.folder

    def problem(self, is_lora: bool) -> str | None:
        """Why it cannot be loaded, as far as can be told without loading."""
        if self.folder is None and self.name.count("/") != 1:
            return f"{self.name} is neither a file, a folder nor a Hub name (owner/name)"
        if self.folder is not None and not os.path.exists(self.path or self.folder):
            return f"no such file: {self.path or self.folder}"
        file = self.file or (None if self.path is None else self.path.name)
        if file is not None and not file.endswith(SAFE):
            return f"{file} is no {SAFE} file (imgdiff loads no pickled weights)"
        return "say which file of it, as file:" if is_lora and file is None else None

    def fingerprint(self) -> str:
        """Changes with the weights."""
        if self.folder is not None:
            return digest_of(self.path or self.folder)
        return f"{self.name}/{self.file or ''}@{self.revision or 'main'}"


class Scheduler(BaseModel):
    """How a pipeline goes from noise to a picture. What is not said here stays as the pipeline's
    own is set."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True)

    name: SchedulerName = Field(description="a class of diffusers")
    timestep_spacing: Literal["leading", "trailing", "linspace"] | None = None


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


WeightsSetting = Annotated[Weights, BeforeValidator(_named)]
SchedulerSetting = Annotated[Scheduler, BeforeValidator(_named)]
