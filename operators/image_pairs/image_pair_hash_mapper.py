"""Note what both images look like, in 64 bits each."""

from collections.abc import Sequence

from imgdiff.data import images
from imgdiff.data.rows import Row
from imgdiff.operator import Mapper, register


@register("image_pair_hash_mapper")
class ImagePairHashMapper(Mapper):
    """Write hash_a and hash_b, the perceptual hashes (ImageHash's phash) by which
    image_pair_deduplicator knows an image again."""

    stage = "image_pairs"
    reads = ("image_a", "image_b")
    writes = ("hash_a", "hash_b")

    def process(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for image, found in zip(self.reads, self.writes, strict=True):
                row[found] = images.perceptual_hash(images.load_rgb(row[image]))
