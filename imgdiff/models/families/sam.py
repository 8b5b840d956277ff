"""The segmenter role: Segment Anything (Kirillov et al. 2023) in its everything mode."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from imgdiff.models.families.sam_keys import config_fields, to_segment_anything
from imgdiff.models.loading import device_of, dtype_of
from imgdiff.models.zoo import Checkpoint

BYTES_PER_POINT = 3 * 4  # three masks, float32, for each pixel of the image
MASK_BYTES = 1 << 30  # of masks at the image's size that are in memory at once
USUAL_POINTS = 64  # that share a batch, as in segment_anything


class SamConfig(BaseModel):
    """The sizes of a `segment_anything` model: `config.json` beside its safetensors. Defaults are
    ViT-B's."""

    model_config = ConfigDict(extra="ignore")

    image_size: int = 1024
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    prompt_embed_dim: int = 256
    decoder_mlp_dim: int = 2048
    decoder_heads: int = 8


def build_sam(config: SamConfig) -> Sam:
    """A `Sam` of any size with random weights; `segment_anything.build_sam` fixes all but the
    encoder."""
    grid = config.image_size // config.patch_size
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=config.image_size,
            patch_size=config.patch_size,
            embed_dim=config.embed_dim,
            depth=config.depth,
            num_heads=config.num_heads,
            mlp_ratio=4,
            out_chans=config.prompt_embed_dim,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=config.window_size,
            global_attn_indexes=config.global_attn_indexes,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=config.prompt_embed_dim,
            image_embedding_size=(grid, grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2,
                embedding_dim=config.prompt_embed_dim,
                mlp_dim=config.decoder_mlp_dim,
                num_heads=config.decoder_heads,
            ),
            transformer_dim=config.prompt_embed_dim,
            iou_head_depth=3,
            iou_head_hidden_dim=config.prompt_embed_dim,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


class SegmentAnything:
    """Finds everything in an image."""

    def __init__(self, sam: Sam) -> None:
        self.sam = sam.eval()

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "SegmentAnything":
        """From `config.json` and `model.safetensors`, as transformers' `SamModel` stores them, or
        with `SamConfig`'s fields and segment_anything's names.

        Raises:
            FileNotFoundError: one of the two is missing.
        """
        folder = checkpoint.folder
        if folder is None:
            patterns = ["config.json", "*.safetensors"]
            folder = Path(
                snapshot_download(
                    checkpoint.name, revision=checkpoint.revision, allow_patterns=patterns
                )
            )
        config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
        if config.get("model_type") == "sam":
            config, weights = config_fields(config), to_segment_anything(weights)
        sam = build_sam(SamConfig.model_validate(config))
        sam.load_state_dict(weights)
        return cls(sam.to(device_of(checkpoint), dtype_of(checkpoint)))

    def segment(
        self,
        image: np.ndarray,
        points_per_side: int,
        pred_iou_thresh: float,
        stability_score_thresh: float,
        box_nms_thresh: float,
    ) -> list[dict[str, Any]]:
        """Segments of an image.

        Args:
            image: [H, W, 3] uint8 RGB.
            points_per_side: a grid of this many points, squared, prompts the model.
            pred_iou_thresh, stability_score_thresh: lowest quality that is kept, in [0, 1].
            box_nms_thresh: of two boxes that overlap more, the worse one is dropped.

        Returns:
            Dictionaries with `box_xyxy` (4 float pixels, far edges exclusive), `mask` (run lengths
            as in `imgdiff.data.rows.Region`) and `score` (predicted IoU), best first.
        """
        fits = MASK_BYTES // (BYTES_PER_POINT * image.shape[0] * image.shape[1])
        everything = SamAutomaticMaskGenerator(
            self.sam,
            points_per_side=points_per_side,
            points_per_batch=max(1, min(USUAL_POINTS, fits)),
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            box_nms_thresh=box_nms_thresh,
            output_mode="uncompressed_rle",
        )
        found = sorted(everything.generate(image), key=lambda entry: -entry["predicted_iou"])
        return [
            {
                "box_xyxy": _xyxy(entry["bbox"]),
                "mask": {
                    key: [int(v) for v in entry["segmentation"][key]] for key in ("size", "counts")
                },
                "score": float(entry["predicted_iou"]),
            }
            for entry in found
        ]


def _xyxy(box_xywh: list[float]) -> tuple[float, float, float, float]:
    x, y, wide, high = (float(v) for v in box_xywh)
    # segment_anything's boxes end on the last pixel of the mask; ours end behind it
    return x, y, x + wide + 1, y + high + 1
