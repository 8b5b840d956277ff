"""What each phase of a recipe has in memory: the weights of its models, and one item of its work.

More than one item goes through a model at once where there is room; one has to fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgdiff.operator import Operator
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import Phase, Plan
from memory_plan_parts.facts import SIDE, Model, models

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "sdxl"
SHARE = 0.7  # of the free memory that is filled, as imgdiff.models.memory has it
# GB on the box -> GiB that a process can use: what drivers and the CUDA context leave, an estimate
CARDS = {24: 22.0, 48: 44.0, 80: 74.0}
POINTS_GIB = 0.75  # 64 points x 3 masks x 1024 x 1024 pixels in float32
PICTURE_GIB = 0.15  # of an MLLM's picture encoder, an estimate
# tokens of a question's words and of its answer
EDIT, REGION, PAIR, SCENE = (150, 96), (60, 64), (150, 128), (30, 256)
QUESTIONS = {
    "caption_edit_mapper": EDIT,
    "region_caption_mapper": REGION,
    "difference_caption_mapper": PAIR,
    "scene_caption_mapper": SCENE,
}


@dataclass(frozen=True)
class Item:
    """What goes through a model: its name, and the GiB that it takes."""

    what: str
    gib: float


@dataclass(frozen=True)
class Load:
    """A phase in memory. loaded: role -> model. weights_gib: of all. item: the largest."""

    recipe: str
    phase: str
    loaded: dict[str, Model]
    weights_gib: float
    item: Item

    @property
    def least_gib(self) -> float:
        return self.weights_gib + self.item.gib

    def at_once(self, gib: float) -> int:
        """How many of its items fit in a card."""
        return int(SHARE * (gib - self.weights_gib) / self.item.gib)


def loads(recipe: str) -> list[Load]:
    """Of the phases of a recipe of `recipes/sdxl` that load a model."""
    plan = check(RECIPES / f"{recipe}.yaml")
    return [_load(recipe, plan, phase) for phase in plan.phases if phase.loaded_roles]


def smallest_card(recipe: str) -> int:
    """GB of the smallest card in whose memory every phase fits."""
    least = max(load.least_gib for load in loads(recipe))
    return next(gb for gb, gib in CARDS.items() if least <= gib)


def known(plan: Plan, role: str) -> Model:
    return models()[plan.models[role].name]


def download_gb(recipe: str) -> float:
    """Of all models of a recipe."""
    plan = check(RECIPES / f"{recipe}.yaml")
    named = {known(plan, role).name for role in plan.models}
    return sum(models()[name].files_gb for name in named)


def _load(recipe: str, plan: Plan, phase: Phase) -> Load:
    loaded = {role: known(plan, role) for role in sorted(phase.loaded_roles)}
    weights = sum(model.gib(dtype_of(plan, role)) for role, model in loaded.items())
    items = [each for op in phase.operators for each in _items(op, loaded, plan)]
    return Load(recipe, phase.name, loaded, weights, max(items, key=lambda item: item.gib))


def dtype_of(plan: Plan, role: str) -> str:
    return str(getattr(plan.models[role], "dtype", "float32"))


def side_of(plan: Plan) -> int:
    """Pixels of the pictures that a recipe draws."""
    given = [getattr(op.params, "side", None) for op in plan.operators]
    return next((side for side in given if side), SIDE)


def _items(operator: Operator, loaded: dict[str, Model], plan: Plan) -> Iterator[Item]:
    """What an operator puts through its models, of each sort one."""
    side = side_of(plan)
    area = (side / SIDE) ** 2
    for role in operator.roles:
        model = loaded.get(role)
        if model is None:
            continue
        if model.row and model.decoded:
            pictures = 2 if operator.params.guidance_scale > 1 else 1  # with and without a caption
            yield Item("picture drawn", pictures * model.row.gib * area)
            yield Item("picture decoded", model.decoded.gib * area)
        elif model.picture:
            yield Item("picture segmented", model.picture.gib + POINTS_GIB * area)
        elif model.crop:
            half = 1 if dtype_of(plan, role) == "float32" else 0.5
            yield Item("crop scored", half * model.crop.gib)
        elif model.language:
            words, new = QUESTIONS[operator.name]
            both = operator.name == "difference_caption_mapper"
            shown = (model.pair_tokens if both else model.tokens).get(side, 0)
            gib = model.language.gib(shown + words, new) + (PICTURE_GIB if shown else 0)
            yield Item("question", gib)
