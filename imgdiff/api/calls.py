"""An operator called from Python, on rows that are at hand."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Row, derive_seed
from imgdiff.data.storable import checks_of
from imgdiff.engine.batches import Batches
from imgdiff.engine.selection import Selection
from imgdiff.errors import RefusedError
from imgdiff.models import Models
from imgdiff.models.trust import NOTHING_MORE, Trust
from imgdiff.operator import INHERITED, Operator, Selector
from imgdiff.recipe.check import bound_models, operators_of
from imgdiff.recipe.source import Source

SEED = 42  # as in recipes


def load_operator(
    name: str,
    *,
    models: str | dict[str, Any] = "embedded",
    seed: int = SEED,
    trust: Trust = NOTHING_MORE,
    **settings: Any,
) -> "LoadedOperator":
    """An operator, or a composite of several, to be called on rows.

    Args:
        name: as in recipes; `imgdiff operators` lists them.
        models: as in recipes; they are loaded when a row first needs them, and then kept.
        seed: of rows that are given as mappings.
        trust: what models are allowed, as the command line says it.
        settings: of the operator; of a composite, each step's: `image_segment_mapper={...}`.

    Raises:
        RefusedError: there is no such operator, a setting is wrong, or a model cannot serve.
    """
    source = Source(Path(name), {"process": [{name: settings}], "models": models})
    inherited = {key: settings[key] for key in INHERITED if key in settings}
    steps = list(operators_of(source, inherited))
    bound = bound_models(source, steps, trust)
    if source.problems:
        texts = (f"{each.key}: {each.text}" for each in source.problems)
        raise RefusedError("\n".join(text.removeprefix("process[0].") for text in texts))
    return LoadedOperator([operator for _, operator in steps], Models(bound), seed)


class LoadedOperator:
    """Operators with their models, as `load_operator` makes them."""

    def __init__(self, operators: Sequence[Operator], models: Models, seed: int) -> None:
        self._operators, self._models, self._seed = operators, models, seed
        self._set_up: list[Operator] = []

    def __call__(self, rows: Iterable[Row | Mapping[str, Any]]) -> list[Row]:
        """What a run makes of the rows, in order; those that are given stay as they are.

        A bad row ends as failed, with its reason. A selector begins with nothing kept.

        Args:
            rows: of an earlier call or of a run, or mappings of fields, with an `id` or without:
                `{"caption_a": "a cat"}`. A picture is a PIL image, an array [H, W, 3] uint8, the
                bytes of its file, or the path of a file.
        """
        made = [self._row(number, row) for number, row in enumerate(rows)]
        for operator in self._ready(made):
            checks = checks_of(operator.fields)
            if isinstance(operator, Selector):
                Selection([operator], checks).run(made)
            else:
                Batches(operator, checks).run(made)
        return made

    def _ready(self, rows: Sequence[Row]) -> list[Operator]:
        """The operators, set up with what they have to know of all the rows."""
        surveyed = [operator.survey(rows) for operator in self._operators]
        if not self._set_up or any(what is not None for what in surveyed):
            self._set_up = [operator.fresh() for operator in self._operators]
            for operator, what in zip(self._set_up, surveyed, strict=True):
                operator.surveyed = what
                if not isinstance(operator, Selector):
                    operator.setup(self._models)
        return self._set_up

    def _row(self, number: int, given: Row | Mapping[str, Any]) -> Row:
        if isinstance(given, Row):
            return given.copy()
        id_ = str(given.get("id", number))
        values = {
            name: _as_stored(value) if name.startswith("image_") else value
            for name, value in given.items()
            if name != "id"
        }
        return Row(id_, derive_seed(self._seed, id_), values)


def _as_stored(picture: Any) -> Any:
    """A picture as rows hold it."""
    if isinstance(picture, Picture.Image):
        picture = np.asarray(picture.convert("RGB"))
    if isinstance(picture, np.ndarray):
        return encode_png(picture)
    if isinstance(picture, str | Path):
        return {"bytes": Path(picture).read_bytes(), "path": Path(picture).name}
    return {"bytes": picture, "path": None} if isinstance(picture, bytes) else picture
