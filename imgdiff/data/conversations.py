"""The questions of conversations: one wording for each form in which a pair is shown.

The MLLM saw both images side by side, so answers speak of the left and the right one; where they
are two pictures, the question says which is which.
"""

from collections.abc import Sequence
from typing import Literal

Form = Literal["joined", "two_images"]
Turn = dict[str, str]  # from (human, gpt), value

IMAGE = "<image>"  # stands for a picture in a human's turn
QUESTIONS: dict[Form, str] = {
    "joined": (
        "<image>\nThe picture shows two images side by side with a black bar between them. "
        "What differs between the areas in the red boxes? Answer in a few concise sentences."
    ),
    "two_images": (
        "<image>\n<image>\nThe first image is the left one, the second the right one. What differs "
        "between them in the areas marked by red boxes? Answer in a few concise sentences."
    ),
}

# of a pair that was joined: which half shows {caption_a}
CHOICE = (
    "<image>\nThe picture shows two images side by side with a black bar between them. "
    "Which of them shows {caption_a} in the red box?\nA. the left image\nB. the right image\n"
    "Answer with the letter of the right choice."
)


def recast(turns: Sequence[Turn], form: Form) -> list[Turn]:
    """The same conversation about pictures shown in another form.

    Only our own questions are known in both; one that a recipe words itself keeps its form.
    """
    known = QUESTIONS.values()
    return [
        turn | {"value": QUESTIONS[form] if turn["value"] in known else turn["value"]}
        for turn in turns
    ]


def image_count(turns: Sequence[Turn]) -> int:
    """How many pictures the questions speak of: their `<image>` tokens."""
    return sum(turn["value"].count(IMAGE) for turn in turns if turn["from"] == "human")
