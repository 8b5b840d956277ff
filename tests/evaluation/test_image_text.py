"""Scores of images with texts, by models of the real classes with random weights."""

import miniatures
import numpy as np
import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.image_text import CosineScorer, MatchScorer, load_scorer
from imgdiff.models.zoo import Checkpoint

PICTURES = [np.random.default_rng(k).integers(0, 255, (40, 30, 3), np.uint8) for k in range(3)]
TEXTS = [["a red car", "a mug", "a red car"], ["a mug"], ["a blue boat on the sand", "a mug"]]
KINDS = {
    "clip": (miniatures.save_clip, CosineScorer),
    "siglip": (miniatures.save_siglip, CosineScorer),
    "blip": (miniatures.save_blip, MatchScorer),
    "blip2": (miniatures.save_blip2, MatchScorer),
}


@pytest.fixture(scope="module", params=KINDS)
def scorer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    save, kind = KINDS[request.param]
    save(folder)
    loaded = load_scorer(Checkpoint(name=str(folder)))
    assert isinstance(loaded, kind)
    return loaded


def test_a_text_has_one_score_whatever_stands_beside_it(scorer):
    together = scorer.scores(PICTURES, TEXTS)
    assert [len(found) for found in together] == [3, 1, 2]
    assert together[0][0] == together[0][2] != together[0][1]
    for k, found in enumerate(together):
        (alone,) = scorer.scores(PICTURES[k : k + 1], TEXTS[k : k + 1])
        assert alone == pytest.approx(found, abs=1e-5)
        assert (np.abs(found) <= 1).all()


def test_a_text_longer_than_the_model_reads_is_cut(scorer):
    (long, cut), *_ = scorer.scores(PICTURES[:1], [["a red car " * 90, "a red car " * 80]])
    assert long == pytest.approx(cut)


def test_a_class_is_its_ensemble(scorer):
    prompts = [["a red car", "a blue car"], ["a mug"], ["a tree", "the tree"]]
    classified = scorer.classifier(prompts)(PICTURES)
    assert classified.shape == (3, 3)
    for k, picture in enumerate(PICTURES):
        (single,) = scorer.scores([picture], [["a mug"]])
        assert classified[k, 1] == pytest.approx(single[0], abs=1e-5)


def test_a_class_of_two_towers_has_unit_length(scorer):
    """Else a class whose prompts differ would always score lower."""
    if isinstance(scorer, MatchScorer):
        pytest.skip("a matching head has no vectors")
    prompts = ["a red car", "a tree on the sand"]
    mean = scorer.towers.embed_texts(prompts).mean(0)
    expected = scorer.towers.embed_images(PICTURES) @ (mean / np.linalg.norm(mean))
    assert scorer.classifier([prompts])(PICTURES)[:, 0] == pytest.approx(expected, abs=1e-6)


def test_models_without_towers_are_refused(tmp_path):
    miniatures.save_vit(tmp_path)
    with pytest.raises(
        RefusedError, match="is of the kind vit, but matcher takes blip, blip-2, clip"
    ):
        load_scorer(Checkpoint(name=str(tmp_path)))
