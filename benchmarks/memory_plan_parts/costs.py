"""Seconds of a GPU for each pair, GPU-hours for many kept samples, and disk.

No GPU was at hand: seconds are arithmetic that a model does over what a card can do, times the
share of it that is usually reached. The paper's own figure stands beside them.
"""

from dataclasses import dataclass

from imgdiff.operator import Operator
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import Plan
from memory_plan_parts.facts import GIB, SIDE, Model
from memory_plan_parts.phases import EDIT, PAIR, RECIPES, REGION, dtype_of, known, side_of

REACHED = 0.4  # of a card's arithmetic, an assumption
SEGMENTS = 40  # of a picture, an assumption
CROPS = 2 * SEGMENTS * 2  # of a pair: the segments of both pictures, each cut out of both
ANSWER = 30  # tokens, of the usual answer, an assumption
QUESTIONS_AT_ONCE = 8  # that share a read of the weights, an assumption
# Img-Diff: 118,000 pairs, 38,533 alike but not the same, 117,779 boxes in these, 12,688 samples
ALIKE, BOXES, SAMPLES = 38_533 / 118_000, 117_779 / 38_533, 12_688 / 38_533
PAPER_HOURS = (4 * 4.5 * 24, 4 * 2 * 24)  # on A100: drawing the pairs; all the rest
PAPER_PAIRS, PAPER_SAMPLES = 118_000, 12_688
BYTES_OF_PIXEL = 1.5  # of a PNG of a photograph, an estimate
COPIES = 2  # of a picture in a run folder: as worked on, and in data/ or dropped/


@dataclass(frozen=True)
class Card:
    """By its maker's data sheet: TFLOP/s in 16 bits with a float32 sum, without sparsity; in
    float32; GB/s of memory. gb: of memory."""

    name: str
    gb: int
    half: float
    single: float
    bandwidth: float

    def seconds(self, tflop: float, dtype: str) -> float:
        return tflop / (REACHED * (self.single if dtype == "float32" else self.half))


CARDS = (
    Card("RTX 4090", 24, 165, 83, 1008),
    Card("A100", 80, 312, 19.5, 2039),
    Card("H100", 80, 989, 67, 3350),
)


@dataclass(frozen=True)
class PairSeconds:
    """Of a GPU, by phase: for every caption, for every pair drawn, and for every pair that is alike
    but not the same."""

    edited: float
    drawn: float
    segmented: float
    captioned: float

    def of_drawn(self, alike: float) -> float:
        """For a pair that is drawn, the share of those that go on after it given."""
        return self.edited + self.drawn + alike * (self.segmented + self.captioned)


def pair_seconds(recipe: str, card: Card) -> PairSeconds:
    """Of a recipe that draws pairs and captions their boxes."""
    plan = check(RECIPES / f"{recipe}.yaml")
    operators = {op.name: op for op in plan.operators}
    edited = _answers(plan, card, "llm", EDIT[0], 1) if "llm" in plan.models else 0.0
    return PairSeconds(
        edited,
        _drawn(plan, card, operators["sdxl_prompt2prompt_mapper"]),
        _segmented(plan, card),
        _captioned(plan, card),
    )


def _drawn(plan: Plan, card: Card, operator: Operator) -> float:
    model, area = known(plan, "diffusion"), (side_of(plan) / SIDE) ** 2
    assert model.row is not None
    assert model.decoded is not None
    p = operator.params
    rows = 2 * (2 if p.guidance_scale > 1 else 1)  # both pictures, with and without a caption
    steps = p.num_inference_steps * rows * model.row.tflop * area
    # convolutions in float32 are done in TF32, at half of the 16-bit rate
    decoding = 2 * 2 * model.decoded.tflop * area
    return card.seconds(steps + decoding, "float16")


def _segmented(plan: Plan, card: Card) -> float:
    segmenter = known(plan, "segmenter")
    assert segmenter.picture is not None
    seconds = card.seconds(2 * segmenter.picture.tflop, dtype_of(plan, "segmenter"))
    for role in ("clip", "matcher"):
        scored = known(plan, role).crop
        assert scored is not None
        seconds += card.seconds(CROPS * scored.tflop, dtype_of(plan, role))
    return seconds


def _captioned(plan: Plan, card: Card) -> float:
    model, side = known(plan, "mllm"), side_of(plan)
    region = _answers(plan, card, "mllm", model.tokens[side] + REGION[0], 2)
    pair = _answers(plan, card, "mllm", model.pair_tokens[side] + PAIR[0], 1)
    return BOXES * (region + pair)


def _answers(plan: Plan, card: Card, role: str, prompt: int, count: int) -> float:
    """Of a GPU for some answers: prompts are arithmetic, answers are reading the weights."""
    model = known(plan, role)
    read = card.seconds(2 * model.parameters * prompt / 1e3, dtype_of(plan, role))
    said = ANSWER * model.gib(dtype_of(plan, role)) * GIB / 1e9 / card.bandwidth / QUESTIONS_AT_ONCE
    return count * (read + said)


def gpu_hours(seconds: PairSeconds, kept: int, alike: float, samples: float) -> float:
    """For so many kept samples. alike: share of the drawn pairs that go on. samples: kept, for each
    of these."""
    return kept / (alike * samples) * seconds.of_drawn(alike) / 3600


def paper_hours(kept: int) -> float:
    """What the paper's own run took for so many."""
    return sum(PAPER_HOURS) * kept / PAPER_SAMPLES


def disk_gb(pairs: float, side: int) -> float:
    """Of a run folder: the pictures are nearly all of it."""
    return pairs * 2 * COPIES * BYTES_OF_PIXEL * side**2 / 1e9


def host_gib(models: list[Model]) -> float:
    """Of the machine's own memory: a model passes through it on its way to the GPU."""
    return max(model.files_gb * 1e9 / GIB for model in models)
