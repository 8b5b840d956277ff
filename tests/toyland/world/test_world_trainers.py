"""Trainers: none but the judge's is shown a combination that is held out, and each takes a step."""

import numpy as np
import pytest
import torch

from imgdiff.toyland.train.loop import progress
from imgdiff.toyland.world import changes, conversations, views
from imgdiff.toyland.world.sampling import generator
from imgdiff.toyland.world.scenes import draw
from imgdiff.toyland.world.train import (
    autoencoder,
    clip,
    diffusion,
    judge,
    latents,
    matcher,
    segmenter,
)
from imgdiff.toyland.world.train.__main__ import train_role
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS, HELD_OUT


def _clip(step):
    return views.view(generator("train", step)), views.joined(generator("train", step))


def _mllm(step):
    return [conversations.conversation(generator("train", step * 9 + k)) for k in range(9)]


def _diffusion(step):
    return [views.draw(diffusion.drawn_scene(step * 9 + k)) for k in range(9)]


DATA = {
    "autoencoder": lambda step: (autoencoder.scene_crops(step), autoencoder.whole_scenes(step)),
    "segmenter": segmenter.sample,
    "clip": _clip,
    "matcher": lambda step: matcher.crops(generator("train", step)),
    "mllm": _mllm,
    "diffusion": _diffusion,
}


@pytest.mark.parametrize("role", DATA)
def test_nobody_is_shown_what_is_held_out(role, monkeypatch):
    drawn = []

    def watched(scene):
        drawn.append(scene.combinations)
        return draw(scene)

    for module in (autoencoder, latents, views, changes):
        monkeypatch.setattr(module, "draw", watched)
    for step in range(4):
        DATA[role](step)
    assert len(drawn) >= 4
    assert not set.union(*drawn) & HELD_OUT


def test_wrong_texts_of_the_matcher_name_nothing_held_out():
    shown = [(category, "red") for category in CATEGORIES] * 30
    for text, wrong in zip(*matcher.texts(shown, np.random.default_rng(0)), strict=True):
        assert text != wrong
        assert wrong not in HELD_OUT


def test_a_pool_that_grows_keeps_what_it_had(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "CHUNK", 32)
    vae = autoencoder.new_model().eval()
    small = latents.make_pool(vae, tmp_path, diffusion.drawn_scene, 32)
    large = latents.make_pool(vae, tmp_path, diffusion.drawn_scene, 64)
    assert large.latents.shape == (64, 4, 32, 32)
    assert torch.equal(large.latents[:32], small.latents)
    assert torch.equal(large.mean, small.mean)
    clean, cover, labels = latents.batch_of(large, np.array([3, 40]))
    assert clean.shape == (2, 4, 32, 32)
    assert 0 <= float(cover.min()) < float(cover.max()) <= 1
    scene = diffusion.drawn_scene(40)
    numbers = {1 + list(CATEGORIES).index(thing.category) for thing in scene.things}
    assert set(labels[1, 0].unique().tolist()) - {0} <= numbers


def test_the_judge_knows_all_categories():
    category, colour = judge.new_model()(torch.zeros(1, 3, 128, 128))
    assert category.shape == (1, 1 + len(CATEGORIES), 32, 32)
    assert colour.shape == (1, len(COLOURS), 32, 32)


@pytest.mark.slow
@pytest.mark.parametrize("role", ["judge", "autoencoder", "segmenter", "matcher"])
def test_each_trainer_takes_a_step_and_saves(role, tmp_path):
    train_role(role, 1, tmp_path / "work", tmp_path / "weights")
    assert progress(tmp_path / "work" / role)[0] == 1
    assert list((tmp_path / "weights" / role).glob("*.safetensors"))


@pytest.mark.slow
def test_the_diffusion_model_and_the_mllm_build_on_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(latents, "CHUNK", 64)
    monkeypatch.setattr(diffusion.train, "__defaults__", (64, False))
    monkeypatch.setattr(clip, "CONTRASTED", 4)
    for role in ("autoencoder", "clip", "diffusion", "mllm"):
        train_role(role, 1, tmp_path / "work", tmp_path / "weights")
    assert (tmp_path / "weights" / "diffusion" / "model_index.json").exists()
    assert (tmp_path / "weights" / "mllm" / "config.json").exists()
