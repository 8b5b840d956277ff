"""The shapes of the models that the full-size recipes name, as their configs on the Hub say, and
smaller ones of the same classes. Models are built on torch's meta device: shapes, no numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from full_size_parts.words import QWEN_IDS

Module = torch.nn.Module


@dataclass(frozen=True)
class Shape:
    """A model of the Hub: its components by folder, "" for the only one, and its `family`, which
    says what lies beside the weights. layers: of its language model, 0 if it has none."""

    family: str
    parts: Callable[[int], dict[str, Module]]
    layers: int = 0


def built(make: Callable[[], Module]) -> Module:
    """A model without numbers, its buffers included."""
    with torch.device("meta"):
        return make().eval()


def _tower(width: int, inner: int, layers: int, heads: int, **more: Any) -> dict[str, Any]:
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    return dict(zip(names, (width, inner, layers, heads), strict=True)) | more


def sdxl(
    channels: Sequence[int] = (320, 640, 1280),
    blocks: Sequence[int] = (1, 2, 10),
    first: Sequence[int] = (768, 12),
    second: Sequence[int] = (1280, 32),
    vae: Sequence[int] = (128, 256, 512, 512),
) -> dict[str, Module]:
    """channels, blocks: of the UNet's levels, widths and transformer layers. first, second: width
    and layers of the text encoders."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def reader(kind: Any, width: int, layers: int, act: str) -> Module:
        sizes = _tower(width, 4 * width, layers, width // 64, projection_dim=width)
        # 2 is what CLIP's first configs say, by which the last token of a text is found
        config = CLIPTextConfig(**sizes, vocab_size=49408, hidden_act=act, eos_token_id=2)
        return built(lambda: kind(config))

    unet = {
        "sample_size": 128,
        "block_out_channels": tuple(channels),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
        "transformer_layers_per_block": tuple(blocks),
        "attention_head_dim": tuple(max(1, width // 64) for width in channels),  # heads, in fact
        "cross_attention_dim": first[0] + second[0],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 6 * 256 + second[0],
    }
    autoencoder = {
        "block_out_channels": tuple(vae),
        "down_block_types": ("DownEncoderBlock2D",) * len(vae),
        "up_block_types": ("UpDecoderBlock2D",) * len(vae),
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 1024,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    }
    return {
        "unet": built(lambda: UNet2DConditionModel(**unet)),
        "vae": built(lambda: AutoencoderKL(**autoencoder)),
        "text_encoder": reader(CLIPTextModel, *first, "quick_gelu"),
        "text_encoder_2": reader(CLIPTextModelWithProjection, *second, "gelu"),
    }


def sam(width: int = 1280, layers: int = 32, heads: int = 16) -> dict[str, Module]:
    from transformers import SamConfig, SamModel

    last = [layers * k // 4 - 1 for k in (1, 2, 3, 4)]
    vision = _tower(width, 4 * width, layers, heads, mlp_dim=4 * width, global_attn_indexes=last)
    return {"": built(lambda: SamModel(SamConfig(vision_config=vision)))}


def clip(vision: Sequence[int] = (768, 12), text: Sequence[int] = (512, 12)) -> dict[str, Module]:
    """Of ViT-B/32."""
    from transformers import CLIPConfig, CLIPModel

    seen, read = (_tower(width, 4 * width, layers, width // 64) for width, layers in (vision, text))
    read |= {"vocab_size": 49408, "eos_token_id": 2}
    return {"": built(lambda: CLIPModel(CLIPConfig(vision_config=seen, text_config=read)))}


def blip(vision: Sequence[int] = (1024, 24), text: Sequence[int] = (768, 12)) -> dict[str, Module]:
    from transformers import BlipConfig, BlipForImageTextRetrieval

    seen, read = (_tower(width, 4 * width, layers, width // 64) for width, layers in (vision, text))
    seen |= {"image_size": 384, "patch_size": 16}
    read |= {"vocab_size": 30524, "encoder_hidden_size": vision[0]}
    config = BlipConfig(vision_config=seen, text_config=read, image_text_hidden_size=256)
    return {"": built(lambda: BlipForImageTextRetrieval(config))}


def vit(width: int = 768, layers: int = 12) -> dict[str, Module]:
    from transformers import ViTConfig, ViTForImageClassification

    labels = {"id2label": {0: "normal", 1: "nsfw"}, "label2id": {"normal": 0, "nsfw": 1}}
    config = ViTConfig(**_tower(width, 4 * width, layers, width // 64), **labels)
    return {"": built(lambda: ViTForImageClassification(config))}


def qwen(
    layers: int, width: int = 3584, inner: int = 18944, heads: int = 28, words: int = 152064
) -> dict[str, Module]:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        **_tower(width, inner, layers, heads),
        num_key_value_heads=4,
        vocab_size=words,
        tie_word_embeddings=False,
    )
    return {"": built(lambda: Qwen2ForCausalLM(config))}


def qwen_vl(
    layers: int,
    width: int = 4096,
    inner: int = 12288,
    heads: int = 32,
    words: int = 151936,
    seen: Sequence[int] = (1152, 4304, 27, 16),
) -> dict[str, Module]:
    """seen: width, inner width, layers and heads of what reads pictures."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    names = ("hidden_size", "intermediate_size", "depth", "num_heads")
    vision = dict(zip(names, seen, strict=True)) | {"out_hidden_size": width}
    vision["deepstack_visual_indexes"] = [seen[2] * k // 3 - 1 for k in (1, 2, 3)]
    turning = {"rope_type": "default", "rope_theta": 5e6, "mrope_interleaved": True}
    text = _tower(width, inner, layers, heads, num_key_value_heads=8, head_dim=128)
    text |= {"vocab_size": words, "rope_parameters": turning | {"mrope_section": [24, 20, 20]}}
    config = Qwen3VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=False, **QWEN_IDS
    )
    return {"": built(lambda: Qwen3VLForConditionalGeneration(config))}


TRUE = {
    "stabilityai/stable-diffusion-xl-base-1.0": Shape("sdxl", lambda _: sdxl()),
    "facebook/sam-vit-huge": Shape("sam", lambda _: sam()),
    "openai/clip-vit-base-patch32": Shape("clip", lambda _: clip()),
    "Salesforce/blip-itm-large-coco": Shape("blip", lambda _: blip()),
    "Falconsai/nsfw_image_detection": Shape("vit", lambda _: vit()),
    "Qwen/Qwen2.5-7B-Instruct": Shape("qwen", qwen, 28),
    "Qwen/Qwen3-VL-8B-Instruct": Shape("qwen_vl", qwen_vl, 36),
}
SMALL = {  # large enough to be seen beside the libraries, and quick
    "stabilityai/stable-diffusion-xl-base-1.0": Shape(
        "sdxl", lambda _: sdxl((64, 128, 512), (1, 1, 4), (512, 2), (1024, 4), (32, 64, 64, 64))
    ),
    "facebook/sam-vit-huge": Shape("sam", lambda _: sam(512, 8, 8)),
    "openai/clip-vit-base-patch32": Shape("clip", lambda _: clip((512, 2), (512, 2))),
    "Salesforce/blip-itm-large-coco": Shape("blip", lambda _: blip((1024, 2), (1024, 4))),
    "Falconsai/nsfw_image_detection": Shape("vit", lambda _: vit(512, 2)),
    "Qwen/Qwen2.5-7B-Instruct": Shape(
        "qwen", lambda layers: qwen(layers, 1024, 4096, 8, 100_000), 2
    ),
    "Qwen/Qwen3-VL-8B-Instruct": Shape(
        "qwen_vl", lambda layers: qwen_vl(layers, 2048, 4096, 16, 64_000, (512, 2048, 4, 8)), 2
    ),
}
