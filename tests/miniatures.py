"""Full-size architectures in miniature, with random weights, saved as real checkpoints are."""

import string
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    BertTokenizer,
    Blip2Config,
    Blip2ForImageTextRetrieval,
    Blip2Processor,
    BlipConfig,
    BlipForImageTextRetrieval,
    BlipImageProcessor,
    BlipProcessor,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    SamConfig,
    SamModel,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    Siglip2Processor,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
)

from imgdiff.toyland.tokenizer import chat_tokenizer, clip_tokenizer, wordpiece_vocabulary

WIDTH = 16
SIDE, PATCH = 32, 8  # pixels that CLIP, BLIP and LLaVA see
SAM_SIDE = 64
SMALL = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
PICTURES = {
    "size": {"shortest_edge": SIDE},
    "crop_size": {"height": SIDE, "width": SIDE},
}
# by default its weights begin at 1e-10, which is nothing in half precision
BLIP_SEES = {"image_size": SIDE, "patch_size": PATCH, "initializer_range": 0.02}
CHAT = (
    "{% for message in messages %}USER: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHAT_OF_WORDS = (
    "{% for message in messages %}USER: {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def sdxl(tokenizer, **unet_settings):
    """Latents of 16 x 16, pictures of 32 x 32; self- and cross-attention at 16 x 16 and 8 x 8."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=(2, 2),  # diffusers' name for the number of heads
        cross_attention_dim=2 * WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        **unet_settings,
    )
    text = CLIPTextConfig(
        **SMALL,
        vocab_size=len(tokenizer),
        projection_dim=WIDTH,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    text_encoder, text_encoder_2 = CLIPTextModel(text), CLIPTextModelWithProjection(text)
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "to_q" in name or "to_k" in name or "to_out" in name:
                weight.mul_(2)  # else attention is flat, and no test would miss it
        for encoder in (text_encoder, text_encoder_2):
            for name, weight in encoder.named_parameters():
                if "embedding" in name:
                    weight.mul_(50)
    vae = AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=32,
    )
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        # with v-prediction the latents of random weights stay of size one
        scheduler=DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sam():
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "image_size": SAM_SIDE,
            "patch_size": 8,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "global_attn_indexes": [1],
            "window_size": 4,
            "output_channels": 16,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": SAM_SIDE,
            "patch_size": 8,
            "mask_input_channels": 16,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 24,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    model = SamModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # also where they begin as zeros
    return model


def save_sdxl(folder: Path) -> None:
    """With CLIP's real length of 77 tokens."""
    tokenizer = clip_tokenizer()
    tokenizer.model_max_length = 77
    sdxl(tokenizer).save_pretrained(folder)


def save_sam(folder: Path) -> None:
    sam().save_pretrained(folder)


def save_clip(folder: Path) -> None:
    tokenizer = clip_tokenizer()
    tokens = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    model = CLIPModel(
        CLIPConfig(
            text_config=SMALL | tokens,
            vision_config=SMALL | {"image_size": SIDE, "patch_size": PATCH},
            projection_dim=WIDTH,
        )
    )
    model.save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(**PICTURES), tokenizer).save_pretrained(folder)


def save_siglip(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    vision = {"image_size": SIDE, "patch_size": PATCH}
    text = SMALL | siglip_text(tokenizer)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=SMALL | vision))
    model.save_pretrained(folder)
    pictures = SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    SiglipProcessor(pictures, tokenizer).save_pretrained(folder)


def save_siglip2(folder: Path) -> None:
    """NaFlex: a picture keeps its shape. That of fixed size is a SigLIP, with this tokenizer."""
    torch.manual_seed(0)
    tokenizer = siglip2_tokenizer(40)
    vision = {"num_patches": (SIDE // PATCH) ** 2, "patch_size": PATCH}
    text = SMALL | siglip_text(tokenizer)
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=SMALL | vision))
    model.save_pretrained(folder)
    pictures = Siglip2ImageProcessor(patch_size=PATCH, max_num_patches=vision["num_patches"])
    Siglip2Processor(pictures, tokenizer).save_pretrained(folder)


