"""EFUF on the embedded MLLM: what it makes up before and after, and what that costs."""

from pathlib import Path

import numpy as np
from embedded.figures import Figure, plain

from hallucination_parts import changes
from hallucination_parts.bench import Bench
from hallucination_parts.efuf_data import precision_figures
from hallucination_parts.scenes import Said

RECIPE = "recipes/train/efuf.yaml"


def measure(bench: Bench) -> list[Figure]:
    """All figures: of the recipe over all seeds; beside it, of one seed, sets sorted by the truth
    in place of CLIP: what a perfect judge would give."""
    by_clip, by_truth = bench.efuf_sets
    models = [model(bench, by_clip, seed) for seed in bench.seeds]
    each = [bench.said_by(one) for one in models]
    figures = [
        *precision_figures(by_clip),
        *compared(bench.before, Said.together(each)),
    ]
    for seed, said in zip(bench.seeds, each, strict=True):
        meaning = f"seed {seed}: mentions that are hallucinated"
        figures.append(changes.level(f"efuf_chair_i_seed_{seed}", meaning, said.captions, CHAIR_I))
    if not bench.quick:
        figures += oracle(bench, model(bench, by_truth, bench.seeds[0], "oracle"))
    return figures


CHAIR_I = changes.chair_i


def model(bench: Bench, sets: Path, seed: int, name: str = "efuf", *more: str) -> Path:
    """The folder of a purified model; more: settings of the recipe."""
    settings = (f"data={sets}", f"seed={seed}", *more)
    return bench.trained(f"{name}_{sets.name}_{seed}", RECIPE, settings)


def compared(before: Said, after: Said) -> list[Figure]:
    """Before and after, with the bars that the method should pass."""
    old, new = before.captions, after.captions
    asked = changes.of_all(before), changes.of_all(after)
    pope = changes.difference(
        "efuf_pope_change", "POPE accuracy: change, points", *asked, changes.accuracy
    )
    return [
        changes.level("efuf_chair_i_before", "mentions that are hallucinated", old, CHAIR_I),
        changes.level(
            "efuf_misread",
            "of these, beside a true object that is not named: misread rather than added",
            misread(old),
            changes.share,
        ),
        changes.level("efuf_chair_i_after", "the same after EFUF", new, CHAIR_I),
        changes.ratio("efuf_chair_i_ratio", "after over before", old, new, CHAIR_I, at_most=0.75),
        changes.level("efuf_recall_before", "true objects that are named", old, changes.recall),
        changes.difference(
            "efuf_recall_change", "their change, points", old, new, changes.recall, at_least=-2
        ),
        changes.ratio(
            "efuf_length_ratio",
            "words of a caption, after over before",
            old,
            new,
            changes.words,
            at_least=0.9,
            at_most=1.1,
        ),
        changes.ratio(
            "efuf_perplexity_ratio",
            "perplexity of true captions, after over before",
            before.reading,
            after.reading,
            changes.perplexity,
            at_most=1.05,
        ),
        changes.level("efuf_pope_before", "POPE accuracy", asked[0], changes.accuracy),
        pope,
        plain(
            "efuf_pope_bound",
            "the lower end of its interval",
            pope.low,
            pope.cases,
            at_least=-1,
        ),
    ]


def misread(captions: np.ndarray) -> np.ndarray:
    """[N, 2] of one model's `Said.captions`: the hallucinated mentions for which a true object of
    the same image goes unnamed, and all that are hallucinated."""
    absent, missed = captions[:, 0], captions[:, 3] - captions[:, 2]
    return np.stack([np.minimum(absent, missed), absent], 1)


def oracle(bench: Bench, folder: Path) -> list[Figure]:
    """What sets sorted by the truth do to hallucinations, recall and text, without bars."""
    mllm = bench.load(folder)
    pair = bench.before.captions, bench.scenes.captions(mllm)
    read = bench.before.reading, bench.scenes.reading(mllm)
    return [
        changes.ratio("efuf_oracle_chair_i_ratio", "true sets: hallucinations", *pair, CHAIR_I),
        changes.difference(
            "efuf_oracle_recall_change", "true sets: recall, points", *pair, changes.recall
        ),
        changes.ratio("efuf_oracle_length_ratio", "true sets: words", *pair, changes.words),
        changes.ratio(
            "efuf_oracle_perplexity_ratio", "true sets: perplexity", *read, changes.perplexity
        ),
    ]
