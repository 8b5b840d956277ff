"""The embedded SDXL pipeline: UNet and both text encoders on the autoencoder's latents.

Data: scenes encoded once into a pool of latents; captions are drawn afresh for every use.
v-prediction on SDXL's noise schedule, one caption in ten dropped for classifier-free guidance.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import SIZE, draw, generator, sample_scene
from imgdiff.toyland.tokenizer import CLIP_LENGTH, clip_tokenizer
from imgdiff.toyland.train.autoencoder import to_tensor
from imgdiff.toyland.train.loop import Schedule, device, fit

BATCH = 64
DROPPED = 0.1
TEXT_WIDTH = 128  # of each text encoder


class Denoiser(nn.Module):
    """What is trained together: UNet and text encoders, wired as in StableDiffusionXLPipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = clip_tokenizer()
        self.text_encoder = CLIPTextModel(self._text_config(layers=2))
        self.text_encoder_2 = CLIPTextModelWithProjection(self._text_config(layers=3))
        self.unet = UNet2DConditionModel(
            sample_size=SIZE // 8,
            block_out_channels=(64, 128),
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            norm_num_groups=16,
            attention_head_dim=(2, 4),  # diffusers' name for the number of heads: 32 channels each
            cross_attention_dim=2 * TEXT_WIDTH,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=32,
            projection_class_embeddings_input_dim=6 * 32 + TEXT_WIDTH,
        )

    def _text_config(self, layers: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=4,
            projection_dim=TEXT_WIDTH,
            max_position_embeddings=CLIP_LENGTH,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )

    def encode(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Token vectors [N, T, 2 * TEXT_WIDTH] (last but one layers) and pooled vectors [N,
        TEXT_WIDTH]."""
        tokens = self.tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        )
        ids = tokens["input_ids"].to(device())
        one = self.text_encoder(ids, output_hidden_states=True)
        two = self.text_encoder_2(ids, output_hidden_states=True)
        return torch.cat([one.hidden_states[-2], two.hidden_states[-2]], -1), two.text_embeds

    def forward(
        self, noisy: Tensor, timesteps: Tensor, captions: list[str], kept: Tensor
    ) -> Tensor:
        """Predicted v [N, 4, 16, 16]; captions whose `kept` [N] is 0 count as dropped (zeros, as in
        SDXL)."""
        vectors, pooled = self.encode(captions)
        sizes = (
            torch.tensor([[SIZE, SIZE, 0, 0, SIZE, SIZE]], device=device())
            .float()
            .expand(len(noisy), -1)
        )
        added = {"text_embeds": pooled * kept[:, None], "time_ids": sizes}
        return self.unet(
            noisy, timesteps, vectors * kept[:, None, None], added_cond_kwargs=added
        ).sample


def noise_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )


@torch.no_grad()
def latent_pool(vae: AutoencoderKL, path: Path, scenes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Latents [scenes, 4, 16, 16] of the first training scenes, normalised, with mean and deviation
    [4].

    Encoded once and kept in `path`.
    """
    if not path.exists():
        parts = []
        for start in range(0, scenes, 64):
            pictures = [
                draw(sample_scene(generator("train", k))).image
                for k in range(start, min(start + 64, scenes))
            ]
            with torch.autocast(device().type, torch.bfloat16):
                parts.append(
                    vae.encode(to_tensor(np.stack(pictures))).latent_dist.mean.float().cpu()
                )
        np.save(path, torch.cat(parts).half().numpy())
    latents = torch.from_numpy(np.load(path)).float()
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    return (
        ((latents - mean.view(1, 4, 1, 1)) / deviation.view(1, 4, 1, 1)).to(device()),
        mean,
        deviation,
    )


def train(
    folder: Path, steps: int, autoencoder: Path, scenes: int = 24_000
) -> StableDiffusionXLPipeline:
    """Train on the autoencoder in folder `autoencoder`; returns the whole pipeline."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(autoencoder).to(device()).eval()
    latents, mean, deviation = latent_pool(vae, folder / "latents.npy", scenes)
    model, scheduler = Denoiser().to(device()), noise_scheduler()
    model.unet.to(memory_format=torch.channels_last)
    if device().type == "cpu":
        # on a CPU the backward pass of fused attention takes longer than that of explicit maps
        model.unet.set_attn_processor(AttnProcessor())

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([7, step])
        chosen = rng.integers(len(latents), size=BATCH)
        captions = [scene_caption(sample_scene(generator("train", int(k))), rng) for k in chosen]
        clean = latents[torch.from_numpy(chosen)]
        noise = torch.randn_like(clean)
        timesteps = torch.randint(1000, (BATCH,), device=device())
        kept = torch.from_numpy((rng.random(BATCH) >= DROPPED).astype(np.float32)).to(device())
        noisy = scheduler.add_noise(clean, noise, timesteps)
        predicted = model(
            noisy.contiguous(memory_format=torch.channels_last), timesteps, captions, kept
        )
        return {"v": F.mse_loss(predicted.float(), scheduler.get_velocity(clean, noise, timesteps))}

    fit(model, losses, Schedule(steps=steps, lr=1.2e-3, ema=0.9985), folder)
    vae.register_to_config(
        latents_mean=mean.tolist(), latents_std=deviation.tolist(), scaling_factor=1.0
    )
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        text_encoder_2=model.text_encoder_2,
        tokenizer=model.tokenizer,
        tokenizer_2=model.tokenizer,
        unet=model.unet,
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
