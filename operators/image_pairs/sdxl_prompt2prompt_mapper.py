"""Draw a caption pair as two images that differ where the captions do."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from imgdiff import images
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.rows import Row, derive_seed

FLAT = 1.0 / 255  # standard deviation of a picture that shows nothing


class Prompt2PromptParams(Params):
    batch_size: int = Field(8, ge=1, le=64, description="pairs drawn at once")
    num_inference_steps: int = Field(50, ge=1, le=200)
    guidance_scale: float = Field(7.5, ge=0, le=30)
    side: int | None = Field(
        None, ge=64, le=2048, multiple_of=8, description="pixels; the model's own if null"
    )
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


@register("sdxl_prompt2prompt_mapper")
class SdxlPrompt2PromptMapper(Mapper):
    """Make image_a from caption_a and image_b by prompt-to-prompt, replace mode (Hertz et al.
    2022)."""

    Params = Prompt2PromptParams
    reads = ("caption_a", "caption_b")
    writes = ("image_a", "image_b")
    roles = ("diffusion",)

    def setup(self, models: Models) -> None:
        self.pipeline = models.diffusion().pipeline
        self.prompt_limit = models.prompt_limit()

    def process(self, rows: Sequence[Row]) -> None:
        from imgdiff.editing.edits import Edit, Source, Windows
        from imgdiff.editing.prompt_to_prompt import draw
        from imgdiff.editing.words import changed_spans

        p = self.params
        windows = Windows(p.self_replace_steps, p.cross_replace_steps, p.self_replace_side)
        todo, sources = [], []
        for row in rows:
            captions = row["caption_a"], row["caption_b"]
            tokens, limit = max(self.prompt_limit(caption) for caption in captions)
            spans = changed_spans(*captions)
            if tokens > limit:
                message = f"caption has {tokens} tokens, the text encoder reads {limit}"
                row.reject(self.name, "caption_too_long", message)
            elif spans is None:
                row.reject(
                    self.name, "captions_identical", "the edited caption is the same as the first"
                )
            elif any(span.start == span.end for span in spans):
                row.reject(self.name, "nothing_replaced", "words were only added or only removed")
            else:
                todo.append(row)
                edit = Edit(captions[1], spans, windows)
                sources.append(Source(captions[0], derive_seed(row.seed, self.name), (edit,)))
        if not todo:
            return
        made = draw(self.pipeline, sources, p.num_inference_steps, p.guidance_scale, p.side)
        for row, pair in zip(todo, made, strict=True):
            self._store(row, pair)

    def _store(self, row: Row, pair: np.ndarray) -> None:
        """pair: [2, H, W, 3] float32 in [0, 1]."""
        if not np.isfinite(pair).all():
            row.fail(self.name, "image_nan", "the decoder gave NaN; use bfloat16 or float32")
            return
        row["image_a"], row["image_b"] = (
            images.encode_png((p * 255).round().astype(np.uint8)) for p in pair
        )
        if min(float(picture.std()) for picture in pair) < FLAT:
            row.reject(self.name, "image_flat", "an image shows nothing")
