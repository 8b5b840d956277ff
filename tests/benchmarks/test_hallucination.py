"""What `benchmarks/hallucination.py` counts and compares, by hand and on the embedded MLLM."""

import datasets
import numpy as np
import pytest
import torch
from hallucination_parts import changes, together
from hallucination_parts.bench import Bench
from hallucination_parts.efuf import compared, misread
from hallucination_parts.efuf_data import precision_figures, shown
from hallucination_parts.page import write_page
from hallucination_parts.scenes import HeldOutScenes, Said
from hallucination_parts.tower import SeenOnce
from transformers.modeling_outputs import BaseModelOutputWithPooling

from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, bind
from imgdiff.toyland.make import write_scenes
from imgdiff.toyland.scenes import generator, sample_scene


def said(captions, answers=((3, 0, 0, 3),), reading=((2, 4),)):
    count = len(captions)
    pope = {"random": np.array(answers * count if len(answers) == 1 else answers, float)}
    return Said(np.array(captions, float), pope, np.array(reading * count, float))


# mentions that are not there, mentions, true objects named, true objects, words, captions
BEFORE = said([(1, 2, 1, 2, 8, 1), (1, 3, 2, 2, 12, 1)])
POPE_AFTER = {"random": np.array([(2, 0, 1, 3)] * 2, float)}
AFTER = said([(0, 1, 1, 2, 6, 1), (1, 3, 2, 2, 10, 1)], reading=((4, 4),))


class TestChanges:
    def test_levels_are_of_sums(self):
        found = changes.level("x", "", BEFORE.captions, changes.chair_i)
        assert found.value == pytest.approx(2 / 5)
        assert found.cases == 2
        assert changes.recall(BEFORE.captions.sum(0)) == pytest.approx(3 / 4)
        assert changes.words(BEFORE.captions.sum(0)) == pytest.approx(10)
        assert changes.perplexity(BEFORE.reading.sum(0)) == pytest.approx(np.exp(0.5))

    def test_a_ratio_and_a_difference_in_points(self):
        pair = BEFORE.captions, AFTER.captions
        assert changes.ratio("x", "", *pair, changes.chair_i).value == pytest.approx(0.25 / 0.4)
        found = changes.difference("x", "", *pair, changes.chair_i)
        assert found.value == pytest.approx(-15)

    def test_images_are_drawn_with_both_models(self):
        """Where every image changes alike, the change is sure though the level is not."""
        rng = np.random.default_rng(0)
        old = np.stack([rng.integers(0, 9, 40), np.full(40, 10)], 1).astype(float)
        new = old + np.array([1, 0])
        level = changes.level("x", "", old, changes.chair_i)
        found = changes.difference("x", "", old, new, changes.chair_i)
        assert level.high - level.low > 0.1
        assert (found.low, found.value, found.high) == pytest.approx((10, 10, 10))

    def test_what_is_misread_has_a_true_object_that_goes_unnamed(self):
        rows = [(1, 2, 1, 2, 8, 1), (1, 3, 2, 2, 12, 1), (2, 2, 0, 1, 8, 1), (0, 1, 1, 2, 6, 1)]
        found = misread(np.array(rows, float))
        assert found.tolist() == [[1, 1], [0, 1], [1, 2], [0, 0]]

    def test_several_seeds_count_together(self):
        both = Said.together([BEFORE, AFTER])
        assert both.captions.tolist() == [[1, 3, 2, 4, 14, 2], [2, 6, 4, 4, 22, 2]]
        assert changes.words(both.captions.sum(0)) == pytest.approx(9)
        assert changes.of_all(both).tolist() == [[6, 0, 0, 6]] * 2


def test_what_was_said_is_kept_whole(tmp_path):
    BEFORE.write(tmp_path / "work" / "said.npz")
    kept = Said.read(tmp_path / "work" / "said.npz")
    assert kept.captions.tolist() == BEFORE.captions.tolist()
    assert kept.reading.tolist() == BEFORE.reading.tolist()
    assert {name: counts.tolist() for name, counts in kept.pope.items()} == {
        name: counts.tolist() for name, counts in BEFORE.pope.items()
    }


