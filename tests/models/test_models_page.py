"""The page of model families says what the code does."""

from pathlib import Path

import numpy as np
from asking_facts import FACTS, WIDE, WIDE_BOX, picture

from imgdiff.models.families import ANY, families_of
from imgdiff.models.roles import Question

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
HEAD = (
    "| family | `model_type` | a whole picture | a region | a pair | thinks | known |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
COSTS = (
    "| family | model | 1024 x 1024 | 640 x 480 | KiB a token |",
    "| --- | --- | --- | --- | --- |",
)


def row(family):
    profile = family.plays()
    kinds = "any other" if ANY in family.kinds else ", ".join(family.kinds)
    cells = [
        f"`{family.name}`",
        kinds or "`imgdiff_family: toyland`",
        shown(profile),
        asked(profile),
        "two pictures" if profile.several else "joined",
        "yes" if family.thinks else "",
        FACTS[family.name]["mark"] if family.name in FACTS else "",
    ]
    return f"| {' | '.join(cells)} |"


def shown(profile):
    """What becomes of a picture of 640 x 480."""
    given = picture(WIDE)
    (seen,) = profile.prepared(Question((given,), "x")).pictures
    if np.array_equal(seen, given):
        return "as it is"
    assert seen.shape == (640, 640, 3)
    return f"padded to a square, RGB {', '.join(map(str, seen[0, 0]))}"


def asked(profile):
    question = profile.region_question(picture(WIDE), WIDE_BOX)
    height = len(question.pictures[0])
    also = ""
    if profile.view == "crop":
        also = ", of the crop"
    elif height != WIDE[0]:
        also = ", of the padded picture"
    return f"`{question.text}`{also}"


def test_what_each_family_is_sent():
    table = "\n".join((*HEAD, *map(row, families_of("mllm"))))
    assert table in PAGE.read_text("utf-8"), f"the table of docs/models.md should be:\n{table}"


def test_what_a_question_costs():
    rows = []
    for name, each in FACTS.items():
        tokens = [f"{count:,}" for count in each["tokens"]]
        rows.append(f"| {' | '.join((f'`{name}`', each['model'], *tokens, str(each['kv'])))} |")
    table = "\n".join((*COSTS, *rows))
    assert table in PAGE.read_text("utf-8"), f"the table of docs/models.md should be:\n{table}"
