"""The Difference Captions Generator as one word."""

from imgdiff.operator import Composite, register


@register("difference_captions_generator")
class DifferenceCaptionsGenerator(Composite):
    """Caption every box, keep fitting and different captions, then say how the boxes differ
    (section 3.4)."""

    steps = (
        "region_caption_mapper",
        "region_caption_matching_filter",
        "region_caption_similarity_filter",
        "difference_caption_mapper",
    )
