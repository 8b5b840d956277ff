"""Operators that do not come to an end on some rows, or end their process."""

import os
import re
import signal
import time
from pathlib import Path

from imgdiff.operator import Mapper, register


def act(caption):
    if caption == "sleeps":
        time.sleep(600)
    if caption == "naps":
        time.sleep(4)
    if caption == "waits":
        Path("waiting").touch()
        while not Path("go_on").exists():
            time.sleep(0.05)
    if caption == "matches":  # holds the lock of the interpreter
        re.fullmatch("(a+)+b", "a" * 60)
    if caption == "dies":
        os.kill(os.getpid(), signal.SIGKILL)


@register("slow_mapper")
class SlowMapper(Mapper):
    reads, writes = ("caption_a",), ("caption_b",)

    def process(self, rows):
        for row in rows:
            act(row["caption_a"])
            row["caption_b"] = f"{row['caption_a']} {row.random(self.name).integers(100)}"


@register("slow_late_mapper")
class SlowLateMapper(Mapper):
    stage = "late"
    reads = ("caption_a",)

    def process(self, rows):
        for row in rows:
            act(row["caption_a"].removeprefix("late "))