def siglip2_tokenizer(length: int) -> Siglip2Tokenizer:
    """With a token for each letter."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    letters = ["▁", *string.ascii_letters]
    vocabulary = {token: k for k, token in enumerate([*special, *letters])}
    return Siglip2Tokenizer(
        vocabulary, [], add_eos_token=True, padding_side="right", model_max_length=length
    )


def siglip_text(tokenizer):
    """Sizes of a text tower for these words."""
    return {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def save_blip(folder: Path) -> None:
    tokenizer = BertTokenizer(vocab=wordpiece_vocabulary(), model_max_length=64)
    text = {"vocab_size": len(tokenizer), "encoder_hidden_size": WIDTH}
    text |= {"bos_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    model = BlipForImageTextRetrieval(
        BlipConfig(
            text_config=SMALL | text,
            vision_config=SMALL | BLIP_SEES,
            image_text_hidden_size=WIDTH,
            projection_dim=WIDTH,
        )
    )
    model.save_pretrained(folder)
    pictures = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    BlipProcessor(pictures, tokenizer).save_pretrained(folder)


def save_blip2(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = BertTokenizer(vocab=wordpiece_vocabulary(), model_max_length=64)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    qformer = {"vocab_size": len(tokenizer), "encoder_hidden_size": WIDTH}
    qformer |= {"cross_attention_frequency": 1, "use_qformer_text_input": True}
    qformer |= {"max_position_embeddings": 64}
    language = {"model_type": "opt", "hidden_size": WIDTH, "word_embed_proj_dim": WIDTH}
    config = Blip2Config(
        vision_config=SMALL | BLIP_SEES,
        qformer_config=SMALL | qformer,
        text_config=language | {"num_attention_heads": 2, "num_hidden_layers": 1},  # not built
        num_query_tokens=4,
        image_text_hidden_size=WIDTH,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    Blip2ForImageTextRetrieval(config).save_pretrained(folder)
    pictures = BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    Blip2Processor(pictures, tokenizer, num_query_tokens=4).save_pretrained(folder)


def save_llava_next(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = chat_tokenizer()
    grids = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]
    model = LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config=CLIPVisionConfig(**SMALL, image_size=SIDE, patch_size=PATCH),
            text_config=LlamaConfig(
                **SMALL,
                vocab_size=len(tokenizer),
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            ),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            image_grid_pinpoints=grids,
            vision_feature_layer=-1,
        )
    )
    model.save_pretrained(folder)
    LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(**PICTURES, image_grid_pinpoints=grids),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    ).save_pretrained(folder)


def save_vit(folder: Path, **settings) -> None:
    """A classifier; `settings` as of a ViTConfig."""
    torch.manual_seed(0)
    classes = {"id2label": {0: "normal", 1: "nsfw"}, "label2id": {"normal": 0, "nsfw": 1}}
    config = SMALL | {"image_size": SIDE, "patch_size": PATCH} | classes | settings
    ViTForImageClassification(ViTConfig(**config)).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


def save_llm(folder: Path) -> None:
    """A chat model that sees nothing."""
    torch.manual_seed(0)
    tokenizer = chat_tokenizer()
    tokenizer.chat_template = CHAT_OF_WORDS
    ends = [f"{name}_token_id" for name in ("bos", "eos", "pad")]
    tokens = {name: getattr(tokenizer, name) for name in ends}
    config = LlamaConfig(**SMALL, vocab_size=len(tokenizer), **tokens)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


SAVERS = {
    "diffusion": save_sdxl,
    "segmenter": save_sam,
    "clip": save_clip,
    "matcher": save_blip,
    "mllm": save_llava_next,
    "llm": save_llm,
    "nsfw": save_vit,
}
