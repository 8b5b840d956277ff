"""Segment Anything of transformers in segment_anything: same names, same masks."""

import numpy as np
import pytest
import torch
from miniatures import SAM_SIDE as SIDE
from miniatures import sam

from imgdiff.models.families.sam import SegmentAnything
from imgdiff.models.zoo import Checkpoint


@pytest.fixture(scope="module")
def theirs():
    return sam()


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam")
    theirs.save_pretrained(folder)
    return SegmentAnything.load(Checkpoint(name=str(folder), device="cpu")).sam


@torch.no_grad()
def test_same_masks_for_a_point(theirs, ours):
    pixels = torch.randn(1, 3, SIDE, SIDE)
    point = torch.tensor([[20.0, 30.0]])
    expected = theirs(
        pixel_values=pixels,
        input_points=point[None, None],
        input_labels=torch.ones(1, 1, 1, dtype=torch.long),
        multimask_output=True,
    )
    embedding = ours.image_encoder(pixels)
    sparse, dense = ours.prompt_encoder((point[None], torch.ones(1, 1)), None, None)
    masks, quality = ours.mask_decoder(
        image_embeddings=embedding,
        image_pe=ours.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    torch.testing.assert_close(masks, expected.pred_masks[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(quality, expected.iou_scores[0], rtol=0, atol=1e-4)
    assert float(masks.std()) > 0.01


def test_everything_mode_runs(ours):
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    segments = SegmentAnything(ours).segment(picture, 4, 0.0, 0.0, 0.7)
    assert all(segment["mask"]["size"] == [SIDE, SIDE] for segment in segments)
