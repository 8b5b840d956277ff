"""Refuse images that are not safe for work, and do not store them."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.operator import Filter, Params, register


class NsfwParams(Params):
    images: Literal["both", "a", "b"] = Field("both", description="which are looked at")
    labels: list[str] = Field(
        ["nsfw"], min_length=1, description="the model's classes that are refused, any of them"
    )
    max_score: float = Field(0.5, ge=0, le=1, description="probability of these classes")


@register("nsfw_filter")
class NsfwFilter(Filter):
    """Reject the pair if an image classifier finds either image unsafe.

    Only the score of a refused pair is stored, its images are not; the same holds for pairs that
    ended before they were looked at. So it stands in the phase that makes the images, or first.
    """

    stage = "image_pairs"
    Params = NsfwParams
    reads: tuple[str, ...] = ("image_a", "image_b")
    scores = ("nsfw_probability",)  # in [0, 1], the larger one of the two images
    limits: ClassVar = {"nsfw_probability": (None, "max_score")}
    fixed = scores
    screens: tuple[str, ...] = ("image_a", "image_b")
    roles = ("nsfw",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.images != "both":
            self.reads = self.screens = (f"image_{self.params.images}",)

    def setup(self, models: Models) -> None:
        self.classifier = models.nsfw()
        for label in self.params.labels:
            if label not in self.classifier.labels:
                known = ", ".join(self.classifier.labels)
                raise ValueError(f"{self.name}: no class {label!r}; the model's are: {known}")

    def score(self, rows: Sequence[Row]) -> None:
        pictures = [images.load_rgb(row[key]) for row in rows for key in self.reads]
        found = self.classifier.probability(pictures, self.params.labels)  # [N x images]
        largest = found.reshape(len(rows), -1).max(axis=1)
        for row, probability in zip(rows, largest, strict=True):
            row.scores["nsfw_probability"] = float(probability)

    def decide(self, row: Row) -> None:
        probability, most = row.scores["nsfw_probability"], self.params.max_score
        if not probability <= most:  # nor is NaN safe
            text = f"nsfw_probability is {probability:.3f}, wanted at most {most:g}"
            row.reject(self.name, "image_unsafe", text)
