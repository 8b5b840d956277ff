"""What changed from one model to another on the same images, with paired bootstrap intervals."""

from collections.abc import Callable

import numpy as np
from embedded.figures import Figure

from hallucination_parts.scenes import Said
from imgdiff.evaluation.pope import STATISTICS
from imgdiff.statistics.estimates import Estimate, divide, estimate

Statistic = Callable[[np.ndarray], np.ndarray]  # sums of counts [..., C] -> values [...]


def share(n: np.ndarray) -> np.ndarray:
    """The first column as a share of the second."""
    return divide(n[..., 0], n[..., 1])


chair_i = share  # of `Said.captions`: mentions that are not there, of all mentions


def recall(n: np.ndarray) -> np.ndarray:
    """Of `Said.captions`: the share of true objects that are named."""
    return divide(n[..., 2], n[..., 3])


def words(n: np.ndarray) -> np.ndarray:
    """Of `Said.captions`: the mean length of a caption."""
    return divide(n[..., 4], n[..., 5])


def perplexity(n: np.ndarray) -> np.ndarray:
    """Of `Said.reading`: of true captions."""
    return np.exp(divide(n[..., 0], n[..., 1]))


accuracy, f1, yes_rate = (STATISTICS[name] for name in ("accuracy", "f1", "yes_rate"))


def of_all(said: Said) -> np.ndarray:
    """[N, 4]: the answers to all POPE settings."""
    return np.sum(list(said.pope.values()), 0)


def level(
    name: str, meaning: str, counts: np.ndarray, statistic: Statistic, **bar: float
) -> Figure:
    """What one model does; counts [N, C], an image a row."""
    return _figure(name, meaning, estimate(counts, statistic), **bar)


def difference(
    name: str,
    meaning: str,
    before: np.ndarray,
    after: np.ndarray,
    statistic: Statistic,
    **bar: float,
) -> Figure:
    """after - before, in points: 100 times the difference."""
    found = estimate(*_paired(before, after, statistic, lambda old, new: 100 * (new - old)))
    return _figure(name, meaning, found, **bar)


def ratio(
    name: str,
    meaning: str,
    before: np.ndarray,
    after: np.ndarray,
    statistic: Statistic,
    **bar: float,
) -> Figure:
    """after / before."""
    found = estimate(*_paired(before, after, statistic, lambda old, new: divide(new, old)))
    return _figure(name, meaning, found, **bar)


def _paired(
    before: np.ndarray,
    after: np.ndarray,
    statistic: Statistic,
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> tuple[np.ndarray, Statistic]:
    """Both models' counts of an image in one row, so that an image is drawn with both."""
    columns = before.shape[1]
    return np.concatenate([before, after], 1), lambda n: compare(
        statistic(n[..., :columns]), statistic(n[..., columns:])
    )


def _figure(name: str, meaning: str, found: Estimate, **bar: float) -> Figure:
    return Figure(name, meaning, found.value, found.low, found.high, found.items, **bar)