class TestEfuf:
    def test_bars(self):
        figures = {figure.name: figure for figure in compared(BEFORE, AFTER)}
        assert figures["efuf_chair_i_before"].value == pytest.approx(0.4)
        assert figures["efuf_chair_i_after"].value == pytest.approx(0.25)
        passes = {name: figure.passes for name, figure in figures.items() if figure.bar}
        assert passes == {
            "efuf_chair_i_ratio": True,
            "efuf_recall_change": True,
            "efuf_length_ratio": False,  # 8 words after 10
            "efuf_perplexity_ratio": False,
            "efuf_pope_bound": True,
        }

    def test_precision_is_against_the_scenes(self, tmp_path):
        write_scenes(tmp_path, 1)
        there = sample_scene(generator("validation", 0)).objects[0].category
        assert there in shown("scene-0000")
        absent = next(name for name in ("car", "mug", "tree", "duck") if name not in there)
        phrases = [
            {"text": f"a {name}", "set": which}
            for name, which in ((there, "positive"), (absent, "positive"), (absent, "negative"))
        ]
        row = {"id": "scene-0000", "phrases": phrases, "image_a": {"bytes": b"", "path": "x"}}
        (tmp_path / "data" / "pairs").mkdir(parents=True)
        table = datasets.Dataset.from_list([row])
        table.to_parquet(str(tmp_path / "data" / "pairs" / "train-00000.parquet"))
        positive, negative = precision_figures(tmp_path)
        assert (positive.value, positive.cases) == (0.5, 2)
        assert (negative.value, negative.cases) == (1, 1)

    def test_the_page_marks_what_is_missed(self, tmp_path):
        write_page(tmp_path / "page.md", {"EFUF": compared(BEFORE, AFTER)})
        text = (tmp_path / "page.md").read_text()
        assert "| `efuf_chair_i_before` | mentions that are hallucinated | 0.400 |" in text
        assert text.count("(missed)") == 2


def test_the_page_has_what_was_kept(tmp_path):
    bench = Bench(tmp_path, quick=False)
    figures = compared(BEFORE, AFTER)
    bench.keep("efuf", figures)
    assert bench.kept("efuf") == figures
    assert bench.kept("another") == []
    write_page(tmp_path / "page.md", {"EFUF": bench.kept("efuf"), "Another": []})
    assert "Another" not in (tmp_path / "page.md").read_text()


def test_together_compares_with_the_model_before_both():
    found = [
        *together.caption_figures("together", BEFORE.captions, AFTER.captions),
        *together.pope_figures("together", BEFORE.pope, POPE_AFTER),
    ]
    figures = {figure.name: figure.value for figure in found}
    assert figures["together_chair_i_ratio"] == pytest.approx(0.25 / 0.4)
    assert figures["together_recall_change"] == 0
    assert figures["together_pope_random_f1_before"] == 1
    assert figures["together_pope_random_f1_change"] == pytest.approx(-20)


def test_a_picture_is_seen_once():
    class Counting(torch.nn.Identity):
        seen = 0

        def forward(self, pixels):
            self.seen += len(pixels)
            return BaseModelOutputWithPooling(last_hidden_state=pixels + 1)

    pictures = torch.arange(6.0).reshape(3, 2)
    counting = Counting()
    tower = SeenOnce(counting)
    first = tower(pictures[[0, 1, 0]]).hidden_states[-1]
    second = tower(pictures[[1, 2]]).hidden_states[-1]
    assert first.tolist() == (pictures[[0, 1, 0]] + 1).tolist()
    assert second.tolist() == (pictures[[1, 2]] + 1).tolist()
    assert counting.seen == 3


@pytest.mark.slow
def test_models_that_share_a_tower_say_what_they_said_alone(tmp_path):
    weights = EMBEDDED_WEIGHTS / "mllm"
    bench, scenes = Bench(tmp_path, quick=True), HeldOutScenes(4)
    alone = scenes.said_by(ImageTextToText.load(bind("embedded")["mllm"]))
    shared = [bench.load(weights) for _ in range(2)]
    towers = {id(mllm.model.model.vision_tower) for mllm in shared}
    assert len(towers) == 1
    for mllm in shared:
        said = scenes.said_by(mllm)
        assert said.captions.tolist() == alone.captions.tolist()
        np.testing.assert_allclose(said.reading, alone.reading, rtol=1e-4)


@pytest.mark.slow
def test_the_embedded_model_is_counted_scene_by_scene():
    scenes = HeldOutScenes(24)
    found = scenes.said_by(ImageTextToText.load(bind("embedded")["mllm"]))
    objects = [len(each.objects) for each in scenes.annotated]
    assert found.captions[:, 3].tolist() == objects
    assert found.captions[:, 5].tolist() == [1] * 24
    for counts in found.pope.values():
        assert counts.sum(-1).tolist() == [6 * (number >= 3) for number in objects]
    assert 1 < changes.perplexity(found.reading.sum(0)) < 2  # it was trained on such captions
    assert changes.chair_i(found.captions.sum(0)) < 0.5
