"""The judge without its weights: shapes, how cells become things, and its file."""

import numpy as np
import pytest
import torch

from imgdiff.toyland.judge import GRID, LEAST_CELLS, Judge, load_judge, look
from imgdiff.toyland.scenes import SIZE
from imgdiff.toyland.train.save import save_judge
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS

PICTURE = np.zeros((SIZE, SIZE, 3), np.uint8)


class Cells:
    """Stands in for the network: logits made by hand, of ground where nothing is put."""

    categories, colours = tuple(CATEGORIES), tuple(COLOURS)

    def __init__(self):
        self.category = torch.zeros(len(CATEGORIES) + 1, GRID, GRID)
        self.category[0] = 1
        self.colour = torch.zeros(len(COLOURS), GRID, GRID)

    def put(self, category, colour, rows, columns, sure=1.0):
        """Let the cells show a thing; `sure` is the logit of its colour."""
        self.category[list(CATEGORIES).index(category) + 1, rows, columns] = 2
        self.colour[list(COLOURS).index(colour), rows, columns] = sure

    def __call__(self, images):
        return tuple(part.expand(len(images), -1, -1, -1) for part in (self.category, self.colour))

    def look(self):
        """Every thing's name and number of cells, by name."""
        (things,) = look(self, [PICTURE])
        return sorted((thing.name, int(thing.cells.sum())) for thing in things)


@pytest.fixture
def cells():
    return Cells()


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return Judge().eval()


def test_logits_for_every_cell(untrained):
    with torch.inference_mode():
        category, colour = untrained(torch.rand(2, 3, SIZE, SIZE))
    assert category.shape == (2, len(CATEGORIES) + 1, 32, 32)
    assert colour.shape == (2, len(COLOURS), 32, 32)


def test_cells_lie_where_the_picture_changes(untrained):
    picture = torch.full((1, 3, SIZE, SIZE), 0.5)
    changed = picture.clone()
    changed[..., 40:44, 80:84] = 1  # row 10, column 20
    with torch.inference_mode():
        before, after = (untrained(images)[0][0] for images in (picture, changed))
    difference = (after - before).abs().sum(0)
    assert divmod(int(difference.argmax()), GRID) == pytest.approx((10, 20), abs=1)


class TestThings:
    def test_nothing_on_empty_ground(self, cells):
        assert cells.look() == []

    def test_category_colour_and_cells(self, cells):
        cells.put("boat", "blue", slice(4, 9), slice(10, 14))
        ((thing,),) = look(cells, [PICTURE])
        assert (thing.category, thing.colour, thing.name) == ("boat", "blue", "blue boat")
        expected = np.zeros((GRID, GRID), bool)
        expected[4:9, 10:14] = True
        assert thing.cells.dtype == bool
        np.testing.assert_array_equal(thing.cells, expected)

    @pytest.mark.parametrize("category", CATEGORIES)
    def test_every_category_and_colour(self, cells, category):
        for k, colour in enumerate(COLOURS):
            cells.put(category, colour, slice(4 * k, 4 * k + 3), slice(0, 3))
        assert cells.look() == sorted((f"{colour} {category}", 9) for colour in COLOURS)

    def test_areas_apart_are_two_things(self, cells):
        cells.put("duck", "red", slice(0, 4), slice(0, 4))
        cells.put("duck", "green", slice(0, 4), slice(5, 9))
        assert cells.look() == [("green duck", 16), ("red duck", 16)]

    def test_areas_that_touch_at_a_corner_are_one(self, cells):
        cells.put("duck", "red", slice(0, 4), slice(0, 4))
        cells.put("duck", "red", slice(4, 8), slice(4, 8))
        assert cells.look() == [("red duck", 32)]

    def test_neighbours_of_different_categories_are_two(self, cells):
        cells.put("duck", "red", slice(0, 4), slice(0, 4))
        cells.put("fish", "red", slice(0, 4), slice(4, 8))
        assert cells.look() == [("red duck", 16), ("red fish", 16)]

    def test_few_cells_are_no_thing(self, cells):
        cells.put("mug", "white", slice(0, 1), slice(0, LEAST_CELLS - 1))
        assert cells.look() == []
        cells.put("mug", "white", slice(0, 1), slice(0, LEAST_CELLS))
        assert cells.look() == [("white mug", LEAST_CELLS)]

    def test_small_parts_do_not_add_up(self, cells):
        for row in (0, 2):
            cells.put("mug", "white", slice(row, row + 1), slice(0, LEAST_CELLS - 1))
        assert cells.look() == []

    def test_colour_is_decided_by_how_sure_the_cells_are(self, cells):
        cells.put("ball", "red", slice(0, 4), slice(0, 4), sure=0.5)  # twelve cells stay red
        cells.colour[:, 0, 0:4] = 0
        cells.put("ball", "blue", slice(0, 1), slice(0, 4), sure=5)
        assert cells.look() == [("blue ball", 16)]

    def test_colour_of_other_cells_does_not_matter(self, cells):
        cells.put("ball", "red", slice(0, 4), slice(0, 4))
        cells.colour[list(COLOURS).index("blue"), 4:] = 50
        assert cells.look() == [("red ball", 16)]


class TestLook:
    def test_network_sees_rgb_from_0_to_1(self):
        seen = []

        class Judge(Cells):
            def __call__(self, images):
                seen.append(images)
                return super().__call__(images)

        picture = PICTURE.copy()
        picture[5, 7] = 255, 51, 0
        look(Judge(), [picture])
        (images,) = seen
        assert images.shape == (1, 3, SIZE, SIZE)
        torch.testing.assert_close(images[0, :, 5, 7], torch.tensor([1, 0.2, 0]))
        assert images.sum().item() == pytest.approx(1.2)

    def test_many_pictures_in_order(self):
        """In several batches; only the bright ones show something."""

        class Judge(Cells):
            def __call__(self, images):
                category, colour = super().__call__(images)
                bright = images.amax((1, 2, 3)) > 0.5
                return category * bright[:, None, None, None], colour

        judge = Judge()
        judge.put("tent", "red", slice(0, 4), slice(0, 4))
        bright = [k % 3 == 0 for k in range(70)]
        things = look(judge, [np.full_like(PICTURE, 255 * value) for value in bright])
        assert [len(found) for found in things] == bright

    def test_no_pictures(self, cells):
        assert look(cells, []) == []

    def test_untrained_network(self, untrained):
        noise = np.random.default_rng(0).integers(0, 256, PICTURE.shape, np.uint8)
        for things in look(untrained, [PICTURE, noise]):
            for thing in things:
                assert thing.cells.shape == (GRID, GRID)
                assert thing.cells.sum() >= LEAST_CELLS


def test_saved_and_loaded(untrained, tmp_path):
    torch.manual_seed(1)
    saved = Judge()
    saved.stride_2[0][1].running_mean.uniform_(-1, 1)  # which training changes too
    before = {name: value.clone() for name, value in saved.state_dict().items()}
    save_judge(saved, tmp_path / "judge")
    loaded = load_judge(tmp_path / "judge")
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert value.dtype == before[name].dtype  # although stored with half the precision
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-6)
