"""What one picture takes in SDXL's autoencoder beside the weights: counted, estimated, measured."""

from typing import Any

import torch
from memory_plan_parts.counting import work_of
from memory_plan_parts.facts import GIB

from full_size_parts.meters import PeakMemory
from full_size_parts.shapes import sdxl
from imgdiff.editing.costs import coding_bytes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
WAYS = ("whole", "sliced", "tiled")  # as diffusers' autoencoders can decode


def decoding(device: str, side: int, vae: Any = None) -> dict[str, float]:
    """GiB of decoding and encoding one picture of `side` x `side` pixels.

    vae: on the meta device; None: SDXL's own.
    """
    vae = vae or sdxl_vae()
    latents = side // 2 ** (len(vae.config.block_out_channels) - 1)
    meta = {"device": "meta"}
    drawn, picture = (
        torch.empty(1, 4, latents, latents, **meta),
        torch.empty(1, 3, side, side, **meta),
    )
    found = {
        "decode_counted_gib": work_of(vae, lambda: vae.decode(drawn)).gib,
        "encode_counted_gib": work_of(vae, lambda: vae.encode(picture)).gib,
        "estimated_gib": coding_bytes(vae, side**2) / GIB,
    }
    vae = vae.to_empty(device=device)
    for name, dtype in DTYPES.items():
        vae.to(dtype)
        for weight in vae.parameters():
            torch.nn.init.normal_(weight, std=0.02)
        some = torch.randn(1, 4, latents, latents, device=device, dtype=dtype)
        for way in WAYS if name == "float32" else WAYS[:1]:
            vae.use_slicing, vae.use_tiling = way == "sliced", way == "tiled"
            found[f"decode_{name}_{way}_gib"] = _measured(vae, some, device)
    return found


def sdxl_vae() -> Any:
    return sdxl()["vae"]


@torch.inference_mode()
def _measured(vae: Any, latents: torch.Tensor, device: str) -> float:
    """GiB more than before, at most, while it decodes."""
    peak = PeakMemory(device)
    peak.reset()
    before = peak.read()
    vae.decode(latents)
    return (peak.read() - before) / GIB
