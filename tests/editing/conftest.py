"""A miniature SDXL pipeline with random weights whose attention matters."""

import miniatures
import pytest
import torch

from imgdiff.toyland.tokenizer import clip_tokenizer


@pytest.fixture(autouse=True)
def _one_thread():
    """More would only wait for each other in models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    return clip_tokenizer()


@pytest.fixture(scope="session")
def pipeline(tokenizer):
    return miniatures.sdxl(tokenizer)


@pytest.fixture(scope="session")
def distilled_pipeline(tokenizer):
    """Its UNet reads the guidance scale, so that diffusers adds no unconditional half."""
    return miniatures.sdxl(tokenizer, time_cond_proj_dim=8)
