"""What operators have to know of the whole input before the first row: one pass over it."""

from collections.abc import Iterator
from typing import Any

from imgdiff.data.fields import TEXT
from imgdiff.data.input import Demand, Input
from imgdiff.data.readers import open_input
from imgdiff.data.rows import Row
from imgdiff.engine.faults import explained
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.operator import Operator
from imgdiff.recipe.plan import Plan
from imgdiff.store.files import to_json
from imgdiff.store.interface import Store

FOLDER = "surveys"  # of the run, for people
SPAN = 1000  # rows in memory at once


def survey(plan: Plan, source: Input) -> None:
    """Let every operator that surveys the input do so. It travels with its answer to all workers.

    The answer depends on the input and the operator's settings alone, so a resumed run gets it
    again; all rows count, whatever `limit` says.

    Raises:
        RefusedError: an operator cannot do with such an input.
    """
    for operator in plan.operators:
        if type(operator).survey is not Operator.survey:
            operator.surveyed = _survey(operator, source)


def _survey(operator: Operator, source: Input) -> Any:
    try:
        found = operator.survey(surveyed_rows(source))
        to_json({operator.name: found})  # plain values, as they are kept
    except (RefusedError, StoppedError):
        raise
    except (Exception, SystemExit) as error:
        text = f"{operator.name} cannot survey {source.path}: {explained(error)[1]}"
        raise RefusedError(text) from error
    return found


def write_surveys(plan: Plan, store: Store) -> None:
    """Leave the answers with the run, as `surveys/OPERATOR.json`."""
    for operator in plan.operators:
        if operator.surveyed is not None:
            store.replace(f"{FOLDER}/{operator.name}.json", to_json(operator.surveyed))


def surveyed_rows(source: Input) -> Iterator[Row]:
    """The readable rows of an input with their captions and objects alone, none kept."""
    fields = source.address.fields.values()
    others = frozenset(field.name for field in fields if field.kind not in (TEXT, [TEXT]))
    demand = Demand(0, 0, needed=frozenset(), made=others)
    with open_input(source.address) as reader:
        for start in range(0, len(source), SPAN):
            part = source.part(start, min(start + SPAN, len(source)))
            yield from (row for row in part.rows(demand, reader) if row.ok)
