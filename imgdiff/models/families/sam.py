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
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from imgdiff.models.everything import Segments, find_everything, point_grid
from imgdiff.models.families.sam_keys import config_fields, to_segment_anything
from imgdiff.models.loading import device_of, dtype_of
from imgdiff.models.memory import parts_of
from imgdiff.models.zoo import Checkpoint


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
        sam.to(device_of(checkpoint))
        # points are places to a pixel, for which half precision is too coarse
        for part in (sam.image_encoder, sam.mask_decoder):
            part.to(dtype_of(checkpoint))
        return cls(sam)

    @torch.inference_mode()
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
        sam, size = self.sam, image.shape[:2]
        frame = ResizeLongestSide(sam.image_encoder.img_size)
        resized = frame.apply_image(image)
        pixels = torch.as_tensor(resized, device=sam.device).permute(2, 0, 1)[None]
        embedding = sam.image_encoder(sam.preprocess(pixels).to(self.dtype))

        def ask(points: Tensor) -> tuple[Tensor, Tensor]:
            return self._masks(embedding, points)

        def enlarge(logits: Tensor) -> Tensor:
            masks = sam.postprocess_masks(logits[:, None], resized.shape[:2], size)
            return masks[:, 0]

        points = frame.apply_coords(point_grid(points_per_side, size), size)
        return find_everything(
            torch.as_tensor(points, device=sam.device),
            ask,
            Segments(enlarge, size, parts_of(sam)),
            pred_iou_thresh,
            stability_score_thresh,
            box_nms_thresh,
        )

    @property
    def dtype(self) -> torch.dtype:
        """Of the encoder and the decoder."""
        return next(self.sam.image_encoder.parameters()).dtype

    def _masks(self, embedding: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [3 P, h, w] and predicted IoU [3 P], float32, for points [P, 2] of the resized
        image."""
        prompts = self.sam.prompt_encoder
        labels = torch.ones(len(points), 1, dtype=torch.int, device=points.device)
        sparse, dense = prompts((points[:, None], labels), None, None)
        masks, quality = self.sam.mask_decoder(
            image_embeddings=embedding,
            image_pe=prompts.get_dense_pe().to(self.dtype),
            sparse_prompt_embeddings=sparse.to(self.dtype),
            dense_prompt_embeddings=dense.to(self.dtype),
            multimask_output=True,
        )
        return masks.flatten(0, 1).float(), quality.flatten().float()
