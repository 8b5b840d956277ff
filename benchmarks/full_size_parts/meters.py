"""Most memory of a phase, its arithmetic, and the tokens that language models read and write."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KIB = 1 << 10
MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}
MATMUL_SECONDS = 1.0


class PeakMemory:
    """Of this process on the CPU, or of its tensors on a GPU. In bytes."""

    def __init__(self, device: str) -> None:
        self._device = device

    def reset(self) -> None:
        """Forget what was, but for what is still in memory."""
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            RESET.write_text("5")  # see proc(5): the peak becomes what is in memory now

    def read(self) -> int:
        """The most since the last reset."""
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated()
        (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * KIB


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


class TokenMeter:
    """Counts what language models of transformers read and write, and the seconds of that."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.read = self.written = 0
        self.seconds = 0.0

    @contextmanager
    def installed(self) -> Iterator[None]:
        from transformers import GenerationMixin

        own = GenerationMixin.generate

        def generate(model: Any, *given: Any, **how: Any) -> Any:
            began = time.perf_counter()
            made = own(model, *given, **how)
            synchronize(self._device)
            self.seconds += time.perf_counter() - began
            asked = how["input_ids"]
            sequences = made if isinstance(made, torch.Tensor) else made.sequences
            self.read += asked.numel()
            self.written += sequences.numel() - asked.numel()
            return made

        GenerationMixin.generate = generate
        try:
            yield
        finally:
            GenerationMixin.generate = own


@contextmanager
def counted(arithmetic: dict[str, float]) -> Iterator[None]:
    """Puts the TFLOP of what torch does meanwhile into `arithmetic["tflop"]`."""
    with FlopCounterMode(display=False) as counter:
        try:
            yield
        finally:
            arithmetic["tflop"] = counter.get_total_flops() / 1e12


def matmul_rate(device: str, side: int | None = None) -> float:
    """TFLOP/s that a product of two large square matrices in bfloat16 reaches, the best of some."""
    side = side or MATMUL_SIDE[device]
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / 1e12 / best_seconds(lambda: a @ b, device)


def best_seconds(work: Callable[[], Any], device: str, least: int = 3) -> float:
    """Of a call: the quickest of those that fit into a second, and of `least` at least."""
    work()  # what is only done once
    synchronize(device)
    taken: list[float] = []
    while len(taken) < least or sum(taken) < MATMUL_SECONDS:
        began = time.perf_counter()
        work()
        synchronize(device)
        taken.append(time.perf_counter() - began)
    return min(taken)
