"""What is drawn from several sources, and what happens to rows that cannot be used."""

import logging

import numpy as np
import pytest
from torch.utils.data import DataLoader
from transformers import AutoProcessor

from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.training.conversations import TrainingExample
from imgdiff.training.mixing import Mixture, draw_rows


class Source:
    """So many examples, some of which cannot be read; the number is the answer."""

    def __init__(self, count, bad=()):
        self.name, self.count, self.bad = "source", count, bad

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        if number in self.bad:
            raise RowError("image_truncated", f"{number} is truncated")
        picture = np.zeros((8, 8, 3), np.uint8)
        turns = [("user", "<image>\nWhich?"), ("assistant", str(number))]
        return TrainingExample(str(number), [picture], turns)


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(EMBEDDED_WEIGHTS / "mllm")


def answer(processor, encoded):
    labels = encoded.tokens["labels"]
    return int(processor.tokenizer.decode(labels[labels != -100], skip_special_tokens=True))


def test_without_shares_every_row_comes_once():
    rows = draw_rows([3, 5], None, seed=1)
    assert sorted(map(tuple, rows.tolist())) == [(0, k) for k in range(3)] + [
        (1, k) for k in range(5)
    ]


@pytest.mark.parametrize(
    ("shares", "counts"), [([0.5, 0.5], (30, 30)), ([1, 3], (30, 90)), ([0.9, 0.1], (30, 3))]
)
def test_shares_are_kept_and_no_row_comes_twice(shares, counts):
    rows = draw_rows([30, 1000], shares, seed=1)
    assert tuple(np.bincount(rows[:, 0])) == counts
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_seed_draws_the_rows():
    first, again, other = (draw_rows([10, 1000], [1, 1], seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert set(first[10:, 1]) != set(other[10:, 1])


def test_a_bad_row_gives_way_to_the_next_and_is_counted_once(processor, caplog):
    mixture = Mixture([Source(6, bad=[2, 3])], None, 0, processor, 400)
    with caplog.at_level(logging.DEBUG, "imgdiff.train"):
        for _ in range(2):
            said = [answer(processor, mixture[number]) for number in range(6)]
    assert set(said) == {0, 1, 4, 5}
    assert mixture.dropped == 2
    assert sorted(record.getMessage() for record in caplog.records) == [
        "dropped: image_truncated: 2 is truncated",
        "dropped: image_truncated: 3 is truncated",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "DEBUG"]


def test_what_workers_drop_is_counted(processor):
    mixture = Mixture([Source(6, bad=[2, 3])], None, 0, processor, 400)
    list(DataLoader(mixture, num_workers=2, batch_size=None))
    assert mixture.dropped == 2


def test_nothing_to_train_on(processor):
    with pytest.raises(StoppedError, match="no example can be used"):
        Mixture([Source(2, bad=[0, 1])], None, 0, processor, 400)[0]
    with pytest.raises(RefusedError, match="source has no examples"):
        Mixture([Source(2), Source(0)], None, 0, processor, 400)
