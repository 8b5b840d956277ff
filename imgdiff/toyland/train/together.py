"""Several processes that train one model, started by `torchrun --nproc-per-node N`.

On a few CPU cores, one process of one thread for each core is faster than one process of many
threads: a step of these small models is too short to be shared out well.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


def join_processes() -> None:
    """Meet the other processes, if torchrun started any."""
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")


def rank() -> int:
    """This process's number; 0 is the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Every process gets the mean of all processes' gradients, sent as one tensor."""
    if world() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


@contextmanager
def first_alone() -> Iterator[None]:
    """Process 0 does the block first; the others then find its files."""
    if world() > 1 and rank() > 0:
        dist.barrier()
    yield
    if world() > 1 and rank() == 0:
        dist.barrier()
