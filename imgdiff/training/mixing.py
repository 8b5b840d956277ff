"""Several sources as one data set: by shares, in an order that the seed gives, past rows that
cannot be used."""

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.training.answers import Encoded, encode_example
from imgdiff.training.conversations import Examples, TrainingExample

log = logging.getLogger("imgdiff.train")
T = TypeVar("T")


def draw_rows(sizes: Sequence[int], shares: Sequence[float] | None, seed: int) -> np.ndarray:
    """[N, 2] int64: (source, row) of what is trained on, no row twice.

    With shares each source gives its part of N, and N is as large as the source allows that runs
    out first; which rows of the others is drawn with the seed. Without shares: every row.
    """
    counts = list(sizes)
    if shares is not None:
        parts = np.array(shares) / sum(shares)
        total = min(size / part for size, part in zip(sizes, parts, strict=True))
        counts = [max(1, round(total * part)) for part in parts]
    rng = np.random.default_rng([seed, 0])
    drawn = [
        np.stack([np.full(count, source), rng.permutation(size)[:count]], axis=1)
        for source, (size, count) in enumerate(zip(sizes, counts, strict=True))
    ]
    return np.concatenate(drawn)


class Drawn(Dataset[T]):
    """Examples of several sources, made ready for a model when they are asked for.

    A row that cannot be used is dropped with a line in the log, and the next one takes its place;
    the screen shows the first of each kind.

    Args:
        shares: one for each source, or None for every example once.
        max_length: tokens that the model takes; longer examples are dropped, not cut.

    Raises:
        RefusedError: a source is empty.
    """

    def __init__(
        self,
        sources: Sequence[Examples],
        shares: Sequence[float] | None,
        seed: int,
        processor: Any,
        max_length: int,
    ) -> None:
        for source in sources:
            if not len(source):
                raise RefusedError(f"{source.name} has no examples")
        self._sources, self._processor, self._max_length = sources, processor, max_length
        self._rows = draw_rows([len(source) for source in sources], shares, seed)
        self._told = set[str]()  # kinds of faults that a person has been told of
        self._bad = torch.zeros(len(self._rows), dtype=torch.bool).share_memory_()  # of all workers

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dropped(self) -> int:
        """How many rows were found so far that cannot be used."""
        return int(self._bad.sum())

    def __getitem__(self, number: int) -> T:
        """
        Raises:
            StoppedError: no row can be used.
        """
        for place in range(number, number + len(self)):
            place %= len(self)
            if self._bad[place]:
                continue
            source, row = self._rows[place]
            try:
                example = self._sources[source][int(row)]
                return self._use(example)
            except RowError as error:
                self._bad[place] = True
                new = error.code not in self._told
                self._told.add(error.code)
                log.log(
                    logging.WARNING if new else logging.DEBUG, "dropped: %s: %s", error.code, error
                )
        raise StoppedError("no example can be used; train.log says why of each")

    def _use(self, example: TrainingExample) -> T:
        """What the model gets of an example.

        Raises:
            RowError: it cannot be used.
        """
        raise NotImplementedError


class Mixture(Drawn[Encoded]):
    """Examples with their answers, encoded."""

    def _use(self, example: TrainingExample) -> Encoded:
        return encode_example(self._processor, example, self._max_length)
