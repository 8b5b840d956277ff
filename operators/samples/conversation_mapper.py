"""Turn described differences into question and answer turns."""

from collections.abc import Sequence

from pydantic import Field, field_validator

from imgdiff.conversations import QUESTIONS, Form
from imgdiff.operator import Mapper, Params, register
from imgdiff.rows import Row


class ConversationParams(Params):
    form: Form = Field(
        "joined",
        description="one picture of both images (as in the paper) or two; one <image> for each",
    )
    question: str | None = Field(
        None, description="the human's turn without <image>; null: the form's own"
    )

    @field_validator("question")
    @classmethod
    def _without_images(cls, question: str | None) -> str | None:
        if question is not None and "<image>" in question:
            raise ValueError("write the question without <image>; the form puts it in front")
        return question


@register("conversation_mapper")
class ConversationMapper(Mapper):
    """Write conversations: for every region a question about the marked images and its difference
    as the answer."""

    Params = ConversationParams
    reads = ("regions.difference",)
    writes = ("regions.conversations",)

    def process(self, rows: Sequence[Row]) -> None:
        question = QUESTIONS[self.params.form]
        if self.params.question is not None:
            question = "<image>\n" * question.count("<image>") + self.params.question
        for row in rows:
            for region in row.kept_regions:
                region.conversations = [
                    {"from": "human", "value": question},
                    {"from": "gpt", "value": region.difference},
                ]
