"""A miniature SDXL pipeline with random weights whose attention matters."""

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from imgdiff.toyland.tokenizer import CLIP_LENGTH, clip_tokenizer

TEXT_WIDTH = 16  # of each of the two text encoders


def text_config(tokenizer):
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=TEXT_WIDTH,
        max_position_embeddings=CLIP_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


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
    return tiny_pipeline(tokenizer)


@pytest.fixture(scope="session")
def distilled_pipeline(tokenizer):
    """Its UNet reads the guidance scale, so that diffusers adds no unconditional half."""
    return tiny_pipeline(tokenizer, time_cond_proj_dim=8)


def tiny_pipeline(tokenizer, **unet_settings):
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
        cross_attention_dim=2 * TEXT_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + TEXT_WIDTH,
        **unet_settings,
    )
    text_encoder = CLIPTextModel(text_config(tokenizer))
    text_encoder_2 = CLIPTextModelWithProjection(text_config(tokenizer))
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
    made = StableDiffusionXLPipeline(
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
    made.set_progress_bar_config(disable=True)
    return made
