"""Whether a row can be stored as it is: its values held against the types of the shard files.

Every row is looked at behind every operator, so what is usual (ASCII, floats) is passed first.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, get_args

import numpy as np

from imgdiff.data.fields import FIELDS, Field
from imgdiff.data.readers.base import kind, utf8
from imgdiff.data.rows import Region, Row, Status, features

STATUSES = get_args(Status)
NUMBERS = ({int}, {float})  # types of which the least and the greatest tell of all
LONGEST_VALUE = 60  # characters shown of a value that cannot be stored


class Misfit(NamedTuple):
    """A value of a wrong type. place: where in a field it is, such as `[2].text`."""

    place: str
    found: Any
    expected: str

    def inside(self, place: str) -> "Misfit":
        return self._replace(place=place + self.place)

    def __str__(self) -> str:
        try:
            shown = repr(self.found)
        except Exception:  # a value of any class may be here
            shown = "..."
        what = f"{kind(self.found)} ({shown[:LONGEST_VALUE]})"
        return utf8(f"{self.place} is {what}, expected {self.expected}")


Check = Callable[[Any], Misfit | None]


class Checks(NamedTuple):
    """By name: of a row's fields, of what every region has, and of what operators of one's own have
    declared for regions."""

    row: Mapping[str, Check]
    region: Mapping[str, Check]
    own_of_region: Mapping[str, Check]


def misfit(row: Row, checks: Checks | None = None) -> Misfit | None:
    """The first value of a row that cannot be stored, or is no ending; None if there is none.
    checks: of a run with fields of its own, as `checks_of` gives them."""
    checks = checks or usual_checks()
    if found := _text(row.message):
        return found.inside("message")
    return (
        _ending(row)
        or _scores(row.scores)
        or _values(row.values, checks.row)
        or _regions(row.regions, checks)
    )


def _ending(what: Row | Region) -> Misfit | None:
    """A status that is known, and why where it is not ok."""
    if not (isinstance(what.status, str) and what.status in STATUSES):
        return Misfit("status", what.status, " or ".join(STATUSES))
    if found := _text(what.reason):
        return found.inside("reason")
    if what.status != "ok" and not what.reason:
        return Misfit("reason", what.reason, f"why the status is {what.status}")
    return None


def _scores(scores: Any) -> Misfit | None:
    if not isinstance(scores, dict):
        return Misfit("scores", scores, "a mapping")
    for name, score in scores.items():
        if type(score) is not float and (found := _score(score)):
            return found.inside(f"scores.{name}")
    return None


def _values(values: Mapping[str, Any], checks: Mapping[str, Check]) -> Misfit | None:
    """What is None is taken to be missing; what is no field is not stored."""
    for name, value in values.items():
        if value is not None and name in checks and (found := checks[name](value)):
            return found.inside(name)
    return None


def _regions(regions: Any, checks: Checks) -> Misfit | None:
    if not isinstance(regions, list):
        return Misfit("regions", regions, "a list of regions")
    for number, region in enumerate(regions):
        if not isinstance(region, Region):
            return Misfit(f"regions[{number}]", region, "a region")
        if found := _region(region, checks):
            return found.inside(f"regions[{number}].")
    return None


def _region(region: Region, checks: Checks) -> Misfit | None:
    given = vars(region)
    for name, check in checks.region.items():
        value = given[name]
        usual = type(value) is str and check is _text and value.isascii()
        if not usual and (found := check(value)):
            return found.inside(name)
    own = _values(region.values, checks.own_of_region)
    return own or _ending(region) or _scores(region.scores)


def _text(value: Any) -> Misfit | None:
    if not isinstance(value, str):
        return Misfit("", value, "text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return Misfit("", value, "text without lone surrogates")
    return None


def _bytes(value: Any) -> Misfit | None:
    return None if isinstance(value, bytes) else Misfit("", value, "bytes")


def _whole(bits: int) -> Check:
    """Whole numbers of that many bits, with a sign."""
    most = 2 ** (bits - 1)

    def check(value: Any) -> Misfit | None:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if whole and -most <= value < most:
            return None
        return Misfit("", value, f"a whole number of {bits} bits")

    return check


def _real(digits: int) -> Check:
    """Numbers with that many binary digits; whole ones must not lose any."""

    def check(value: Any) -> Misfit | None:
        if isinstance(value, float | np.floating):
            return None
        if isinstance(value, int | np.integer) and abs(int(value)) <= 2**digits:
            return None
        return Misfit("", value, "a number")

    return check


_score = _real(53)


def _list(inner: Check, length: int | None = None) -> Check:
    expected = "a list" if length is None else f"a list of {length}"

    def check(value: Any) -> Misfit | None:
        if not isinstance(value, list | tuple | np.ndarray) or length not in (None, len(value)):
            return Misfit("", value, expected)
        if set(map(type, value)) in NUMBERS and not (inner(min(value)) or inner(max(value))):
            return None  # the code of a mask has thousands
        for number, item in enumerate(value):
            if found := inner(item):
                return found.inside(f"[{number}]")
        return None

    return check


def _mapping(inner: Mapping[str, Check]) -> Check:
    """What a key lacks is null."""

    def check(value: Any) -> Misfit | None:
        if not isinstance(value, dict):
            return Misfit("", value, "a mapping")
        for name, check_inner in inner.items():
            item = value.get(name)
            if item is not None and (found := check_inner(item)):
                return found.inside(f".{name}")
        return None

    return check


def _or_none(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _check_of(type_: Any) -> Check:
    """Of an Arrow type."""
    import pyarrow.types as is_a

    if is_a.is_struct(type_):
        return _mapping({field.name: _check_of(field.type) for field in type_})
    if is_a.is_fixed_size_list(type_):
        return _list(_check_of(type_.value_type), type_.list_size)
    if is_a.is_list(type_):
        return _list(_check_of(type_.value_type))
    if is_a.is_floating(type_):
        return _real(24 if type_.bit_width == 32 else 53)
    if is_a.is_integer(type_):
        return _whole(type_.bit_width)
    return _bytes if is_a.is_binary(type_) else _text


def checks_of(own: Sequence[Field] = ()) -> Checks:
    """The checks of a run. own: fields that its operators declare.

    Endings and scores are looked at apart: the names of these differ from recipe to recipe.
    """
    columns = [name for name in FIELDS if "." not in name]
    columns += [field.name for field in own if not field.of_region]
    types = {each.name: each.type for each in features(columns, (), (), own).arrow_schema}
    apart = ("status", "reason", "scores")
    declared = {field.column for field in own if field.of_region}
    inner = {each.name: _check_of(each.type) for each in types["regions"].value_type}
    inner["mask"] = _or_none(inner["mask"])
    return Checks(
        {name: _check_of(type_) for name, type_ in types.items()},
        {name: check for name, check in inner.items() if name not in declared.union(apart)},
        {name: check for name, check in inner.items() if name in declared},
    )


@cache
def usual_checks() -> Checks:
    """Of a run without fields of its own."""
    return checks_of()
