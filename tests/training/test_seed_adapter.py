"""The hallucination elimination adapter: nothing at first, the teacher when off, itself when
merged."""

import pytest
import torch
from chat_miniatures import save_llava
from torch.testing import assert_close

from imgdiff.errors import RefusedError
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.training.lora import merged
from imgdiff.training.seed.adapter import attach, put_back, snapshot
from imgdiff.training.seed.recipe import SeedAdapter

SMALL = SeedAdapter(rank=4)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    save_llava(folder)
    return Checkpoint(name=str(folder))


@pytest.fixture
def mllm(checkpoint):
    return ImageTextToText.load(checkpoint)


@torch.no_grad()
def logits(mllm, model):
    picture = draw(sample_scene(generator("test", 0))).image
    return model(**mllm.batch([Question((picture,), "What differs?")])).logits


@torch.no_grad()
def moved(model):
    """The model after something was learned."""
    torch.manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.add_(0.2 * torch.randn_like(weight))
    return model


def test_a_fresh_one_changes_not_a_bit(mllm):
    before = logits(mllm, mllm.model)
    assert torch.equal(logits(mllm, attach(mllm.model, SMALL)), before)


def test_off_is_the_teacher(mllm):
    before = logits(mllm, mllm.model)
    student = moved(attach(mllm.model, SMALL))
    assert not torch.allclose(logits(mllm, student), before, atol=1e-2)
    with student.disable_adapter():
        assert torch.equal(logits(mllm, student), before)
    assert not torch.allclose(logits(mllm, student), before, atol=1e-2)


def test_the_saved_model_is_the_trained_one(mllm, tmp_path):
    student = moved(attach(mllm.model, SMALL))
    taught = logits(mllm, student)
    merged(student, torch.float32).save_pretrained(tmp_path)
    mllm.processor.save_pretrained(tmp_path)
    loaded = ImageTextToText.load(Checkpoint(name=str(tmp_path)))
    assert_close(logits(mllm, loaded.model), taught, atol=1e-4, rtol=1e-4)


def test_a_snapshot_is_put_back(mllm):
    student = moved(attach(mllm.model, SMALL))
    kept, taught = snapshot(student), logits(mllm, student)
    assert not torch.equal(logits(mllm, moved(student)), taught)
    put_back(student, kept)
    assert torch.equal(logits(mllm, student), taught)


def test_only_the_adapter_is_trained(mllm):
    student = attach(mllm.model, SMALL)
    names = [name for name, weight in student.named_parameters() if weight.requires_grad]
    assert names
    assert all("lora" in name for name in names)


def test_a_merged_one_costs_nothing(mllm):
    """The same class with the same weights by name: nothing is left to run."""
    names = list(mllm.model.state_dict())
    whole = merged(moved(attach(mllm.model, SMALL)), torch.float32)
    assert type(whole) is type(mllm.model)
    assert list(whole.state_dict()) == names


def test_the_last_blocks_alone(mllm):
    """Of the two blocks of the miniature."""
    student = attach(mllm.model, SeedAdapter(rank=4, blocks=0.5, target_modules=["q_proj"]))
    trained = [name for name, weight in student.named_parameters() if weight.requires_grad]
    assert len(trained) == 2
    assert all("layers.1.self_attn.q_proj" in name for name in trained)


def test_a_layer_that_is_not_there(mllm):
    with pytest.raises(RefusedError, match=r"no such layer. There are down_proj, .*q_proj"):
        attach(mllm.model, SeedAdapter(target_modules=["query"]))
