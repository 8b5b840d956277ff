"""What the parts of `benchmarks/hallucination.py` share."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

import numpy as np
from embedded.figures import Figure

from hallucination_parts.efuf_data import sorted_captions
from hallucination_parts.scenes import HeldOutScenes, Said
from hallucination_parts.tower import SeenOnce, share_tower
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.training.check import check_training
from imgdiff.training.start import train

EFUF_SCENES = 1024  # that EFUF's data is made of


@dataclass
class Bench:
    """folder: where data, models and kept measurements lie. quick: one seed, less of all.

    tower: the embedded MLLM on a vision tower tuned by OHD-Caps, if there is one.
    """

    folder: Path
    quick: bool
    tower: Path | None = None
    _towers: dict[bytes, SeenOnce] = field(default_factory=dict)

    @property
    def seeds(self) -> Sequence[int]:
        return (1,) if self.quick else (1, 2, 3)

    @cached_property
    def efuf_sets(self) -> tuple[Path, Path]:
        """EFUF's data sorted by CLIP and by the truth, made if it is not there."""
        count = EFUF_SCENES // 2 if self.quick else EFUF_SCENES
        return sorted_captions(self.folder / f"efuf_data_{count}", count)

    @cached_property
    def scenes(self) -> HeldOutScenes:
        """1,000 test scenes, and POPE's questions about those with three objects."""
        return HeldOutScenes(1000)

    @cached_property
    def before(self) -> Said:
        """What the embedded MLLM says of the test scenes."""
        return self.said_by(EMBEDDED_WEIGHTS / "mllm")

    def said_by(self, model: Path) -> Said:
        """What a model says of the test scenes; kept, and not asked again."""
        file = self.file_of(model, "said", "npz")
        if file.exists():
            return Said.read(file)
        said = self.scenes.said_by(self.load(model))
        said.write(file)
        return said

    def captions_of(self, model: Path) -> np.ndarray:
        """What was counted of a model's captions, as in `Said`; kept too."""
        file = self.file_of(model, "captions", "npy")
        if not file.exists():
            counts = self.scenes.captions(self.load(model))
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, counts)
        return np.load(file)

    def file_of(self, model: Path, what: str, ending: str) -> Path:
        """Where something that was measured of a model's weights is kept."""
        digest = blake2b((model / "model.safetensors").read_bytes(), digest_size=8).hexdigest()
        return self.folder / f"{what}-{digest}.{ending}"

    def load(self, model: Path) -> ImageTextToText:
        """A model that sees each picture once, if its tower is that of one loaded before."""
        mllm = ImageTextToText.load(Checkpoint(name=str(model)))
        share_tower(mllm, self._towers)
        return mllm

    def keep(self, part: str, figures: Sequence[Figure]) -> None:
        """Write a part's figures beside its models."""
        table = [asdict(each) for each in figures]
        self._figures_file(part).write_text(json.dumps(table, indent=1))

    def kept(self, part: str) -> list[Figure]:
        """A part's figures, as they were last kept; none if it was never measured."""
        file = self._figures_file(part)
        return [Figure(**each) for each in json.loads(file.read_text())] if file.exists() else []

    def _figures_file(self, part: str) -> Path:
        return self.folder / f"figures-{part}.json"

    def trained(self, name: str, recipe: str, settings: Sequence[str]) -> Path:
        """The model that a recipe trains, with `key=value` settings, in a folder of that name; a
        training that was finished in the same way is not done again."""
        target = self.folder / name
        train(check_training(recipe, [*settings, f"export_path={target}"]), restart=False)
        return target / "model"
