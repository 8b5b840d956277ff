"""What changes a picture but not what it shows: JPEG, nudges, light, an autoencoder's hand."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL

MOST_NUDGE = 1.5  # pixels either way
JPEG_QUALITIES = (55, 95)
BRIGHTNESS = (0.9, 1.1)  # factors
MOST_OFFSET = 10.0  # of 255, added to all


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[H, W, 3] uint8 as it comes back from a JPEG file of middling to good quality."""
    quality = int(rng.integers(*JPEG_QUALITIES))
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert back is not None
    return np.ascontiguousarray(back[:, :, ::-1])


def nudged(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[H, W, 3] uint8 shifted by a fraction of a pixel or a little more, its edge repeated."""
    right, down = rng.uniform(-MOST_NUDGE, MOST_NUDGE, 2)
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return cv2.warpAffine(
        image, move, image.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def lit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[H, W, 3] uint8 a little brighter or darker."""
    brighter = image * rng.uniform(*BRIGHTNESS) + rng.uniform(-MOST_OFFSET, MOST_OFFSET)
    return np.clip(brighter, 0, 255).round().astype(np.uint8)


@torch.inference_mode()
def redecoded(image: np.ndarray, vae: AutoencoderKL) -> np.ndarray:
    """[H, W, 3] uint8 as the autoencoder gives it back."""
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    pixels = pixels.to(vae.device, vae.dtype)
    back = vae.decode(vae.encode(pixels).latent_dist.mean).sample[0]
    back = (back.float().clamp(-1, 1) + 1) * 127.5
    return back.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


NUISANCES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "jpeg": jpeg,
    "nudge": nudged,
    "brightness": lit,
}
