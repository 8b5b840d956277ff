"""What a recipe exchanges in a pipeline of Stable Diffusion XL, or adds to it: see
`imgdiff.models.pipeline_parts`."""

from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file

from imgdiff.errors import RefusedError
from imgdiff.models.loading import dtype_of, place
from imgdiff.models.pipeline_parts import SAFE, Weights
from imgdiff.models.revisions import has_on_hub
from imgdiff.models.zoo import Checkpoint

HALF = "fp16"  # diffusers' name for files of half the size


def half_variant(checkpoint: Checkpoint) -> str | None:
    """HALF where files of half the size are read: those of the Hub where no more is wanted, in a
    folder also where it has no others."""
    if checkpoint.folder is None:
        there = checkpoint.dtype == "float16" and has_on_hub(checkpoint, f".{HALF}{SAFE}")
        return HALF if there else None
    folder = checkpoint.folder / "unet"
    files = [path.name for path in (folder if folder.is_dir() else folder.parent).glob(f"*{SAFE}")]
    halves = [name for name in files if f".{HALF}" in name]
    return HALF if halves and (checkpoint.dtype == "float16" or halves == files) else None


def load_unet(checkpoint: Checkpoint) -> Any:
    """The UNet that takes the place of a pipeline's own: a whole one, or a file for its config.

    Raises:
        RefusedError: the file holds weights of something else.
    """
    from diffusers import UNet2DConditionModel

    part, dtype = checkpoint.unet, dtype_of(checkpoint)
    assert part is not None
    path = _file(part)
    if path is None:
        return UNet2DConditionModel.from_pretrained(
            str(part.folder or part.name),
            revision=part.revision,
            torch_dtype=dtype,
            use_safetensors=True,
            variant=half_variant(checkpoint.model_copy(update=part.model_dump(exclude={"file"}))),
        )
    source = place(checkpoint)
    config = UNet2DConditionModel.load_config(
        source["pretrained_model_name_or_path"], revision=source["revision"], subfolder="unet"
    )
    with torch.device("meta"):  # its own weights would be thrown away
        unet = UNet2DConditionModel.from_config(config)
    weights = load_file(path)
    wanted, given = (
        {name: value.shape for name, value in some.items()} for some in (unet.state_dict(), weights)
    )
    strange = sorted({name for name, _ in wanted.items() ^ given.items()})
    if strange:
        text = f"{path.name} of {part.name} does not fit the UNet of {checkpoint.name}"
        raise RefusedError(f"{text}: {len(strange)} weights differ, such as {strange[0]}")
    unet.load_state_dict(weights, assign=True)
    return unet.to(dtype).eval()


def adapt(pipeline: Any, checkpoint: Checkpoint) -> None:
    """Add the LoRA to a pipeline's weights, give it the scheduler, and compile its UNet, as the
    recipe says."""
    if checkpoint.lora is not None:
        _add_lora(pipeline, checkpoint.lora)
    if (wanted := checkpoint.scheduler) is not None:
        import diffusers

        spacing = wanted.timestep_spacing
        said = {} if spacing is None else {"timestep_spacing": spacing}
        made = getattr(diffusers, wanted.name).from_config(pipeline.scheduler.config, **said)
        pipeline.scheduler = made
    if checkpoint.compile:
        compile_unet(pipeline.unet)


def compile_unet(unet: Any, **settings: Any) -> None:
    """Compile all of it but the attention, which is fused anyway, and which edits replace.

    settings: of `torch.compile`.
    """
    from diffusers.models.attention_processor import Attention

    for layer in unet.modules():
        if isinstance(layer, Attention):
            layer.forward = torch.compiler.disable(layer.forward)
    unet.compile(**settings)


def _add_lora(pipeline: Any, part: Weights) -> None:
    path = _file(part)
    assert path is not None  # the recipe's check asks for a file
    try:
        pipeline.load_lora_weights(str(path.parent), weight_name=path.name, use_safetensors=True)
    except (KeyError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise RefusedError(f"{path.name} of {part.name} is no LoRA of SDXL: {problem}") from None
    if not pipeline.get_list_adapters():  # diffusers only warns of it
        raise RefusedError(f"{path.name} of {part.name} holds no LoRA weights of this pipeline")
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()


def _file(part: Weights) -> Path | None:
    """Where a file of weights is, now that it was downloaded; None for a whole model."""
    if part.folder is not None or part.file is None:
        return part.path
    return Path(hf_hub_download(part.name, part.file, revision=part.revision))
