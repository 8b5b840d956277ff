"""The embedded SDXL pipeline: UNet and both text encoders on the autoencoder's latents.

Data: scenes encoded once into a pool of latents; captions are drawn afresh for every use. As in
SDXL the text encoders begin as CLIP's; unlike there they are trained on. Loss: v-prediction on
SDXL's noise schedule, levels drawn from a logit-normal distribution (Esser et al. 2024, section
3.1) whose bulk lies between steps 300 and 850 of 1000: above, 16 x 16 latents hold nothing of the
scene; things take shape down to 400, and their colours below. Cells that show a thing count up to
five times; one caption in ten is dropped for classifier-free guidance. Beside it, the middle of
the UNet learns to say which thing each cell will show (representation alignment, Yu et al. 2024,
arXiv 2410.06940, with the scene's own labels instead of another encoder's features); the head that
says it is thrown away.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import (
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

from imgdiff.toyland.captions import scene_caption
from imgdiff.toyland.scenes import SIZE, Scene, draw, generator, sample_scene
from imgdiff.toyland.tokenizer import CLIP_LENGTH, clip_tokenizer
from imgdiff.toyland.train import together
from imgdiff.toyland.train.autoencoder import to_tensor
from imgdiff.toyland.train.loop import Schedule, device, fit
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS

BATCH = 32
DROPPED = 0.1
THING_WEIGHT = 4.0  # of a cell that a thing covers, added to the 1 that every cell weighs
LABEL_WEIGHT = 0.1  # of the loss on what each cell will show
LEAST_LABELLED = 0.3  # of a cell, from which on it counts as showing a thing
LEVEL_MEAN, LEVEL_SPREAD = 0.2, 1.1  # of the logit of the noise level
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
        # 8 x 8 in the middle, 2 x 2 cells each
        self.label_head = nn.Conv2d(128, 4 * (N_CATEGORIES + N_COLOURS), 1)
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

    def begin_with(self, clip: CLIPModel) -> None:
        """Take over CLIP's text encoder: its first two layers, and all of it."""
        weights = clip.text_model.state_dict()
        shared = self.text_encoder.state_dict().keys()
        self.text_encoder.load_state_dict({k: v for k, v in weights.items() if k in shared})
        self.text_encoder_2.text_model.load_state_dict(weights)
        self.text_encoder_2.text_projection.load_state_dict(clip.text_projection.state_dict())

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

    def labels(self) -> tuple[Tensor, Tensor]:
        """Logits of the category [N, 1 + 16, 16, 16] and the colour [N, 1 + 8, 16, 16] that each
        cell of the clean scene shows, by the last forward pass."""
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
        clip_sample=False,
        set_alpha_to_one=True,
    )


@dataclass(frozen=True)
class Pool:
    """Encoded training scenes; number k is the scene of seed k.

    latents: [N, 4, 16, 16], normalised. cover: [N, 1, 16, 16] in [0, 1], how much of a cell shows a
    thing. labels: [N, 2, 16, 16], number of the category and of the colour in a cell, 0 for the
    ground. mean, deviation: [4], of the latents as the autoencoder made them.
    """

    latents: Tensor
    cover: Tensor
    labels: Tensor
    mean: Tensor
    deviation: Tensor


def make_pool(vae: AutoencoderKL, path: Path, scenes: int) -> Pool:
    """The first `scenes` training scenes, encoded once and kept in `path` (.npz)."""
    if not path.exists():
        _encode_scenes(vae, path, scenes)
    with np.load(path) as stored:
        latents, cover = (torch.from_numpy(stored[k]).float() for k in ("latents", "cover"))
        labels = torch.from_numpy(stored["labels"]).long()
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    normalised = (latents - mean.view(1, 4, 1, 1)) / deviation.view(1, 4, 1, 1)
    return Pool(normalised.to(device()), cover.to(device()), labels.to(device()), mean, deviation)


