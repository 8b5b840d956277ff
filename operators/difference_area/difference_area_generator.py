"""The Difference Area Generator as one word."""

from imgdiff.operator import Composite, register


@register("difference_area_generator")
class DifferenceAreaGenerator(Composite):
    """Segment both images, keep boxes that hold a changed object, then those that really differ
    (section 3.3)."""

    steps = ("image_segment_mapper", "region_text_matching_filter", "region_difference_filter")
