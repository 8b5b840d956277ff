"""What the parts of `benchmarks/hallucination.py` share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from faithful.scenes import Said, TestScenes
from imgdiff.models.mllm import Mllm
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.training.check import check_training
from imgdiff.training.command import train


@dataclass
class Bench:
    """folder: where data, models and kept measurements lie. quick: one seed, less of all."""

    folder: Path
    quick: bool

    @property
    def seeds(self) -> Sequence[int]:
        return (1,) if self.quick else (1, 2, 3)

    @cached_property
    def scenes(self) -> TestScenes:
        """1,000 test scenes, and POPE's questions about those with three objects."""
        return TestScenes(1000)

    @cached_property
    def before(self) -> Said:
        """What the embedded MLLM says of the test scenes."""
        return self.said_by(EMBEDDED_WEIGHTS / "mllm")

    def said_by(self, model: Path) -> Said:
        """What a model says of the test scenes."""
        return self.scenes.said_by(Mllm.load(Checkpoint(name=str(model))))

    def trained(self, name: str, recipe: str, settings: Sequence[str]) -> Path:
        """The model that a recipe trains, with `key=value` settings, in a folder of that name; a
        training that was finished in the same way is not done again."""
        target = self.folder / name
        train(check_training(recipe, [*settings, f"export_path={target}"]), restart=False)
        return target / "model"
