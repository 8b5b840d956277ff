"""What this machine has, told without importing torch."""

import csv
import io
import os
import shutil
import subprocess
from dataclasses import dataclass

ASKED = "index,name,memory.total,memory.free"
SECONDS = 10.0  # that nvidia-smi gets to answer
MIB = 1 << 20


@dataclass(frozen=True)
class Gpu:
    """total, free: bytes."""

    name: str
    total: int
    free: int


def gpus(visible_alone: bool = True) -> list[Gpu]:
    """The GPUs that this process may use, or all of the machine, as NVIDIA's driver knows them;
    none if there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        asked = [tool, f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found = {}
    for cells in csv.reader(io.StringIO(answer.stdout), skipinitialspace=True):
        index, name, total, free = cells
        found[index] = Gpu(name, int(total) * MIB, int(free) * MIB)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not visible_alone:
        return list(found.values())
    return [found[index] for index in visible.replace(" ", "").split(",") if index in found]
