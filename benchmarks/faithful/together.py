"""SEED after EFUF: what both do to captions and answers of the embedded MLLM."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from embedded.figures import Figure

from faithful import changes, efuf, seed
from faithful.bench import Bench
from faithful.yes_no import counts, exam, verdicts
from imgdiff.evaluation import pope


def measure(bench: Bench) -> list[Figure]:
    """All figures, over all seeds: of SEED that starts from EFUF's models."""
    models = [model(bench, number) for number in bench.seeds]
    questions = exam("test", seed.SCENES // 4 if bench.quick else seed.SCENES)
    base = bench.load(seed.BASE)
    before, *after = (
        {
            setting: counts(questions, setting, verdicts(base, logits.argmax(-1)))
            for setting in pope.SETTINGS
        }
        for logits in (seed.answers(bench, one, questions) for one in (seed.BASE, *models))
    )
    return [
        *caption_figures(bench.before.captions, sum(bench.captions_of(one) for one in models)),
        *pope_figures(before, {s: sum(each[s] for each in after) for s in pope.SETTINGS}),
    ]


def model(bench: Bench, number: int) -> Path:
    """The folder of EFUF's model of a seed after SEED."""
    sets, _ = efuf.data(bench)
    return seed.model(bench, "together", number, f"model={efuf.model(bench, sets, number)}")


def caption_figures(old: np.ndarray, new: np.ndarray) -> list[Figure]:
    """Captions before any of them, and after both; counts as in `Said`."""
    return [
        changes.level(
            "together_chair_i_before", "mentions that are hallucinated", old, changes.chair_i
        ),
        changes.level("together_chair_i_after", "the same after both", new, changes.chair_i),
        changes.ratio("together_chair_i_ratio", "after over before", old, new, changes.chair_i),
        changes.difference(
            "together_recall_change",
            "true objects that are named: change, points",
            old,
            new,
            changes.recall,
        ),
        changes.ratio(
            "together_length_ratio",
            "words of a caption, after over before",
            old,
            new,
            changes.words,
        ),
    ]


def pope_figures(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> list[Figure]:
    """Greedy answers before any of them, and after both: setting -> counts of `yes_no`."""
    figures = []
    for setting, old in before.items():
        name, new = f"together_pope_{setting}_f1", after[setting]
        figures += [
            changes.level(f"{name}_before", f"POPE {setting}: F1, greedy", old, changes.f1),
            changes.difference(f"{name}_change", "its change, points", old, new, changes.f1),
        ]
    return figures
