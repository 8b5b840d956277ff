"""Keep the pairs whose images look natural to an MLLM."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.models.roles import Question
from imgdiff.operator import Filter, Params, register
from imgdiff.text import prompts


class NaturalnessParams(Params):
    prompt: str = Field(prompts.NATURAL, description="a question to be answered by yes or no")
    min_score: float = Field(0.5, ge=0, le=1, description="probability of yes for both images")


@register("naturalness_filter")
class NaturalnessFilter(Filter):
    """Ask an MLLM of each image whether it is natural (a step of Img-Diff's code, not of its
    recipe).

    A model, or a server that gives its tokens' probabilities, says how likely yes is against no;
    the answer of another server counts 1 or 0.
    """

    version = "2"
    stage = "image_pairs"
    Params = NaturalnessParams
    reads = ("image_a", "image_b")
    scores = ("naturalness",)  # in [0, 1], the smaller one of the two images
    limits: ClassVar = {"naturalness": ("min_score", None)}
    fixed = scores
    roles = ("mllm",)

    def setup(self, models: Models) -> None:
        self.mllm = models.mllm()

    def score(self, rows: Sequence[Row]) -> None:
        import numpy as np

        pictures = [images.load_rgb(row[key]) for row in rows for key in self.reads]
        asked = [Question((picture,), self.params.prompt) for picture in pictures]
        found = self.mllm.yes_probability(asked)
        for row, smaller in zip(rows, np.minimum(found[0::2], found[1::2]), strict=True):
            if np.isnan(smaller):
                row.reject(self.name, "answer_form", "the model said neither yes nor no")
            else:
                row.scores["naturalness"] = float(smaller)

    def decide(self, row: Row) -> None:
        value, least = row.scores["naturalness"], self.params.min_score
        if value < least:
            text = f"naturalness is {value:.3f}, wanted at least {least:g}"
            row.reject(self.name, "unnatural", text)
