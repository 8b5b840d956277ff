"""SEED on the embedded MLLM: POPE under greedy decoding, beside sampling, forward KL and
contrastive decoding; what it costs captions, and how fast it decodes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from embedded.figures import Figure, plain

from hallucination_parts import changes
from hallucination_parts.bench import Bench
from hallucination_parts.changes import difference, level, ratio
from hallucination_parts.speed import captioning, speed_ratio
from hallucination_parts.yes_no import Exam, counts, exam, first_logits, verdicts
from imgdiff.evaluation.pope import STATISTICS
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Checkpoint
from imgdiff.toyland.make import write_questions
from imgdiff.toyland.scenes import draw
from imgdiff.training.check import check_training
from imgdiff.training.seed.losses import purified

RECIPE = "recipes/train/seed.yaml"
PICTURES = 1000  # that are asked about in training
SCENES = 1000  # test scenes with three objects
BASE = EMBEDDED_WEIGHTS / "mllm"
VCD_STEP = 500  # of the picture's diffusion, as VCD has it


def measure(bench: Bench) -> list[Figure]:
    """All figures; of the recipe over all seeds, of the baseline by forward KL over one."""
    questions = exam("test", SCENES // 4 if bench.quick else SCENES)
    before = answers(bench, BASE, questions)
    students = [model(bench, "seed", seed) for seed in bench.seeds]
    purged = [answers(bench, student, questions) for student in students]
    other = model(bench, "seed_forward", bench.seeds[0], "divergence=forward")
    forward = answers(bench, other, questions)
    base = bench.load(BASE)
    return [
        *pope_figures(base, questions, before, purged, forward),
        *contrast_figures(bench, base, questions, before),
        *caption_figures(bench, students),
        *speed_figures(students[0], questions, 5 if bench.quick else 15),
    ]


def answers(
    bench: Bench, folder: Path, questions: Exam, noise_step: int | None = None
) -> torch.Tensor:
    """`first_logits` of the model in `folder`; kept, and not asked again."""
    what = f"answers-{len(questions.scenes)}-{noise_step or 0}"
    file = bench.file_of(folder, what, "npy")
    if not file.exists():
        logits = first_logits(bench.load(folder), questions, noise_step)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, logits.numpy())
    return torch.from_numpy(np.load(file))


def model(bench: Bench, name: str, seed: int, *settings: str) -> Path:
    """The folder of a purified model."""
    data = bench.folder / "seed_data" / "questions.json"
    if not data.is_file():
        write_questions(data.parent, PICTURES)
    source = f"data=[{{llava: {data}}}]"
    return bench.trained(f"{name}_{seed}", RECIPE, (source, f"seed={seed}", *settings))


def pope_figures(
    base: ImageTextToText,
    questions: Exam,
    before: torch.Tensor,
    purged: Sequence[torch.Tensor],
    forward: torch.Tensor,
) -> list[Figure]:
    """Greedy and sampled answers before and after, with the bars that the method should pass.

    before, purged, forward: logits of the questions' first tokens; of SEED one for each seed.
    """

    def greedy(logits: Sequence[torch.Tensor], setting: str) -> np.ndarray:
        return sum(counts(questions, setting, verdicts(base, one.argmax(-1))) for one in logits)

    def sampled(logits: Sequence[torch.Tensor]) -> np.ndarray:
        torch.manual_seed(0)
        tokens = [torch.multinomial(one.softmax(-1), 1)[:, 0] for one in logits]
        return sum(counts(questions, "random", verdicts(base, each)) for each in tokens)

    found = []
    for setting, bar in (("random", None), ("popular", None), ("adversarial", -1.0)):
        old, new = greedy([before], setting), greedy(purged, setting)
        name = "seed_pope" if setting == "random" else f"seed_pope_{setting}"
        first = level(f"{name}_f1_before", f"POPE {setting}: F1, greedy", old, changes.f1)
        # four points, or half of the error
        bar = min(4.0, 50 * (1 - first.value)) if setting == "random" else bar
        limits = {} if bar is None else {"at_least": bar}
        found += [
            first,
            level(f"{name}_f1_after", "the same after SEED", new, changes.f1),
            difference(f"{name}_f1_change", "change, points", old, new, changes.f1, **limits),
        ]
    old, new = greedy([before], "random"), greedy(purged, "random")
    for name in ("recall", "precision", "yes_rate"):
        meaning, statistic = f"POPE random: {name.replace('_', '-')}, greedy", STATISTICS[name]
        found += [
            level(f"seed_pope_{name}_before", meaning, old, statistic),
            level(f"seed_pope_{name}_after", "the same after SEED", new, statistic),
        ]
    drawn = sampled([before]), sampled(purged)
    return [
        *found,
        level("seed_pope_sampled_before", "POPE random: F1, sampled", drawn[0], changes.f1),
        level("seed_pope_sampled_after", "the same after SEED", drawn[1], changes.f1),
        difference("seed_pope_sampled_change", "change, points", *drawn, changes.f1),
        difference(
            "seed_forward_change",
            "by forward KL, one seed: POPE random F1, greedy, change from before, points",
            old,
            greedy([forward], "random"),
            changes.f1,
        ),
        level(
            "seed_forward_sampled_after",
            "the same: POPE random F1, sampled",
            sampled([forward]),
            changes.f1,
        ),
        plain(
            "seed_pope_best_threshold",
            "F1 before, had yes and no been weighed as the truth of these scenes suits best",
            best_threshold(base, questions, before),
            len(questions.scenes),
        ),
        plain(
            "seed_pope_best_threshold_after",
            "the same after SEED, mean of the seeds",
            float(np.mean([best_threshold(base, questions, one) for one in purged])),
            len(questions.scenes),
        ),
    ]


def best_threshold(base: ImageTextToText, questions: Exam, logits: torch.Tensor) -> float:
    """What no change of how willing the model is to say yes can exceed: beyond it, it would have to
    see better."""
    yes, no = (logits[:, base.first_tokens(word)].logsumexp(-1) for word in ("yes", "no"))
    margin = (yes - no).numpy()
    scores = [
        changes.f1(counts(questions, "random", margin > threshold).sum(0))
        for threshold in np.quantile(margin, np.linspace(0.2, 0.8, 121))
    ]
    return float(max(scores))


def contrast_figures(
    bench: Bench, base: ImageTextToText, questions: Exam, before: torch.Tensor
) -> list[Figure]:
    """Contrastive decoding at inference: with the recipe's distortion and with VCD's."""
    recipe = check_training(RECIPE).recipe
    old = counts(questions, "random", verdicts(base, before.argmax(-1)))
    found = []
    for name, step in (("seed_contrast_change", recipe.noise_step), ("seed_vcd_change", VCD_STEP)):
        blurred = answers(bench, BASE, questions, step)
        best = purified(before, blurred, recipe.alpha, recipe.beta).argmax(-1)
        new = counts(questions, "random", verdicts(base, best))
        meaning = f"contrastive decoding, noise step {step}: POPE random F1, points"
        found.append(difference(name, meaning, old, new, changes.f1))
    return found


def caption_figures(bench: Bench, students: Sequence[Path]) -> list[Figure]:
    """What captions name and how long they are, on 1,000 scenes of one to three objects."""
    old = bench.before.captions
    new = sum(bench.captions_of(student) for student in students)
    return [
        level("seed_recall_before", "captions: true objects that are named", old, changes.recall),
        difference(
            "seed_recall_change", "its change, points", old, new, changes.recall, at_least=-2
        ),
        ratio(
            "seed_length_ratio",
            "words of a caption, after over before",
            old,
            new,
            changes.words,
            at_least=0.9,
            at_most=1.1,
        ),
        level("seed_chair_i_before", "mentions that are hallucinated", old, changes.chair_i),
        ratio("seed_chair_i_ratio", "after over before", old, new, changes.chair_i),
    ]


def speed_figures(folder: Path, questions: Exam, turns: int) -> list[Figure]:
    """Tokens per second of the model in `folder`, the adapter merged, and of contrastive decoding;
    every picture is seen afresh."""
    base, student = (ImageTextToText.load(Checkpoint(name=str(one))) for one in (BASE, folder))
    recipe = check_training(RECIPE).recipe
    pictures = [draw(scene).image for scene in questions.scenes[:8]]
    plainly = captioning(base, pictures)
    strength = recipe.noise_step, recipe.alpha, recipe.beta
    return [
        speed_ratio(
            "seed_decoding_speed_ratio",
            "tokens per second, after over before",
            plainly,
            captioning(student, pictures),
            turns,
            at_least=0.97,
        ),
        speed_ratio(
            "seed_contrast_speed_ratio",
            "contrastive decoding: tokens per second, with over without",
            plainly,
            captioning(base, pictures, strength),
            turns,
        ),
    ]
