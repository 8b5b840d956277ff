"""Distillation: the student's one step goes where the teacher's several go."""

import itertools

import torch
from diffusers import DDIMScheduler

from imgdiff.toyland.world.train.diffusion import noise_scheduler
from imgdiff.toyland.world.train.few_steps import (
    STEPS,
    SUBSTEPS,
    ddim_step,
    grid,
    level,
    target,
    v_that_leads_to,
)


def pieces(count=6):
    torch.manual_seed(0)
    return torch.randn(count, 4, 8, 8), torch.randn(count, 4, 8, 8)


def test_a_step_is_that_of_diffusers():
    scheduler: DDIMScheduler = noise_scheduler()
    stops = grid(scheduler, STEPS)
    noisy, v = pieces(1)
    for start, end in itertools.pairwise(stops):
        ours = ddim_step(noisy, v, level(scheduler, start[None]), level(scheduler, end[None]))
        theirs = scheduler.step(v, start, noisy).prev_sample
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_v_that_leads_somewhere_leads_there():
    scheduler = noise_scheduler()
    stops = grid(scheduler, STEPS)
    noisy, wanted = pieces(STEPS)
    here, there = level(scheduler, stops[:-1]), level(scheduler, stops[1:])
    v = v_that_leads_to(noisy, wanted, here, there)
    torch.testing.assert_close(ddim_step(noisy, v, here, there), wanted, rtol=1e-4, atol=1e-4)


def test_the_target_is_the_teachers_way():
    """A teacher that always says the same: walked by hand."""
    scheduler = noise_scheduler()
    stops = grid(scheduler, STEPS)
    noisy, said = pieces(2)
    asked = []

    class Teacher:
        def guided(self, here, now, text):
            asked.append(now.tolist())
            return said

    start, end = stops[[0, 3]], stops[[1, 4]]
    v = target(Teacher(), scheduler, noisy, start, end, text=None)
    assert len(asked) == SUBSTEPS
    assert asked[0] == start.tolist()
    walked = noisy
    for k in range(SUBSTEPS):
        now, then = (start + (end - start) * j // SUBSTEPS for j in (k, k + 1))
        walked = ddim_step(walked, said, level(scheduler, now), level(scheduler, then))
    reached = ddim_step(noisy, v, level(scheduler, start), level(scheduler, end))
    torch.testing.assert_close(reached, walked, rtol=1e-4, atol=1e-4)


def test_the_last_step_ends_without_noise():
    scheduler = noise_scheduler()
    there = level(scheduler, grid(scheduler, STEPS)[-1:])
    assert there.clean.item() == 1
    assert there.noise.item() == 0
