"""The diffusion role: a Stable Diffusion XL pipeline of diffusers."""

from collections.abc import Callable
from typing import Any

from imgdiff.models.loading import device_of, dtype_of, place, token_counter
from imgdiff.models.revisions import has_on_hub
from imgdiff.models.zoo import Checkpoint

HALF = "fp16"  # diffusers' name for files of half the size


class StableDiffusionXl:
    """Holds the pipeline; `imgdiff.editing` works on it."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "StableDiffusionXl":
        from diffusers import StableDiffusionXLPipeline

        source = place(checkpoint)
        source.pop("trust_remote_code")
        pipeline = StableDiffusionXLPipeline.from_pretrained(
            **source,
            dtype=dtype_of(checkpoint),
            use_safetensors=True,
            variant=HALF if _is_halved(checkpoint) else None,
            add_watermarker=False,  # else it depends on whether a package happens to be installed
        ).to(device_of(checkpoint))
        pipeline.set_progress_bar_config(disable=True)
        return cls(pipeline)


def _is_halved(checkpoint: Checkpoint) -> bool:
    """Whether the Hub has files of half the size, and no more is wanted."""
    return checkpoint.dtype == "float16" and has_on_hub(checkpoint, f".{HALF}.safetensors")


def load_prompt_limit(checkpoint: Checkpoint) -> Callable[[str], tuple[int, int]]:
    """A function: caption -> (its tokens, the tokens the text encoder reads), start and end not
    counted."""
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(**place(checkpoint), subfolder="tokenizer")
    return token_counter(tokenizer, tokenizer.model_max_length)
