"""The diffusion role: a Stable Diffusion XL pipeline of diffusers."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from imgdiff.errors import RefusedError
from imgdiff.models.families.sdxl_parts import adapt, half_variant, load_unet
from imgdiff.models.loading import device_of, dtype_of, place, token_counter
from imgdiff.models.sizes import size_of
from imgdiff.models.zoo import Checkpoint

log = logging.getLogger(__name__)


class StableDiffusionXl:
    """Holds the pipeline; `imgdiff.editing` works on it."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "StableDiffusionXl":
        """With the UNet, LoRA and scheduler that it names, if any.

        Raises:
            RefusedError: the UNet or LoRA is not one of this pipeline.
        """
        from diffusers import StableDiffusionXLPipeline

        source = place(checkpoint)
        source.pop("trust_remote_code")
        device, variant = device_of(checkpoint), half_variant(checkpoint)
        if variant is None:
            _say_download(checkpoint)
        exchanged = {"unet": load_unet(checkpoint)} if checkpoint.unet else {}
        pipeline = StableDiffusionXLPipeline.from_pretrained(
            **source,
            **exchanged,
            dtype=dtype_of(checkpoint),
            use_safetensors=True,
            variant=variant,
            add_watermarker=False,  # else it depends on whether a package happens to be installed
        )
        adapt(pipeline, checkpoint)
        pipeline.to(device)
        pipeline.set_progress_bar_config(disable=True)
        return cls(pipeline)


def _say_download(checkpoint: Checkpoint) -> None:
    """What is downloaded because files of half the size would not do: they are in float16."""
    with suppress(RefusedError):  # its size cannot be told
        own, half = (
            size_of(checkpoint.model_copy(update={"dtype": dtype})).to_download / 1e9
            for dtype in (checkpoint.dtype, "float16")
        )
        if own > half:
            text = "%s: %.1f GB to download for %s; dtype: float16 would take %.1f GB"
            log.warning(text, checkpoint.name, own, checkpoint.dtype, half)


def load_prompt_limit(checkpoint: Checkpoint) -> Callable[[str], tuple[int, int]]:
    """A function: caption -> (its tokens, the tokens the text encoder reads), start and end not
    counted."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(**place(checkpoint), subfolder="tokenizer")
    return token_counter(tokenizer, tokenizer.model_max_length)
