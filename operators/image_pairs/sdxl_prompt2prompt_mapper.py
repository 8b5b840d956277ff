"""Draw a caption pair as two images that differ where the captions do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from imgdiff.data import images
from imgdiff.data.rows import Row, derive_seed
from imgdiff.editing.candidates import Score, candidate_scores, with_shorter_windows
from imgdiff.editing.edits import Edit, EditSource, LocalBlend, Windows
from imgdiff.generation import GenerationParams, captions_fit, is_finite, refuse_flat, to_pixels
from imgdiff.models import Models
from imgdiff.operator import Mapper, register
from imgdiff.text.words import changed_spans, changed_words, swapped_spans

if TYPE_CHECKING:
    import numpy as np

REFINED = ("attribute", "add")  # kinds of edits that leave all other words alone


class Prompt2PromptParams(GenerationParams):
    self_replace_steps: float = Field(
        0.4, ge=0, le=1, description="share of steps that copy self-attention"
    )
    self_replace_side: float = Field(
        0.25,
        ge=0,
        le=1,
        description="self-attention maps up to this share of the latent side are copied",
    )
    cross_replace_steps: float = Field(
        0.8, ge=0, le=1, description="share of steps that copy cross-attention"
    )
    blend_threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="where the attention to the changed words stays below this share of its "
        "maximum, image_b is image_a (local blend); null: no blend",
    )
    blend_side: float = Field(
        0.25, gt=0, le=1, description="the maps that are read for it, as a share of the latent side"
    )
    candidates: int = Field(
        1,
        ge=1,
        le=8,
        description="edits drawn of every image_a, with ever shorter windows; the best is kept",
    )
    choose_by: Score = Field(
        "clip_direction",
        description="what makes a candidate the best: its change goes the caption's way, or it "
        "looks like its caption",
    )


@register("sdxl_prompt2prompt_mapper")
class SdxlPrompt2PromptMapper(Mapper):
    """Make image_a from caption_a and image_b by prompt-to-prompt (Hertz et al. 2022): replace
    where one stretch of words gave way to another one, refine for an attribute, something added and
    any other change."""

    stage = "image_pairs"
    version = "3"
    Params = Prompt2PromptParams
    reads = ("caption_a", "caption_b")
    writes = ("image_a", "image_b", "editing")
    roles: tuple[str, ...] = ("diffusion",)

    def __init__(self, params: BaseModel) -> None:
        super().__init__(params)
        if self.params.candidates > 1:
            self.roles = ("diffusion", "clip")

    def setup(self, models: Models) -> None:
        self.pipeline = models.diffusion().pipeline
        self.prompt_limit = models.prompt_limit()
        self.clip = models.clip() if "clip" in self.roles else None

    def process(self, rows: Sequence[Row]) -> None:
        from imgdiff.editing.prompt_to_prompt import draw_edits

        todo = [row for row in rows if self._can_be_drawn(row)]
        if not todo:
            return
        p = self.params
        sources = [self._source(row) for row in todo]
        made = draw_edits(self.pipeline, sources, p.num_inference_steps, p.guidance_scale, p.side)
        for row, source, drawn in zip(todo, sources, made, strict=True):
            self._store(row, source.edits[0].mode, drawn)

    def _can_be_drawn(self, row: Row) -> bool:
        captions = row["caption_a"], row["caption_b"]
        if (
            captions_fit(row, self.name, self.prompt_limit, *captions)
            and changed_spans(*captions) is None
        ):
            row.reject(
                self.name, "captions_identical", "the edited caption is the same as the first"
            )
        return row.ok

    def _source(self, row: Row) -> EditSource:
        p, captions = self.params, (row["caption_a"], row["caption_b"])
        windows = Windows(p.self_replace_steps, p.cross_replace_steps, p.self_replace_side)
        blend = p.blend_threshold is not None and LocalBlend(
            *changed_words(*captions), threshold=p.blend_threshold, side=p.blend_side
        )
        refined = row.values.get("edit", {}).get("kind") in REFINED
        spans = None if refined else swapped_spans(*captions)
        edit = Edit(captions[1], spans, windows=windows, blend=blend or None)
        seed = derive_seed(row.seed, self.name)
        return EditSource(captions[0], seed, with_shorter_windows(edit, p.candidates))

    def _store(self, row: Row, mode: str, drawn: np.ndarray) -> None:
        """drawn: [1 + candidates, H, W, 3] float32 in [0, 1], the source first."""
        if not is_finite(row, self.name, drawn):
            return
        pictures = to_pixels(drawn)
        best, found = self._choose(row, pictures)
        row["editing"] = {"mode": mode, "candidate": best, "candidate_scores": found}
        row["image_a"], row["image_b"] = (
            images.encode_png(picture) for picture in (pictures[0], pictures[1 + best])
        )
        refuse_flat(row, self.name, drawn[0], drawn[1 + best])

    def _choose(self, row: Row, pictures: np.ndarray) -> tuple[int, list[float]]:
        """The number of the best candidate, and the scores of all."""
        import numpy as np

        if self.clip is None:
            return 0, []
        captions = row["caption_a"], row["caption_b"]
        found = candidate_scores(self.params.choose_by, self.clip, captions, list(pictures))
        return int(np.argmax(found)), found
