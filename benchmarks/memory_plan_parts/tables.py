"""The tables of docs/full-size.md."""

from collections.abc import Iterable, Sequence

from imgdiff.export.licences import identifier_of
from imgdiff.recipe.check import check
from memory_plan_parts.costs import (
    ALIKE,
    PAPER_PAIRS,
    PAPER_SAMPLES,
    SAMPLES,
    Card,
    disk_gb,
    gpu_hours,
    host_gib,
    pair_seconds,
    paper_hours,
)
from memory_plan_parts.costs import CARDS as MADE
from memory_plan_parts.facts import KIB, SIDE, Model, models
from memory_plan_parts.phases import (
    CARDS,
    PAIR,
    RECIPES,
    REGION,
    Load,
    download_gb,
    loads,
    side_of,
    smallest_card,
)

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))
DRAWING = [name for name in ("recommended", "replace", "replace_turbo", "paper") if name in NAMES]
KEPT = 10_000
MANY = 100  # more at once is as good as all
Rows = Iterable[Sequence[object]]


def markdown(head: Sequence[str], rows: Rows) -> str:
    """Texts stand left, numbers right."""
    cells = [[str(cell) for cell in row] for row in rows]
    numeric = [all(_is_number(row[k]) for row in cells) for k in range(len(head))]
    rule = ["---:" if right else "---" for right in numeric]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *cells))


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").isdigit() or text == "-"


def model_table() -> str:
    """Every model that a recipe of `recipes/sdxl` names."""
    used: dict[str, set[str]] = {}
    for recipe in NAMES:
        for load in loads(recipe):
            for model in load.loaded.values():
                used.setdefault(model.name, set()).add(recipe)
    rows = [
        (
            f"`{model.name}`",
            f"{model.parameters:.2f}",
            f"{model.files_gb:.1f}",
            f"{model.gib('float16'):.1f}",
            identifier_of(name),
            "all" if len(used[name]) == len(NAMES) else ", ".join(sorted(used[name])),
        )
        for name, model in models().items()
        if name in used
    ]
    head = ("model", "billion parameters", "GB of files", "GiB in 16 bits", "licence", "recipes")
    return markdown(head, rows)


def memory_table() -> str:
    """What each phase has in memory; recipes that are alike share a row."""
    groups: dict[tuple[object, ...], tuple[Load, list[str]]] = {}
    for recipe in NAMES:
        for load in loads(recipe):
            names = tuple(model.name for model in load.loaded.values())
            key = (load.phase, names, round(load.weights_gib, 3), load.item)
            groups.setdefault(key, (load, []))[1].append(recipe)
    rows = [
        (
            ", ".join(recipes),
            load.phase,
            ", ".join(load.loaded),
            f"{load.weights_gib:.1f}",
            f"{load.item.what}: {load.item.gib:.2f}",
            f"{load.least_gib:.1f}",
            *(_at_once(load, gib) for gib in CARDS.values()),
        )
        for load, recipes in sorted(groups.values(), key=lambda group: NAMES.index(group[1][0]))
    ]
    cards = [f"at once on {gb} GB" for gb in CARDS]
    head = ("recipe", "phase", "models", "weights, GiB", "one item, GiB", "least, GiB", *cards)
    return markdown(head, rows)


def _at_once(load: Load, gib: float) -> object:
    if load.least_gib > gib:
        return "-"
    return min(max(1, load.at_once(gib)), MANY)


def question_table() -> str:
    """What a question takes of an MLLM, about pictures of 1024 pixels a side."""
    rows = []
    for model in models().values():
        if model.language and model.tokens:
            region = (model.tokens[SIDE] + REGION[0], REGION[1])
            pair = (model.pair_tokens[SIDE] + PAIR[0], PAIR[1])
            rows.append(
                (
                    f"`{model.name}`",
                    model.language.kv_bytes // KIB,
                    f"{sum(region):,}",
                    f"{sum(region) * model.language.kv_bytes / KIB**3:.2f}",
                    f"{sum(pair):,}",
                    f"{sum(pair) * model.language.kv_bytes / KIB**3:.2f}",
                )
            )
    head = ("MLLM", "KiB a token", "tokens, a region", "GiB", "tokens, a pair", "GiB")
    return markdown(head, rows)


def size_table() -> str:
    """What each recipe needs altogether."""
    rows = []
    for recipe in NAMES:
        phases = loads(recipe)
        named: list[Model] = [model for load in phases for model in load.loaded.values()]
        least = max(load.least_gib for load in phases)
        rows.append(
            (
                f"`recipes/sdxl/{recipe}.yaml`",
                f"{download_gb(recipe):.0f}",
                f"{least:.1f}",
                smallest_card(recipe),
                f"{host_gib(named):.0f}",
            )
        )
    head = (
        "recipe",
        "GB of models",
        "most of a phase, GiB",
        "card, GB",
        "GiB of the machine's memory",
    )
    return markdown(head, rows)


def second_table() -> str:
    """GPU-seconds of a pair by phase: arithmetic, not measured."""
    rows = []
    for recipe in DRAWING:
        for card in MADE:
            each = pair_seconds(recipe, card)
            parts = (each.edited, each.drawn, each.segmented, each.captioned)
            name = f"{card.name}, {card.gb} GB"
            rows.append((recipe, name, *(f"{seconds:.2f}" for seconds in parts)))
    return markdown(("recipe", "card", "caption", "drawing", "areas", "captions of areas"), rows)


def hour_table() -> str:
    """GPU-hours for the kept samples, as many drawn pairs as it takes."""
    rows: list[Sequence[object]] = []
    for share in (2 * SAMPLES, SAMPLES, SAMPLES / 2):
        pairs = KEPT / (ALIKE * share)
        for recipe in DRAWING:
            hours = (_hours(recipe, card, share) for card in MADE)
            side = side_of(check(RECIPES / f"{recipe}.yaml"))
            rows.append(
                (f"{ALIKE * share:.3f}", f"{pairs:,.0f}", recipe, *hours, _disk(pairs, side))
            )
    share = PAPER_SAMPLES / PAPER_PAIRS
    theirs = ("-", f"{paper_hours(KEPT):,.0f}", "-", "-")
    rows.append((f"{share:.3f}", f"{KEPT / share:,.0f}", "the paper's own run", *theirs))
    head = (
        "samples of a drawn pair",
        "pairs drawn",
        "recipe",
        *(f"hours, {card.name}" for card in MADE),
    )
    return markdown((*head, "GB of disk"), rows)


def _hours(recipe: str, card: Card, samples: float) -> str:
    if smallest_card(recipe) > card.gb:
        return "-"
    return f"{gpu_hours(pair_seconds(recipe, card), KEPT, ALIKE, samples):,.0f}"


def _disk(pairs: float, side: int) -> str:
    return f"{disk_gb(pairs, side):,.0f}"


TABLES = {
    "sizes": size_table,
    "models": model_table,
    "memory": memory_table,
    "questions": question_table,
    "seconds": second_table,
    "hours": hour_table,
}
