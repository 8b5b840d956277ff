"""image_segment_mapper: the boxes of both images."""

import pytest

from imgdiff.operators.difference_area.image_segment_mapper import ImageSegmentMapper
from imgdiff.testing import make_row, run_operator

ONE, TWO = (4.0, 4.0, 20.0, 20.0), (30.0, 30.0, 50.0, 60.0)


def segment(models, row, **params):
    (row,) = run_operator(ImageSegmentMapper, [row], models, **params)
    return row


@pytest.fixture
def row(paint):
    """Image A has level 1 and image B level 2; they are 64 x 64."""
    return make_row(image_a=paint(1), image_b=paint(2))


def test_boxes_of_both_images_with_masks(models, row):
    models.segmenter().boxes = {1: [ONE, TWO], 2: [ONE]}
    regions = segment(models, row).regions
    assert [(r.box_xyxy, r.source) for r in regions] == [(ONE, "a"), (TWO, "a"), (ONE, "b")]
    assert all(region.mask == {"size": [64, 64], "counts": [4096]} for region in regions)


def test_settings_reach_the_segmenter(models, row):
    params = {"pred_iou_thresh": 0.5, "stability_score_thresh": 0.6, "box_nms_thresh": 0.4}
    segment(models, row, points_per_side=5, **params)
    assert models.segmenter().settings == [(5, 0.5, 0.6, 0.4)] * 2


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((0.0, 0.0, 8.0, 8.0), True),
        ((0.0, 0.0, 7.0, 30.0), False),  # thinner than min_side
        ((0.0, 0.0, 30.0, 7.0), False),
        ((30.0, 30.0, 10.0, 10.0), False),  # upside down
        ((0.0, 0.0, 64.0, 57.0), True),
        ((0.0, 0.0, 64.0, 58.0), False),  # above 0.9 of the image
    ],
)
def test_thin_and_huge_boxes_are_dropped(models, row, box, kept):
    models.segmenter().boxes = {1: [box], 2: [ONE]}
    boxes = [region.box_xyxy for region in segment(models, row).regions]
    assert boxes == ([box, ONE] if kept else [ONE])


def test_boxes_are_clipped_to_the_image(models, row):
    models.segmenter().boxes = {1: [(-10.0, 40.0, 20.0, 80.0), (70.0, 70.0, 90.0, 90.0)], 2: []}
    boxes = [region.box_xyxy for region in segment(models, row).regions]
    assert boxes == [(0.0, 40.0, 20.0, 64.0)]


@pytest.mark.parametrize("found", [{}, {1: [(0.0, 0.0, 2.0, 2.0)]}])
def test_row_without_segments_is_rejected(models, row, found):
    models.segmenter().boxes = found
    row = segment(models, row)
    assert (row.status, row.reason) == ("rejected", "image_segment_mapper: nothing_found")
    assert row.message == "no segment in either image"
    assert row.regions == []


class TestImageAOnly:
    def test_needs_no_image_b(self, models, paint):
        models.segmenter().boxes = {1: [ONE, TWO]}
        row = segment(models, make_row(image_a=paint(1)), images="a")
        assert [(r.box_xyxy, r.source) for r in row.regions] == [(ONE, "a"), (TWO, "a")]
        assert ImageSegmentMapper(ImageSegmentMapper.Params(images="a")).reads == ("image_a",)

    def test_without_segments_the_row_is_rejected(self, models, paint):
        row = segment(models, make_row(image_a=paint(1)), images="a")
        assert (row.status, row.reason) == ("rejected", "image_segment_mapper: nothing_found")
        assert row.message == "no segment in image A"


def test_images_of_two_sizes_are_rejected(models, paint):
    models.segmenter().boxes = {1: [ONE], 2: [ONE]}
    row = segment(models, make_row(image_a=paint(1), image_b=paint(2, size=(48, 64))))
    assert (row.status, row.reason) == ("rejected", "image_segment_mapper: pair_size_differs")
    assert row.message == "images are 64 x 64 and 64 x 48"


class TestNouns:
    """prompts: nouns asks for what the captions exchange, in each image for its own."""

    @pytest.fixture
    def captioned(self, paint):
        def make(caption_a="a red car on sand", caption_b="a blue boat on sand", **values):
            pair = {"image_a": paint(1), "image_b": paint(2)}
            return make_row(caption_a=caption_a, caption_b=caption_b, **pair, **values)

        return make

    def test_each_image_is_asked_for_its_own(self, models, captioned):
        models.segmenter().named = {(1, "red car"): [ONE], (2, "blue boat"): [TWO]}
        row = segment(models, captioned(), prompts="nouns", score_thresh=0.4, box_nms_thresh=0.6)
        assert models.segmenter().settings == [("red car", 0.4, 0.6), ("blue boat", 0.4, 0.6)]
        assert [(r.box_xyxy, r.source) for r in row.regions] == [(ONE, "a"), (TWO, "b")]

    def test_the_edit_is_believed_before_the_captions(self, models, captioned):
        edit = {"kind": "replace", "source": "car", "target": "boat"}
        segment(models, captioned(edit=edit), prompts="nouns")
        assert [asked[0] for asked in models.segmenter().settings] == ["car", "boat"]

    def test_nothing_is_asked_where_one_image_has_nothing(self, models, captioned):
        models.segmenter().named = {(2, "boat"): [TWO]}
        row = segment(models, captioned("sand", "sand and a boat"), prompts="nouns")
        assert [asked[0] for asked in models.segmenter().settings] == ["boat"]
        assert [(r.box_xyxy, r.source) for r in row.regions] == [(TWO, "b")]

    @pytest.mark.parametrize(
        ("caption_b", "reason"),
        [("A red car on sand.", "captions_identical"), ("a red car in sand", "nothing_named")],
    )
    def test_a_row_that_names_nothing_is_rejected(self, models, captioned, caption_b, reason):
        row = segment(models, captioned(caption_b=caption_b), prompts="nouns")
        assert (row.status, row.reason) == ("rejected", f"image_segment_mapper: {reason}")
        assert models.segmenter().settings == []

    def test_what_is_not_found_is_rejected(self, models, captioned):
        row = segment(models, captioned(), prompts="nouns")
        assert row.reason == "image_segment_mapper: nothing_found"

    def test_captions_are_needed(self):
        made = ImageSegmentMapper(ImageSegmentMapper.Params(prompts="nouns"))
        assert made.reads == ("image_a", "image_b", "caption_a", "caption_b")
