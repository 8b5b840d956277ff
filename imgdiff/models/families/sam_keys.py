"""Segment Anything as transformers stores it, read as segment_anything does.

segment_anything's own releases are pickles, which imgdiff does not load; transformers publishes the
same weights as safetensors under other names (`facebook/sam-vit-base`, `-large`, `-huge`).
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

# transformers' name -> segment_anything's; applied one after the other
RENAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (
            r"^shared_image_embedding\.positional_embedding$",
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        ),
        (r"^vision_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
        (r"^vision_encoder\.layers\.(\d+)\.layer_norm(\d)\.", r"image_encoder.blocks.\1.norm\2."),
        (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
        (r"^vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
        (r"^vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
        (r"^vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
        (r"^vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
        (r"^vision_encoder\.", "image_encoder."),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
        (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
        (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
        (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
        (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
        (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
        (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
        (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
        (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
        (r"^(mask_decoder\.transformer\.layers\.\d+)\.layer_norm(\d)\.", r"\1.norm\2."),
    )
)
# three-layer heads: proj_in, layers.0, ..., proj_out are layers.0, layers.1, ... there
HEAD = re.compile(
    r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))\."
    r"(proj_in|layers\.(\d+)|proj_out)\."
)
# a second copy of the positions
TIED = "prompt_encoder.shared_embedding.positional_embedding"


def to_segment_anything(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of transformers' `SamModel` under segment_anything's names."""
    hidden = max(
        (int(found[3]) for found in map(HEAD.match, weights) if found and found[3]), default=-1
    )
    renamed = {}
    for name, value in weights.items():
        if name == TIED:
            continue
        head = HEAD.match(name)
        if head:
            inner = int(head[3] or 0) + 1
            place = {"proj_in": 0, "proj_out": hidden + 2}.get(head[2], inner)
            name = f"{head[1]}.layers.{place}.{name[head.end() :]}"
        for pattern, replacement in RENAMES:
            name = pattern.sub(replacement, name)
        renamed[name] = value
    return renamed


def config_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `imgdiff.models.families.sam.SamConfig` from transformers' `config.json`.

    transformers leaves out of the file what equals its defaults, which are ViT-B's.
    """
    vision, prompt, decoder = (
        config.get(part) or {}
        for part in ("vision_config", "prompt_encoder_config", "mask_decoder_config")
    )
    names = (
        (vision, "image_size", "image_size"),
        (vision, "patch_size", "patch_size"),
        (vision, "hidden_size", "embed_dim"),
        (vision, "num_hidden_layers", "depth"),
        (vision, "num_attention_heads", "num_heads"),
        (vision, "global_attn_indexes", "global_attn_indexes"),
        (vision, "window_size", "window_size"),
        (prompt, "hidden_size", "prompt_embed_dim"),
        (decoder, "mlp_dim", "decoder_mlp_dim"),
        (decoder, "num_attention_heads", "decoder_heads"),
    )
    return {ours: part[theirs] for part, theirs, ours in names if theirs in part}
