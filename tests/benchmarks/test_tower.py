"""Another CLIP's tower in the embedded MLLM."""

import pytest
import torch
from transformers import CLIPModel

from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.toyland.train.mllm import LlavaForConditionalGeneration, train_projector


@pytest.mark.slow
def test_the_projector_alone_adapts(tmp_path):
    clip = CLIPModel.from_pretrained(EMBEDDED_WEIGHTS / "clip", dtype=torch.float32)
    with torch.no_grad():
        for weights in clip.vision_model.parameters():
            weights.mul_(1.01)
    clip.save_pretrained(tmp_path / "clip")
    shipped = EMBEDDED_WEIGHTS / "mllm"
    before = LlavaForConditionalGeneration.from_pretrained(shipped, dtype=torch.float32)
    after = train_projector(tmp_path / "work", 1, shipped, tmp_path / "clip")
    tower = {f"model.vision_tower.{k}": v for k, v in clip.vision_model.state_dict().items()}
    expected, learnt = {**before.state_dict(), **tower}, after.state_dict()
    changed = {name for name in expected if not torch.equal(expected[name], learnt[name])}
    assert changed == {name for name in expected if ".multi_modal_projector." in name}
