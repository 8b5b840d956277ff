"""The embedded SDXL pipeline: UNet and both text encoders on the autoencoder's latents.

Data: scenes of one to three things (`DRAWN`), encoded once into a pool of latents; captions are
drawn afresh for every use. The UNet has SDXL's three levels, attention in the lower two. Loss:
v-prediction on a schedule that ends in pure noise (Lin et al. 2023, arXiv 2305.08891), levels drawn
from a logit-normal distribution (Esser et al. 2024, section 3.1). Latents that show a thing count
up to five times; one caption in ten is dropped for classifier-free guidance. Beside it, the middle
of the UNet learns to say which thing each place will show (representation alignment, Yu et al.
2024, arXiv 2410.06940, with the scene's own labels instead of another encoder's features); the head
that says it is thrown away.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.world.captions import scene_caption
from imgdiff.toyland.world.sampling import PLAIN, generator, sample_scene
from imgdiff.toyland.world.scenes import SIDE, Scene
from imgdiff.toyland.world.tokenizer import CLIP_LENGTH, clip_tokenizer
from imgdiff.toyland.world.train.autoencoder import CELL
from imgdiff.toyland.world.train.latents import batch_of, make_pool
from imgdiff.toyland.world.vocabulary import CATEGORIES, COLOURS

# what the diffusion model draws: one to three things, plain but for a few at dusk or in outline
DRAWN = replace(PLAIN, dusk=0.06, outline=0.05)
DRAWN_POOL = 24_576  # scenes that are encoded
BATCH = 32
DROPPED = 0.1
THING_WEIGHT = 4.0  # of a latent that a thing covers, added to the 1 that every one weighs
LABEL_WEIGHT = 0.1  # of the loss on what each place will show
LEVEL_MEAN, LEVEL_SPREAD = 0.4, 1.1  # of the logit of the noise level
CHANNELS, HEADS = (32, 64, 128), (1, 2, 4)
TEXT_WIDTH = 128  # of each text encoder
N_CATEGORIES, N_COLOURS = 1 + len(CATEGORIES), 1 + len(COLOURS)  # label 0 is the ground


class Denoiser(nn.Module):
    """What is trained together: UNet and text encoders, wired as in StableDiffusionXLPipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer = clip_tokenizer()
        self.text_encoder = CLIPTextModel(self._text_config(layers=2))
        self.text_encoder_2 = CLIPTextModelWithProjection(self._text_config(layers=3))
        self.unet = UNet2DConditionModel(
            sample_size=SIDE // CELL,
            block_out_channels=CHANNELS,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            norm_num_groups=16,
            attention_head_dim=HEADS,  # diffusers' name for the number of heads: 32 channels each
            cross_attention_dim=2 * TEXT_WIDTH,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=32,
            projection_class_embeddings_input_dim=6 * 32 + TEXT_WIDTH,
        )
        # 8 x 8 in the middle, 2 x 2 label cells each
        self.label_head = nn.Conv2d(CHANNELS[-1], 4 * (N_CATEGORIES + N_COLOURS), 1)
        self.middle: Tensor | None = None
        self.unet.mid_block.register_forward_hook(self._keep_middle)

    def _keep_middle(self, _: nn.Module, __: tuple, output: Tensor) -> None:
        self.middle = output

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
        """Predicted v [N, 4, 32, 32]; captions whose `kept` [N] is 0 count as dropped (zeros, as in
        SDXL)."""
        vectors, pooled = self.encode(captions)
        sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], device=device()).float()
        added = {
            "text_embeds": pooled * kept[:, None],
            "time_ids": sizes.expand(len(noisy), -1),
        }
        return self.unet(
            noisy, timesteps, vectors * kept[:, None, None], added_cond_kwargs=added
        ).sample

    def labels(self) -> tuple[Tensor, Tensor]:
        """Logits of the category [N, 1 + 18, 16, 16] and the colour [N, 1 + 8, 16, 16] that each
        place of the clean scene shows, by the last forward pass."""
        assert self.middle is not None
        logits = nn.functional.pixel_shuffle(self.label_head(self.middle), 2)
        category, colour = logits.float().split([N_CATEGORIES, N_COLOURS], 1)
        return category, colour


def noise_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=False,
        set_alpha_to_one=True,
    )


def drawn_scene(seed: int, split: str = "train") -> Scene:
    """The scene of a seed, as the diffusion model is shown it."""
    return sample_scene(generator(split, seed), DRAWN)


def train(
    folder: Path, steps: int, autoencoder: Path, scenes: int = DRAWN_POOL, compiled: bool = False
) -> StableDiffusionXLPipeline:
    """Train on the autoencoder in that folder.

    Returns:
        The whole pipeline.
    """
    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(autoencoder).to(device()).eval()
    pool = make_pool(vae, folder / "pool", drawn_scene, scenes)
    model, scheduler = Denoiser().to(device()), noise_scheduler()
    model.unet.to(memory_format=torch.channels_last)
    if device().type == "cpu":
        # on a CPU the backward pass of fused attention takes longer than that of explicit maps
        model.unet.set_attn_processor(AttnProcessor())
    if compiled:
        model.unet.compile()

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([7, step])
        rows = rng.integers(len(pool.latents), size=BATCH)
        captions = [scene_caption(drawn_scene(int(seed)), rng) for seed in rows]
        clean, cover, truth = batch_of(pool, rows)
        noise = torch.randn_like(clean)
        places = (LEVEL_MEAN + LEVEL_SPREAD * torch.randn(BATCH, device=device())).sigmoid()
        timesteps = (places * 1000).long().clamp(max=999)
        kept = torch.from_numpy((rng.random(BATCH) >= DROPPED).astype(np.float32)).to(device())
        noisy = scheduler.add_noise(clean, noise, timesteps)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        predicted = model(noisy, timesteps, captions, kept).float()
        error = (predicted - scheduler.get_velocity(clean, noise, timesteps)).square()
        weight = 1 + THING_WEIGHT * cover
        category, colour = model.labels()
        named = nn.functional.cross_entropy(category, truth[:, 0])
        named = named + nn.functional.cross_entropy(colour, truth[:, 1])
        return {"v": (weight * error).mean() / weight.mean(), "labels": LABEL_WEIGHT * named}

    fit(model, losses, Schedule(steps=steps, lr=1e-3, ema=0.999), folder)
    vae.register_to_config(
        latents_mean=pool.mean.tolist(), latents_std=pool.deviation.tolist(), scaling_factor=1.0
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
