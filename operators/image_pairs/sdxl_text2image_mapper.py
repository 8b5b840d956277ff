"""Draw a caption as one image."""

from collections.abc import Sequence

from imgdiff.data import images
from imgdiff.data.rows import Row, derive_seed
from imgdiff.editing.edits import EditSource
from imgdiff.generation import GenerationParams, captions_fit, is_finite, refuse_flat, to_pixels
from imgdiff.models import Models
from imgdiff.operator import Mapper, register


@register("sdxl_text2image_mapper")
class SdxlText2ImageMapper(Mapper):
    """Make image_a from caption_a, to be changed by a later step."""

    stage = "image_pairs"
    Params = GenerationParams
    reads = ("caption_a",)
    writes = ("image_a",)
    roles = ("diffusion",)

    def setup(self, models: Models) -> None:
        self.pipeline = models.diffusion().pipeline
        self.prompt_limit = models.prompt_limit()

    def process(self, rows: Sequence[Row]) -> None:
        from imgdiff.editing.prompt_to_prompt import draw_edits

        todo = [
            row for row in rows if captions_fit(row, self.name, self.prompt_limit, row["caption_a"])
        ]
        if not todo:
            return
        p = self.params
        sources = [EditSource(row["caption_a"], derive_seed(row.seed, self.name)) for row in todo]
        made = draw_edits(self.pipeline, sources, p.num_inference_steps, p.guidance_scale, p.side)
        for row, (drawn,) in zip(todo, made, strict=True):
            if is_finite(row, self.name, drawn):
                row["image_a"] = images.encode_png(to_pixels(drawn))
                refuse_flat(row, self.name, drawn)
