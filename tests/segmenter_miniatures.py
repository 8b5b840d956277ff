"""Segmenters of transformers in miniature, with random weights, saved as real checkpoints are."""

from pathlib import Path

import torch
from miniatures import sam
from transformers import (
    CLIPTextConfig,
    EdgeTamConfig,
    EdgeTamModel,
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3VideoConfig,
    Sam3VideoModel,
    SamHQConfig,
    SamHQModel,
    SamHQProcessor,
    SamImageProcessor,
)

from imgdiff.toyland.tokenizer import clip_tokenizer

SIDE, WIDTH = 64, 16
PROMPTS = {"hidden_size": WIDTH, "image_size": SIDE, "mask_input_channels": 8}
DECODER = {"hidden_size": WIDTH, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
SQUARE = {"height": SIDE, "width": SIDE}
HIERA = {
    "hidden_size": 8,
    "image_size": [SIDE, SIDE],
    "window_positional_embedding_background_size": [2, 2],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "window_size_per_stage": [4, 2, 4, 2],
    "global_attention_blocks": [3],
}
SHARPENED = ("point_embed", "upscale", "hypernetworks", "iou_prediction", "q_proj", "k_proj")
LAYERS = {"hidden_size": WIDTH, "num_attention_heads": 2}
MEMORY = {
    "image_size": SIDE,
    "memory_attention_hidden_size": WIDTH,
    "memory_attention_feed_forward_hidden_size": WIDTH,
    "memory_attention_num_layers": 1,
    "memory_attention_rope_feat_sizes": [8, 8],
    "memory_encoder_hidden_size": WIDTH,
    "memory_encoder_output_channels": 8,
    "memory_fuser_embed_dim": WIDTH,
    "memory_fuser_num_layers": 1,
    "memory_fuser_intermediate_dim": WIDTH,
    "mask_downsampler_embed_dim": WIDTH,
}
DETR = LAYERS | {"num_layers": 1, "intermediate_size": WIDTH}


def shaken(architecture, config):
    """A model with random weights, also where they begin as zeros."""
    torch.manual_seed(0)
    model = architecture(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


def sharp_sam():
    """`sam` with larger weights, so that its masks differ from point to point."""
    model = sam()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if any(part in name for part in SHARPENED):
                weight.mul_(3)
    return model


def save_sharp_sam(folder: Path) -> None:
    sharp_sam().save_pretrained(folder)


def save_sam_hq(folder: Path) -> None:
    small = sam().config
    vision = small.vision_config.to_dict() | {"model_type": "sam_hq_vision_model"}
    decoder = small.mask_decoder_config.to_dict() | {"vit_dim": vision["hidden_size"]}
    config = SamHQConfig(
        vision_config=vision,
        prompt_encoder_config=small.prompt_encoder_config.to_dict(),
        mask_decoder_config=decoder,
    )
    shaken(SamHQModel, config).save_pretrained(folder)
    pictures = SamImageProcessor(size={"longest_edge": SIDE}, pad_size=SQUARE)
    SamHQProcessor(pictures).save_pretrained(folder)


def sam2_config() -> Sam2Config:
    vision = {
        "backbone_config": HIERA | {"model_type": "sam2_hiera_det_model"},
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": WIDTH,
    }
    return Sam2Config(
        vision_config=vision | {"model_type": "sam2_vision_model"},
        prompt_encoder_config=PROMPTS,
        mask_decoder_config=DECODER,
    )


def save_sam2(folder: Path) -> None:
    shaken(Sam2Model, sam2_config()).save_pretrained(folder)
    sam2_processor().save_pretrained(folder)


def save_sam2_video(folder: Path) -> None:
    """As the published checkpoints are: for pictures and videos."""
    config = Sam2VideoConfig(**sam2_config().to_dict() | MEMORY)
    shaken(Sam2VideoModel, config).save_pretrained(folder)
    sam2_processor().save_pretrained(folder)


def sam2_processor() -> Sam2Processor:
    return Sam2Processor(Sam2ImageProcessor(size=SQUARE))


def save_edgetam(folder: Path) -> None:
    """Needs timm."""
    timm = {"architecture": "repvit_m1", "do_pooling": False, "num_classes": 2}
    timm |= {"model_args": {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}}
    vision = {
        "model_type": "edgetam_vision_model",
        "backbone_config": timm | {"model_type": "timm_wrapper"},
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": WIDTH,
    }
    config = EdgeTamConfig(
        vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
    )
    shaken(EdgeTamModel, config).save_pretrained(folder)
    sam2_processor().save_pretrained(folder)


def sam3_config() -> Sam3Config:
    tokenizer = clip_tokenizer()
    backbone = LAYERS | {"num_hidden_layers": 2, "intermediate_size": WIDTH, "patch_size": 8}
    backbone |= {"image_size": SIDE, "pretrain_image_size": 32, "window_size": 4}
    backbone |= {"global_attn_indexes": [1], "model_type": "sam3_vit_model"}
    vision = {"backbone_config": backbone, "fpn_hidden_size": WIDTH}
    vision["backbone_feature_sizes"] = [[32, 32], [16, 16], [8, 8]]
    text = CLIPTextConfig(
        **LAYERS,
        vocab_size=len(tokenizer),
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        projection_dim=WIDTH,
        max_position_embeddings=32,
        eos_token_id=tokenizer.eos_token_id,
    )
    return Sam3Config(
        vision_config=vision,
        text_config=text.to_dict(),
        geometry_encoder_config=DETR,
        detr_encoder_config=DETR,
        detr_decoder_config=DETR | {"num_queries": 6},
        mask_decoder_config=LAYERS,
    )


def save_sam3(folder: Path) -> None:
    shaken(Sam3Model, sam3_config()).save_pretrained(folder)
    sam3_processor().save_pretrained(folder)


def save_sam3_video(folder: Path) -> None:
    """Both halves, as the published checkpoints have them."""
    config = Sam3VideoConfig(
        detector_config=sam3_config().to_dict(), tracker_config=tracker_config()
    )
    shaken(Sam3VideoModel, config).save_pretrained(folder)
    sam3_processor().save_pretrained(folder)


def tracker_config() -> dict:
    vision = sam3_config().vision_config.to_dict()
    return MEMORY | {
        "model_type": "sam3_tracker_video",
        "vision_config": vision,
        "prompt_encoder_config": PROMPTS | {"patch_size": 8},
        "mask_decoder_config": DECODER,
    }


def sam3_processor() -> Sam3Processor:
    return Sam3Processor(Sam3ImageProcessor(size=SQUARE), clip_tokenizer())
