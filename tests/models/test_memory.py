"""Work in parts that fit: the same answers as one by one, whatever does not fit on the way."""

import logging

import pytest
import torch

from imgdiff.models.memory import CPU_BYTES, GROWS_AFTER, SHARE, Parts, free_bytes


class Memory:
    """Holds so many bytes; each item takes `each`. sizes: of the parts that came."""

    def __init__(self, held, each):
        self.held, self.each, self.sizes = held, each, []

    def work(self, items):
        self.sizes.append(len(items))
        if len(items) * self.each > self.held:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [item * 2 for item in items]


def run(memory, count, cost, parts=None):
    parts = parts or Parts("a model", lambda: memory.held / SHARE)
    return parts.run(range(count), [cost] * count, memory.work)


@pytest.mark.parametrize("cost", [0.001, 1, 3, 10, 1000])
@pytest.mark.parametrize("each", [1, 3, 10])
def test_an_estimate_may_be_wrong_the_answers_are_not(cost, each):
    memory = Memory(10, each)
    assert run(memory, 23, cost) == [2 * k for k in range(23)]


def test_no_more_than_the_estimate_allows():
    memory = Memory(10, 1)
    run(memory, 8, 3)
    assert memory.sizes == [3, 3, 2]


def test_a_part_is_padded_to_its_largest():
    memory = Memory(10, 1)
    parts = Parts("a model", lambda: 10 / SHARE)
    parts.run(range(6), [1, 1, 1, 5, 1, 1], memory.work)
    assert memory.sizes == [3, 2, 1]


def test_what_did_not_fit_is_remembered_and_tried_again_later(caplog):
    memory = Memory(10, 5)
    parts = Parts("a model", lambda: 10 / SHARE)
    with caplog.at_level(logging.WARNING):
        run(memory, 20, 1, parts)
    assert memory.sizes[:3] == [10, 5, 2]
    assert set(memory.sizes[3:]) == {2, 4}  # four are tried again, after eight parts of two
    assert memory.sizes.index(4) == 2 + GROWS_AFTER
    assert "a model: 10 at once did not fit in memory, 5 from now on" in caplog.text
    memory.sizes.clear()
    run(memory, 4, 1, parts)
    assert memory.sizes == [2, 2]


def test_one_item_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        run(Memory(10, 11), 3, 1)


def test_other_errors_are_not_tried_again():
    def fail(items):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Parts("a model", lambda: 10).run(range(3), [1] * 3, fail)


def test_without_a_gpu_the_budget_is_the_same_everywhere():
    assert SHARE * free_bytes(torch.device("cpu")) == pytest.approx(CPU_BYTES)
