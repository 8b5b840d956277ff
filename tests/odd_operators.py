"""Operators that do what none should, at rows whose caption is `odd`."""

import sys
from decimal import Decimal
from typing import Literal

import numpy as np

from imgdiff.data.rows import Region
from imgdiff.errors import StoppedError
from imgdiff.operator import Filter, Mapper, Params, Selector, register
from imgdiff.store.shard_files import ShardFiles


class UnreadableError(Exception):
    def __str__(self):
        raise ValueError("no text")


class UnreadableValue:
    def __repr__(self):
        raise ValueError("no text")


class PanicError(BaseException):
    """As a library in Rust raises it."""


def raising(error):
    def act(row):
        raise error

    return act


def leaving(**values):
    """Sets attributes of the row, or else fields."""

    def act(row):
        for name, value in values.items():
            if name in vars(row):
                setattr(row, name, value)
            else:
                row[name] = value

    return act


def of_region(**values):
    def act(row):
        region = Region((0.0, 0.0, 1.0, 1.0), "a")
        for name, value in values.items():
            setattr(region, name, value)
        row.regions = [Region((0.0, 0.0, 1.0, 1.0), "a"), region]

    return act


ACTS = {
    "number": leaving(caption_b=3),
    "list": leaving(caption_b=["a", "b"]),
    "bytes": leaving(caption_b=b"a"),
    "surrogate": leaving(caption_b="a \ud800 b"),
    "unreadable_value": leaving(caption_b=UnreadableValue()),
    "edit_text": leaving(edit="replace"),
    "edit_inside": leaving(edit={"kind": "replace", "source": 1, "target": "b"}),
    "objects_text": leaving(objects="car"),
    "objects_inside": leaving(objects=["car", 5]),
    "image_text": leaving(image_a={"bytes": "GIF89", "path": None}),
    "image_path": leaving(image_a="a.png"),
    "input_spoilt": lambda row: row["objects"].append(5),
    "regions_none": leaving(regions=None),
    "regions_mapping": leaving(regions=[{"box_xyxy": (0, 0, 1, 1)}]),
    "box_short": of_region(box_xyxy=(0.0, 1.0)),
    "box_none": of_region(box_xyxy=(0.0, 0.0, None, 1.0)),
    "region_caption": of_region(caption_a=None),
    "region_status": of_region(status="done"),
    "region_score": of_region(scores={"area_width": Decimal(1)}),
    "mask": of_region(mask={"size": [1, 1], "counts": [2**40]}),
    "status_done": leaving(status="done"),
    "status_none": leaving(status=None),
    "no_reason": leaving(status="rejected"),
    "reason_none": leaving(status="failed", reason=None),
    "message_number": lambda row: row.reject("odd_mapper", "code", 5),
    "seed": leaving(seed="7"),
    "exit": lambda row: sys.exit(0),
    "unreadable": raising(UnreadableError()),
    "panic": raising(PanicError("the library panicked")),
    "surrogate_error": raising(ValueError("\ud800 is bad")),
    "no_server": raising(StoppedError("mine at http://nowhere cannot be reached")),
    "no_library": raising(ImportError("libGL.so.1: cannot open shared object file")),
    "disk_full": raising(OSError(28, "No space left on device")),
    "late_library": lambda row: __import__("late_library"),
    "nothing": lambda row: None,
}


class ActParams(Params):
    act: Literal[tuple(ACTS)] = "nothing"


@register("odd_mapper")
class OddMapper(Mapper):
    Params = ActParams
    reads = ("caption_a",)
    writes = ("caption_b", "edit", "image_a", "regions")

    def process(self, rows):
        for row in rows:
            row["caption_b"] = row["caption_a"] + "!"
            if row["caption_a"] == "odd":
                ACTS[self.params.act](row)


class SpoiltError(Exception):
    def __init__(self, text, place):
        super().__init__(text)


@register("spoiling_mapper")
class SpoilingMapper(Mapper):
    """Breaks what stores its rows, as a bug of the engine would."""

    def process(self, rows):
        def write(*given):
            raise SpoiltError("not to be stored", "here")

        ShardFiles.write = write


@register("asking_mapper")
class AskingMapper(Mapper):
    """Write what a server answers."""

    reads = ("caption_a",)
    writes = ("caption_b",)
    roles = ("llm",)

    def setup(self, models):
        self.llm = models.llm()

    def process(self, rows):
        captions = [row["caption_a"] for row in rows]
        answers = self.llm.answer(captions, [row.seed % 2**31 for row in rows], 8, 0.0)
        for row, answer in zip(rows, answers, strict=True):
            row["caption_b"] = answer


SCORES = {
    "decimal": Decimal("0.5"),
    "text": "0.5",
    "none": None,
    "array": np.array([0.5, 0.6]),
    "huge": 2**60,
    "nan": float("nan"),
    "float32": np.float32(0.5),
    "whole": 1,
}


class ScoreParams(Params):
    score: Literal[tuple(SCORES)] = "whole"


@register("odd_filter")
class OddFilter(Filter):
    Params = ScoreParams
    scores = ("oddness",)

    def score(self, rows):
        for row in rows:
            row.scores["oddness"] = SCORES[self.params.score] if row["caption_a"] == "odd" else 0.5

    def decide(self, row):
        pass


class LimitParams(Params):
    limit: int = 0


@register("odd_limit_filter")
class OddLimitFilter(Filter):
    """Decides as it should while the limit is 0."""

    Params = LimitParams
    decided_by = ("limit",)
    scores = ("length",)

    def score(self, rows):
        for row in rows:
            row.scores["length"] = float(len(row["caption_a"]))

    def decide(self, row):
        if row.scores["length"] > 1 and self.params.limit == 1:
            row.status = "done"
        if row.scores["length"] > 1 and self.params.limit == 2:
            sys.exit(0)


SETUPS = {
    "runtime": RuntimeError("size mismatch for\n\tweight"),
    "key": KeyError("unet"),
    "library": ImportError("No module named 'sam'"),
    "exit": SystemExit(0),
    "unreadable": UnreadableError(),
    "file": OSError("weights are missing"),
}


class SetupParams(Params):
    error: Literal[tuple(SETUPS)] = "runtime"


@register("unready_mapper")
class UnreadyMapper(Mapper):
    Params = SetupParams

    def setup(self, models):
        raise SETUPS[self.params.error]

    def process(self, rows):
        pass


@register("unsurveyed_mapper")
class UnsurveyedMapper(UnreadyMapper):
    """Cannot take the input into account."""

    def survey(self, rows):
        raise SETUPS[self.params.error]

    def setup(self, models):
        pass


@register("odd_selector")
class OddSelector(Selector):
    Params = SetupParams

    def setup(self, models):
        if self.params.error == "file":
            raise SETUPS["file"]

    def decide(self, row):
        if row["caption_a"] == "odd" and self.params.error == "exit":
            raise SETUPS["exit"]

    def keep(self, row):
        if row["caption_a"] == "odd" and self.params.error == "key":
            raise SETUPS["key"]