@torch.no_grad()
def _encode_scenes(vae: AutoencoderKL, path: Path, scenes: int) -> None:
    latents, cover, labels = [], [], []
    for start in range(0, scenes, 64):
        seeds = range(start, min(start + 64, scenes))
        shown = [sample_scene(generator("train", seed)) for seed in seeds]
        pictures = [draw(scene) for scene in shown]
        pixels = to_tensor(np.stack([picture.image for picture in pictures]))
        with torch.autocast(device().type, torch.bfloat16):
            latents.append(vae.encode(pixels).latent_dist.mean.half().cpu().numpy())
        covers = [_cell_cover(picture.masks) for picture in pictures]
        cover.append(np.stack([c.sum(0, keepdims=True) for c in covers]).astype(np.float16))
        labels.append(np.stack([_cell_labels(s, c) for s, c in zip(shown, covers, strict=True)]))
    np.savez(
        path,
        latents=np.concatenate(latents),
        cover=np.concatenate(cover),
        labels=np.concatenate(labels),
    )


def _cell_cover(masks: np.ndarray) -> np.ndarray:
    """masks [N, 128, 128] -> the share of each cell that each thing covers, [N, 16, 16]."""
    return masks.reshape(len(masks), SIZE // 8, 8, SIZE // 8, 8).mean((2, 4))


def _cell_labels(scene: Scene, cover: np.ndarray) -> np.ndarray:
    """Category and colour of the thing that covers most of each cell, [2, 16, 16] uint8."""
    categories = [1 + list(CATEGORIES).index(thing.category) for thing in scene.objects]
    colours = [1 + list(COLOURS).index(thing.colour) for thing in scene.objects]
    most = np.array([categories, colours])[:, cover.argmax(0)]
    return np.where(cover.max(0) >= LEAST_LABELLED, most, 0).astype(np.uint8)


def train(
    folder: Path,
    steps: int,
    autoencoder: Path,
    clip: Path,
    scenes: int = 24_000,
    compiled: bool = False,
) -> StableDiffusionXLPipeline:
    """Train on the autoencoder and with the text encoder of the CLIP in those folders.

    Returns:
        The whole pipeline.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vae = AutoencoderKL.from_pretrained(autoencoder).to(device()).eval()
    with together.first_alone():
        pool = make_pool(vae, folder / "pool.npz", scenes)
    model, scheduler = Denoiser(), noise_scheduler()
    model.begin_with(CLIPModel.from_pretrained(clip, dtype=torch.float32))
    model.to(device()).unet.to(memory_format=torch.channels_last)
    if device().type == "cpu":
        # on a CPU the backward pass of fused attention takes longer than that of explicit maps
        model.unet.set_attn_processor(AttnProcessor())
    if compiled:
        model.unet.compile()

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([7, step])
        chosen = rng.integers(len(pool.latents), size=BATCH)
        scenes = [sample_scene(generator("train", int(k))) for k in chosen]
        captions = [scene_caption(scene, rng) for scene in scenes]
        rows = torch.from_numpy(chosen).to(device())
        clean, noise = pool.latents[rows], torch.randn_like(pool.latents[rows])
        places = (LEVEL_MEAN + LEVEL_SPREAD * torch.randn(BATCH, device=device())).sigmoid()
        timesteps = (places * 1000).long().clamp(max=999)
        kept = torch.from_numpy((rng.random(BATCH) >= DROPPED).astype(np.float32)).to(device())
        noisy = scheduler.add_noise(clean, noise, timesteps)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        predicted = model(noisy, timesteps, captions, kept).float()
        error = (predicted - scheduler.get_velocity(clean, noise, timesteps)).square()
        weight = 1 + THING_WEIGHT * pool.cover[rows]
        v = (weight * error).mean() / weight.mean()
        named = (
            nn.functional.cross_entropy(logits, truth)
            for logits, truth in zip(model.labels(), pool.labels[rows].unbind(1), strict=True)
        )
        return {"v": v, "labels": LABEL_WEIGHT * sum(named)}

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
