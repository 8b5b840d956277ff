"""Helpers for tests of operators: rows in a line, and batches run as the engine runs them."""

from collections.abc import Iterable, Sequence
from typing import Any

from imgdiff.data.rows import Region, Row, derive_seed
from imgdiff.data.storable import checks_of
from imgdiff.engine.batches import Batches
from imgdiff.operator import Operator


def make_row(id: str = "row-0", regions: Iterable[Region] = (), **values: Any) -> Row:
    """A row that is still ok; `values` are its fields."""
    return Row(id=id, seed=derive_seed(42, id), values=values, regions=list(regions))


def run_operator(
    operator: type[Operator], rows: Sequence[Row], models: Any = None, **params: Any
) -> list[Row]:
    """What a run would make of the rows: batches, endings, bad rows alone."""
    instance = operator(operator.Params(**params))
    instance.surveyed = instance.survey(rows)  # as if these rows were the whole input
    instance.setup(models)
    after = list(rows)
    Batches(instance, checks_of(instance.fields)).run(after)
    return after
