"""Name what stands in image A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.models import Models
from imgdiff.operator import Mapper, Params, register
from imgdiff.text.chains import as_noun_phrase
from imgdiff.text.lexicon import DEFAULT_LEXICON, Lexicon, LexiconName, load_lexicon

if TYPE_CHECKING:
    import numpy as np

TEMPLATES = ("{}", "a photo of {}", "a picture with {}")


class ObjectNamingParams(Params):
    lexicon: LexiconName = Field(
        DEFAULT_LEXICON, description="the names to choose from: all its nouns"
    )
    min_score: float = Field(
        0.25, ge=-1, le=1, description="CLIP cosine of a crop with its best name; less: no name"
    )
    min_margin: float = Field(
        0.0, ge=0, le=2, description="by which the best name must be above the second"
    )


@register("object_naming_mapper")
class ObjectNamingMapper(Mapper):
    """Write objects: each region of image A named by CLIP, by the noun whose prompts are nearest to
    its crop (SEEM's part in OHD-Caps, section 3.1).

    Each name comes once, the surest first. Regions that no name fits are passed over.
    """

    stage = "object_negatives"
    Params = ObjectNamingParams
    reads = ("image_a", "regions")
    writes = ("objects",)
    roles = ("clip",)
    scaled = ("min_score", "min_margin")

    def setup(self, models: Models) -> None:
        lexicon = load_lexicon(self.params.lexicon)
        self.clip = models.clip()
        self.names = [
            thing[0]
            for group in lexicon.groups.values()
            if not group.stuff
            for thing in group.things
        ]
        prompts = [_prompts(name, lexicon) for name in self.names]
        self.vectors = self.clip.embed_classes(prompts)  # [C, D] float32, unit length

    def process(self, rows: Sequence[Row]) -> None:
        for row in rows:
            picture = images.load_rgb(row["image_a"])
            boxes = [region.box_xyxy for region in row.kept_regions if region.source == "a"]
            row["objects"] = self._named(picture, boxes) if boxes else []
            if not row["objects"]:
                message = f"no name of the lexicon fits one of {len(boxes)} areas"
                row.reject(self.name, "nothing_named", message)

    def _named(self, picture: np.ndarray, boxes: Sequence[tuple[float, ...]]) -> list[str]:
        import numpy as np

        crops = [images.square_crop(picture, box) for box in boxes]
        scores = self.clip.embed_images(crops) @ self.vectors.T  # [R, C] cosines
        second, first = np.sort(scores, axis=1)[:, -2:].T
        sure = (first >= self.params.min_score) & (first - second >= self.params.min_margin)
        order = [k for k in np.argsort(-first, kind="stable") if sure[k]]
        return list(dict.fromkeys(self.names[int(scores[k].argmax())] for k in order))


def _prompts(name: str, lexicon: Lexicon) -> list[str]:
    """What may be said of a picture of it: with any look, where the lexicon has things added with
    one."""
    phrases = [f"{look} {name}" for look in lexicon.added_looks] or [name]
    return [t.format(as_noun_phrase(phrase, lexicon)) for t in TEMPLATES for phrase in phrases]
