"""The folder of a training: what it was begun with, its checkpoints, its model and its curve."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgdiff.errors import RefusedError
from imgdiff.models.revisions import at_commit
from imgdiff.models.zoo import Checkpoint
from imgdiff.store.files import locked, read_json, swap_folder, to_json, write_atomic
from imgdiff.store.identity import WAY_OUT, package_version, setting_differences
from imgdiff.training.recipe import TrainingRecipe

RECORD, LOCK = "training.json", "training.lock"
PACKAGES = ("imgdiff", "accelerate", "datasets", "peft", "torch", "transformers")


@dataclass
class TrainingFolder:
    """`training.json`, `checkpoints/`, `model/`, `curve.csv`, `curve.png` and `train.log`.

    checkpoint: the model that the training starts from; of the Hub at a commit.
    stop: set when a person asked to stop; the training then writes a checkpoint and ends.
    """

    path: Path
    record: dict[str, Any]
    checkpoint: Checkpoint
    stop: threading.Event

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Where the trained model lies, to be loaded as any other."""
        return self.path / "model"

    @property
    def project_name(self) -> str:
        return str(self.record["recipe"]["project_name"])

    @property
    def finished(self) -> bool:
        return "figures" in self.record

    def save(self, name: str, write: Callable[[Path], None]) -> None:
        """Let `write` fill a folder which then takes the place of folder `name`, whole or not at
        all; where several processes train, the first one does."""
        if is_first():
            new = self.path / f".{name}.new"
            new.mkdir(exist_ok=True)
            write(new)
            swap_folder(new, self.path / name)

    def finish(self, figures: dict[str, Any]) -> None:
        """Note that the training came to its end, and what it came to."""
        self.record["figures"] = figures
        if is_first():
            write_atomic(self.path / RECORD, to_json(self.record))


def is_first() -> bool:
    """Whether this is the first process, or the only one (torchrun and accelerate set RANK)."""
    return int(os.environ.get("RANK", 0)) == 0


@contextmanager
def open_training(
    recipe: TrainingRecipe, restart: bool, stop: threading.Event
) -> Iterator[TrainingFolder]:
    """The folder at `export_path`, begun or resumed, locked until the context ends.

    Raises:
        RefusedError: another process holds it, it was begun with another recipe or model, or the
            Hub does not have the model.
    """
    path = Path(recipe.export_path)
    checkpoint = _checkpoint(recipe, None if restart else read_json(path / RECORD))
    record = _describe(recipe, checkpoint)
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("a+")
    except OSError as error:
        raise RefusedError(f"cannot write to {path}: {error.strerror}") from None
    with file, locked(file) if is_first() else nullcontext() as holder:
        if holder is not None:
            raise RefusedError(f"{path} is in use by {holder}. Wait for it.")
        begun = None if restart else read_json(path / RECORD)
        if begun is not None:
            _refuse_change(path, begun, record)
            record = begun
        elif is_first():
            _clear(path)
            write_atomic(path / RECORD, to_json(record))
        yield TrainingFolder(path, record, checkpoint, stop)


def _checkpoint(recipe: TrainingRecipe, begun: dict[str, Any] | None) -> Checkpoint:
    """The recipe's; of the Hub at the commit that the training was begun with."""
    recorded = None
    if begun is not None and begun["recipe"]["model"] == recipe.model:
        recorded = begun["model"].get("revision")
    try:
        return at_commit(recipe.checkpoint(), recorded)
    except RefusedError as refusal:
        raise RefusedError(f"model: {refusal}") from None


def _describe(recipe: TrainingRecipe, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "recipe": recipe.model_dump(mode="json"),
        "model": {
            "name": checkpoint.name,
            "revision": None if checkpoint.folder else checkpoint.revision,
            "fingerprint": checkpoint.fingerprint(),
        },
        "versions": {name: package_version(name) for name in PACKAGES},
    }


def _refuse_change(path: Path, begun: dict[str, Any], record: dict[str, Any]) -> None:
    """A training goes on as it began: a checkpoint belongs to one schedule and one set of data."""
    changed = [
        line
        for key in ("recipe", "model")
        for line in setting_differences(begun[key], record[key])
        if not line.startswith("export_path:")  # a folder may be moved, and go on elsewhere
    ]
    if changed:
        text = "; ".join(changed)
        raise RefusedError(f"{path} was begun with another recipe: {text}. {WAY_OUT}")


def _clear(path: Path) -> None:
    """Delete what an earlier training left, and nothing else."""
    for folder in ("checkpoints", "model", "adapter", "round-*"):
        for old in path.glob(folder):
            shutil.rmtree(old, ignore_errors=True)
    for name in ("curve.csv", "curve.png", "train.log"):
        (path / name).unlink(missing_ok=True)
