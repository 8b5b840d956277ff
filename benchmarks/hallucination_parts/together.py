"""SEED after EFUF, on the shipped tower and on one tuned by OHD-Caps: what all of it does to the
captions and answers of the embedded MLLM."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from embedded.figures import Figure

from hallucination_parts import changes, efuf, seed
from hallucination_parts.bench import Bench
from hallucination_parts.yes_no import counts, exam, verdicts
from imgdiff.evaluation import pope


def measure(bench: Bench) -> list[Figure]:
    """All figures, over all seeds: of SEED that starts from EFUF's models."""
    return figures(bench, "together", [model(bench, number) for number in bench.seeds])


def measure_tower(bench: Bench) -> list[Figure]:
    """The same on the tuned tower, one seed; and of `bench.tower`, its MLLM, alone."""
    sets, _ = bench.efuf_sets
    number = bench.seeds[0]
    unlearned = efuf.model(bench, sets, number, "efuf_tower", f"model={bench.tower}")
    both = seed.model(bench, "together_tower", number, f"model={unlearned}")
    return [*figures(bench, "tower", [bench.tower]), *figures(bench, "tower_together", [both])]


def figures(bench: Bench, prefix: str, models: Sequence[Path]) -> list[Figure]:
    """What models do, counted together, beside the embedded MLLM; prefix: of the figures' names."""
    questions = exam("test", seed.SCENES // 4 if bench.quick else seed.SCENES)
    base = bench.load(seed.BASE)
    before, *after = (
        {
            setting: counts(questions, setting, verdicts(base, logits.argmax(-1)))
            for setting in pope.SETTINGS
        }
        for logits in (seed.answers(bench, one, questions) for one in (seed.BASE, *models))
    )
    captions = bench.before.captions, sum(bench.captions_of(one) for one in models)
    answers = before, {s: sum(each[s] for each in after) for s in pope.SETTINGS}
    return [*caption_figures(prefix, *captions), *pope_figures(prefix, *answers)]


def model(bench: Bench, number: int) -> Path:
    """The folder of EFUF's model of a seed after SEED."""
    sets, _ = bench.efuf_sets
    return seed.model(bench, "together", number, f"model={efuf.model(bench, sets, number)}")


def caption_figures(prefix: str, old: np.ndarray, new: np.ndarray) -> list[Figure]:
    """Captions before any of them, and after; counts as in `Said`."""
    return [
        changes.level(
            f"{prefix}_chair_i_before", "mentions that are hallucinated", old, changes.chair_i
        ),
        changes.level(f"{prefix}_chair_i_after", "the same after", new, changes.chair_i),
        changes.ratio(f"{prefix}_chair_i_ratio", "after over before", old, new, changes.chair_i),
        changes.difference(
            f"{prefix}_recall_change",
            "true objects that are named: change, points",
            old,
            new,
            changes.recall,
        ),
        changes.ratio(
            f"{prefix}_length_ratio",
            "words of a caption, after over before",
            old,
            new,
            changes.words,
        ),
    ]


def pope_figures(
    prefix: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]
) -> list[Figure]:
    """Greedy answers before any of them, and after: setting -> counts of `yes_no`."""
    figures = []
    for setting, old in before.items():
        name, new = f"{prefix}_pope_{setting}_f1", after[setting]
        figures += [
            changes.level(f"{name}_before", f"POPE {setting}: F1, greedy", old, changes.f1),
            changes.difference(f"{name}_change", "its change, points", old, new, changes.f1),
        ]
    return figures
