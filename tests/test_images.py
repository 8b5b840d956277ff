"""Pictures: bad files, odd modes, crops, squares, boxes."""

import io

import numpy as np
import pytest
from PIL import Image

from imgdiff.data import picture_files
from imgdiff.data.images import (
    crop,
    decode_mask,
    draw_box,
    encode_png,
    joined_view,
    load_rgb,
    pad_to_square,
    resize,
    shrink,
    side_by_side,
    square_crop,
    stretch_to_square,
)
from imgdiff.errors import RowError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8)


def stored(picture, kind="PNG", name="a.png", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return {"bytes": buffer.getvalue(), "path": name}


def error_of(image, **settings):
    with pytest.raises(RowError) as caught:
        load_rgb(image, **settings)
    return caught.value.code, str(caught.value)


class TestBadFiles:
    @pytest.mark.parametrize("content", [b"", None])
    def test_empty_file(self, content):
        error = error_of({"bytes": content, "path": "images/0818.jpg"})
        assert error == ("image_empty", "images/0818.jpg is empty")

    def test_web_page_named_jpg(self):
        code, message = error_of({"bytes": b"<html><body>", "path": "images/0818.jpg"})
        assert code == "image_unreadable"
        assert message == (
            "images/0818.jpg is not a JPEG, PNG, WEBP, AVIF or HEIC (starts with '<html>')"
        )

    def test_image_without_a_name(self):
        assert error_of({"bytes": b"\xff\x00", "path": None})[1].startswith("image is not a JPEG")

    def test_truncated_jpeg(self):
        image = stored(Image.fromarray(NOISE), "JPEG", "a.jpg")
        image["bytes"] = image["bytes"][:-128]
        code, message = error_of(image)
        assert code == "image_truncated"
        assert message.startswith("a.jpg is truncated (")

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_wherever_a_file_ends_too_early_a_reason_says_so(self, kind):
        content = stored(Image.fromarray(NOISE), kind)["bytes"]
        codes = set()
        for length in range(1, len(content) - 16, 7):
            codes.add(error_of({"bytes": content[:length], "path": "a"})[0])
        assert codes == {"image_truncated", "image_unreadable"}

    def test_too_many_pixels_are_refused_before_decoding(self, monkeypatch):
        image = stored(Image.new("1", (10_000, 10_000)))
        monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("was decoded"))
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("was decoded"))
        code, message = error_of(image, max_pixels=40_000_000)
        assert code == "image_too_large"
        assert message == (
            "a.png is 10000 x 10000 (100 MP), limit 40 MP. Raise limits.max_pixels if you want it."
        )

    def test_limit_of_the_recipe(self):
        image = stored(Image.fromarray(NOISE))
        assert load_rgb(image, max_pixels=24 * 32).shape == NOISE.shape
        assert error_of(image, max_pixels=24 * 32 - 1)[0] == "image_too_large"

    def test_bomb_that_pillow_itself_refuses(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        assert error_of(stored(Image.fromarray(NOISE)))[0] == "image_too_large"

    def test_other_formats_are_not_opened(self):
        image = stored(Image.new("F", (4, 4)), "TIFF", "a.tiff")
        code, message = error_of(image)
        assert code == "image_unreadable"
        assert message.startswith("a.tiff is not a JPEG, PNG, WEBP, AVIF or HEIC (starts with ")

    def test_float_image(self, monkeypatch):
        monkeypatch.setattr(picture_files, "FORMATS", ("TIFF",))
        error = error_of(stored(Image.new("F", (4, 4)), "TIFF", "a.tiff"))
        assert error == ("image_mode", "a.tiff: image mode F is not supported")


class TestModes:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_rgb_is_exact(self, kind):
        image = stored(
            Image.fromarray(NOISE), kind, **({"lossless": True} if kind == "WEBP" else {})
        )
        array = load_rgb(image)
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, NOISE)

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
    def test_modes_become_rgb(self, mode):
        array = load_rgb(stored(Image.new("RGB", (8, 6), (255, 255, 255)).convert(mode)))
        assert array.shape == (6, 8, 3)
        assert (array == 255).all()

    def test_palette_keeps_its_colours(self):
        picture = Image.new("RGB", (8, 6), (200, 30, 40)).quantize(4)
        assert picture.mode == "P"
        assert (load_rgb(stored(picture)) == (200, 30, 40)).all()

    def test_16_bit_is_scaled(self):
        values = np.array([[0, 256, 32768, 65535]], np.uint16)
        array = load_rgb(stored(Image.fromarray(values)))
        assert array[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]

    @pytest.mark.parametrize(
        ("alpha", "expected"), [(0, (255, 255, 255)), (255, (10, 20, 30)), (128, (132, 137, 142))]
    )
    def test_transparency_is_put_on_white(self, alpha, expected):
        array = load_rgb(stored(Image.new("RGBA", (4, 4), (10, 20, 30, alpha))))
        np.testing.assert_allclose(array[0, 0], expected, atol=1)

    def test_grey_transparency_is_put_on_white(self):
        assert (load_rgb(stored(Image.new("LA", (4, 4), (10, 0)))) == 255).all()

    def test_transparent_palette_entry_is_put_on_white(self):
        picture = Image.new("P", (4, 4), 0)
        picture.putpalette([10, 20, 30, 40, 50, 60])
        picture.putpixel((1, 0), 1)
        array = load_rgb(stored(picture, transparency=0))
        assert array[0, 0].tolist() == [255, 255, 255]
        assert array[0, 1].tolist() == [40, 50, 60]

    def test_cmyk(self):
        picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
        array = load_rgb(stored(picture, "JPEG", quality=95))
        np.testing.assert_allclose(array[8, 8], (255, 0, 0), atol=12)

    def test_exif_rotation_is_applied(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        array = load_rgb(stored(Image.fromarray(NOISE), exif=exif))
        np.testing.assert_array_equal(array, np.rot90(NOISE, -1))

    def test_png_round_trip(self):
        image = encode_png(NOISE)
        assert image["path"] is None
        np.testing.assert_array_equal(load_rgb(image), NOISE)


class TestCrop:
    @pytest.mark.parametrize(
        ("box", "rows", "columns"),
        [
            ((4, 2, 10, 6), (2, 6), (4, 10)),
            ((4.7, 2.9, 9.1, 5.2), (2, 6), (4, 10)),  # rounded outwards
            ((-5, -5, 4, 4), (0, 4), (0, 4)),
            ((28, 20, 99, 99), (20, 24), (28, 32)),
            ((40, 40, 50, 50), (23, 24), (31, 32)),  # outside: the nearest pixel
            ((-9, -9, -5, -5), (0, 1), (0, 1)),
            ((10, 10, 10, 10), (10, 11), (10, 11)),
            ((10, 10, 4, 4), (10, 11), (10, 11)),  # upside down
        ],
    )
    def test_crop(self, box, rows, columns):
        np.testing.assert_array_equal(crop(NOISE, box), NOISE[slice(*rows), slice(*columns)])


class TestSquare:
    @pytest.mark.parametrize(("high", "wide"), [(4, 10), (10, 4), (5, 10), (6, 6)])
    def test_picture_is_in_the_middle_of_grey(self, high, wide):
        square = pad_to_square(np.full((high, wide, 3), 9, np.uint8))
        side = max(high, wide)
        assert square.shape == (side, side, 3)
        top, left = (side - high) // 2, (side - wide) // 2
        inside = np.zeros((side, side), bool)
        inside[top : top + high, left : left + wide] = True
        assert (square[inside] == 9).all()
        assert (square[~inside] == 127).all()

    def test_fill(self):
        assert pad_to_square(np.ones((1, 3, 3), np.uint8), fill=0)[0].sum() == 0

    def test_crop_on_a_square(self):
        box = (4, 2, 10, 6)
        np.testing.assert_array_equal(square_crop(NOISE, box), pad_to_square(crop(NOISE, box)))

    @pytest.mark.parametrize(("high", "wide", "side"), [(480, 640, 640), (2000, 1500, 1024)])
    def test_all_of_a_picture_is_stretched(self, high, wide, side):
        halves = np.zeros((high, wide, 3), np.uint8)
        halves[:, wide // 2 :] = 250
        square = stretch_to_square(halves)
        assert square.shape == (side, side, 3)
        assert (square[:, : side // 2 - 4] == 0).all()
        assert (square[:, side // 2 + 4 :] == 250).all()

    def test_a_square_is_not_stretched(self):
        square = np.zeros((1500, 1500, 3), np.uint8)
        assert stretch_to_square(square) is square

    def test_another_size(self):
        half = np.repeat([[(0, 0, 0), (250, 250, 250)]], 20, axis=0).repeat(15, axis=1)
        resized = resize(half.astype(np.uint8), 12, 8)  # 30 x 20 before
        assert resized.shape == (8, 12, 3)
        assert (resized[:, :4] < 9).all()
        assert (resized[:, -4:] > 241).all()

    def test_a_picture_of_the_usual_size_is_not_shrunk(self):
        assert shrink(NOISE) is NOISE
        assert shrink(np.zeros((2048, 1000, 3), np.uint8)).shape == (1024, 500, 3)

    @pytest.mark.parametrize(("high", "wide"), [(3000, 1500), (1024, 2000), (1, 4000)])
    def test_a_large_crop_is_scaled_down(self, high, wide):
        square = square_crop(np.full((high, wide, 3), 9, np.uint8), (0, 0, wide, high))
        assert square.shape == (1024, 1024, 3)
        shown = (square == 9).all(-1)
        assert shown.sum() == max(1, round(1024 * min(high, wide) / max(high, wide))) * 1024


def red_box(array):
    """xyxy of the outermost red pixels, far edges exclusive."""
    y, x = np.nonzero((array == (255, 0, 0)).all(-1))
    return x.min(), y.min(), x.max() + 1, y.max() + 1


class TestDrawnBoxes:
    def test_original_is_untouched(self):
        array = np.zeros((64, 64, 3), np.uint8)
        draw_box(array, (10, 10, 30, 30))
        assert not array.any()

    @pytest.mark.parametrize(("side", "line", "margin"), [(1024, 3, 5), (2048, 6, 10), (128, 1, 1)])
    def test_line_and_margin_scale_with_the_image(self, side, line, margin):
        box = np.array((0.25, 0.25, 0.5, 0.75)) * side
        array = draw_box(np.zeros((side, side, 3), np.uint8), box)
        left, top, right, bottom = red_box(array)
        expected = box + np.array([-1, -1, 1, 1]) * margin
        np.testing.assert_allclose((left, top, right, bottom), expected, atol=line / 2 + 2)
        middle = array[side // 2, : side * 3 // 8, 0]  # from the left edge into the box
        assert abs(int((middle == 255).sum()) - line) <= 2  # OpenCV draws 3 as 5 pixels
        assert not array[side // 2, side * 3 // 8].any()

    @pytest.mark.parametrize("size", [(64, 64), (32, 64), (1024, 512)])
    def test_box_is_clamped_to_the_image(self, size):
        high, wide = size
        array = draw_box(np.zeros((high, wide, 3), np.uint8), (-20, -20, wide + 20, high + 20))
        assert red_box(array) == (0, 0, wide, high)
        for edge in (array[0], array[-1], array[:, 0], array[:, -1]):
            assert (edge == (255, 0, 0)).all()

    def test_edge_of_a_box_at_the_border_is_drawn(self):
        array = draw_box(np.zeros((64, 64, 3), np.uint8), (40, 40, 64, 64))
        assert (array[50, 63] == (255, 0, 0)).all()
        assert (array[63, 50] == (255, 0, 0)).all()


@pytest.mark.parametrize(("side", "bar"), [(1024, 20), (512, 10), (16, 1)])
def test_join_puts_a_black_bar_between(side, bar):
    left, right = (np.full((side, side, 3), value, np.uint8) for value in (9, 99))
    joined = side_by_side(left, right)
    assert joined.shape == (side, 2 * side + bar, 3)
    assert (joined[:, :side] == 9).all()
    assert (joined[:, side : side + bar] == 0).all()
    assert (joined[:, side + bar :] == 99).all()


@pytest.mark.parametrize(("left", "levels"), [("a", (9, 99)), ("b", (99, 9))])
def test_joined_view_marks_both_images_and_puts_the_named_one_left(left, levels):
    pictures = (np.full((64, 64, 3), level, np.uint8) for level in (9, 99))
    view = joined_view(*pictures, (10, 10, 30, 30), left)
    marked = (draw_box(np.full((64, 64, 3), n, np.uint8), (10, 10, 30, 30)) for n in levels)
    np.testing.assert_array_equal(view, side_by_side(*marked))


def test_mask_is_decoded_as_segment_anything_encodes_it():
    import torch
    from segment_anything.utils.amg import mask_to_rle_pytorch

    mask = NOISE[..., 0] > 100
    (encoded,) = mask_to_rle_pytorch(torch.from_numpy(mask)[None])
    np.testing.assert_array_equal(decode_mask(encoded), mask)
