"""Turn described differences, or erased objects, into question and answer turns."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from imgdiff.data.conversations import CHOICE, IMAGE, QUESTIONS
from imgdiff.data.rows import Region, Row
from imgdiff.operator import Mapper, Params, register
from imgdiff.text.answers import as_phrase

LETTERS = {"a": "A", "b": "B"}  # the image that stands left -> the choice that names image A


class ConversationParams(Params):
    form: Literal["joined", "two_images", "choice"] = Field(
        "joined",
        description="the difference, asked about one picture of both images (as in the paper) or "
        "about two; or which half of the one picture shows what only image A has. One <image> for "
        "each",
    )
    question: str | None = Field(
        None,
        description="the human's turn without <image>; null: the form's own. In a choice "
        "{caption_a} stands for what is asked after",
    )

    @field_validator("question")
    @classmethod
    def _without_images(cls, question: str | None) -> str | None:
        if question is not None and "<image>" in question:
            raise ValueError("write the question without <image>; the form puts it in front")
        return question

    @model_validator(mode="after")
    def _asks_after_something(self) -> "ConversationParams":
        if self.form == "choice" and "{caption_a}" not in (self.question or "{caption_a}"):
            raise ValueError("a choice needs {caption_a} in its question, for what is asked after")
        return self


@register("conversation_mapper")
class ConversationMapper(Mapper):
    """Write conversations: for every region a question about the marked images, and its difference
    or the letter of the right image as the answer."""

    stage = "samples"
    Params = ConversationParams
    reads: tuple[str, ...] = ("regions.difference",)
    writes: tuple[str, ...] = ("regions.conversations",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.form == "choice":
            self.reads = ("regions.caption_a",)
            self.writes = ("regions.left", "regions.conversations")

    def process(self, rows: Sequence[Row]) -> None:
        question = CHOICE if self.params.form == "choice" else QUESTIONS[self.params.form]
        if self.params.question is not None:
            question = f"{IMAGE}\n" * question.count(IMAGE) + self.params.question
        for row in rows:
            if self.params.form == "choice":
                self._draw_sides(row)
            for region in row.kept_regions:
                human, gpt = self._turns(question, region)
                region.conversations = [
                    {"from": "human", "value": human},
                    {"from": "gpt", "value": gpt},
                ]

    def _draw_sides(self, row: Row) -> None:
        """By lot, for a model that learns where the answer usually stands need not look."""
        rng = row.random(self.name)
        for region in row.kept_regions:
            region.left = "a" if rng.random() < 0.5 else "b"

    def _turns(self, question: str, region: Region) -> tuple[str, str]:
        if self.params.form != "choice":
            return question, region.difference
        return question.replace("{caption_a}", as_phrase(region.caption_a)), LETTERS[region.left]
