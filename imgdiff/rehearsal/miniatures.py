"""A miniature of a model: its real config with few narrow layers, random weights, and its real
processor, tokenizer and template.

What shapes its inputs and outputs stays: picture and patch sizes, vocabulary, the size of an
attention head (positions depend on it). So what breaks in how a model is loaded, asked and read
breaks here too; what it answers means nothing.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgdiff.data.hub import HubUnreachableError, ask_hub
from imgdiff.errors import RefusedError
from imgdiff.models.kinds import read_config
from imgdiff.models.zoo import Checkpoint

SMALL_FILES = (
    "*.json",
    "*.txt",
    "*.model",
    "*.jinja",
)  # configs, processors, tokenizers, templates
INDEXES = ".safetensors.index.json"  # of weights that the miniature does not have
LAYERS, HEADS = 2, 2
CHANNELS = 32  # of every level of an autoencoder, and of the first of a UNet
LAYER_COUNTS = ("num_hidden_layers", "depth")
# what one part of a config must know of the width of another one
WIDTHS = {
    "encoder_hidden_size": "vision_config",
    "projection_size": "vision_config",
    "vit_dim": "vision_config",
    "out_hidden_size": "text_config",
}
OF_FEATURES = ("detr_encoder_config", "detr_decoder_config")  # as wide as what they read
HEAD_COUNTS = ("num_attention_heads", "num_heads")


def make(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Save a miniature of a checkpoint in a folder.

    Returns:
        The binding of the miniature, in float32 on the CPU.

    Raises:
        HubUnreachableError: its small files are on the Hub, which does not answer.
        RefusedError: it cannot be made so small; the message says which model and why.
    """
    source = _small_files(checkpoint)
    shutil.copytree(
        source, folder, ignore=_only_small, copy_function=shutil.copyfile, dirs_exist_ok=True
    )
    folder.chmod(0o755)  # its own may have been read-only
    config = read_config(checkpoint)
    try:
        if "_class_name" in config:
            _save_pipeline(config, source, folder)
        else:
            _save_model(source, folder)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise RefusedError(f"{checkpoint.name}: no miniature can be made of it: {text}") from error
    changes = {"name": str(folder), "revision": None, "dtype": "float32", "device": "cpu"}
    # weights from elsewhere fit no miniature
    left_out = {"unet": None, "lora": None, "compile": False}
    return checkpoint.model_copy(update=changes | left_out)


def _small_files(checkpoint: Checkpoint) -> Path:
    """The folder with a model's configs, processors and tokenizers; no weight is downloaded."""
    if checkpoint.folder is not None:
        return checkpoint.folder
    from huggingface_hub import snapshot_download

    found = ask_hub(
        checkpoint.name,
        lambda _: snapshot_download(
            checkpoint.name,
            revision=checkpoint.revision,
            allow_patterns=list(SMALL_FILES),
            ignore_patterns=[f"*{INDEXES}"],
        ),
    )
    if found is None:
        raise HubUnreachableError(f"the config of {checkpoint.name}")
    return Path(found)


def _only_small(folder: str, names: list[str]) -> list[str]:
    """What is not to be copied."""
    endings = tuple(pattern[1:] for pattern in SMALL_FILES)
    return [
        name
        for name in names
        if not (Path(folder) / name).is_dir() and (not name.endswith(endings) or INDEXES in name)
    ]


def _save_model(source: Path, folder: Path) -> None:
    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(source)
    make_small(config)
    name = (config.architectures or [""])[0]
    torch.manual_seed(0)
    getattr(transformers, name)(config).eval().save_pretrained(folder)


def _save_pipeline(index: dict[str, Any], source: Path, folder: Path) -> None:
    """The components with weights; the others come with the small files."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    widths: list[int] = []
    pooled = 0
    for part in ("text_encoder", "text_encoder_2"):
        config = transformers.CLIPTextConfig.from_pretrained(source / part)
        make_small(config)
        getattr(transformers, index[part][1])(config).save_pretrained(folder / part)
        widths.append(config.hidden_size)
        pooled = config.projection_dim
    unet = diffusers.UNet2DConditionModel.load_config(source / "unet")
    make_unet_small(unet, sum(widths), pooled)
    diffusers.UNet2DConditionModel.from_config(unet).save_pretrained(folder / "unet")
    vae = diffusers.AutoencoderKL.load_config(source / "vae")
    vae |= {"block_out_channels": [CHANNELS] * len(vae["block_out_channels"])}
    vae |= {"layers_per_block": 1, "norm_num_groups": CHANNELS}
    diffusers.AutoencoderKL.from_config(vae).save_pretrained(folder / "vae")


def make_small(config: Any) -> None:
    """Make a config of transformers small, in place, and all that are inside it."""
    widths: dict[str, int] = {}
    for name, part in _parts(config):
        heads: str = next(
            (key for key in HEAD_COUNTS if isinstance(getattr(part, key, None), int)), ""
        )
        layers = [key for key in LAYER_COUNTS if (getattr(part, key, None) or 0) > LAYERS]
        if name in OF_FEATURES:
            part.num_layers = LAYERS
        elif layers and heads:
            _few_narrow_layers(part, layers[0], heads)
            widths[name] = part.hidden_size
        if hasattr(part, "blocks_per_stage"):
            _few_blocks(part)
    for _, part in _parts(config):
        for key, of in WIDTHS.items():
            if hasattr(part, key) and of in widths:
                setattr(part, key, widths[of])


def _few_narrow_layers(part: Any, layers: str, heads: str) -> None:
    head = getattr(part, "head_dim", None) or part.hidden_size // getattr(part, heads)
    setattr(part, layers, LAYERS)
    setattr(part, heads, HEADS)
    if getattr(part, "num_key_value_heads", None):
        part.num_key_value_heads = HEADS
    part.hidden_size = HEADS * head
    for key in ("intermediate_size", "mlp_dim"):
        if isinstance(getattr(part, key, None), int):
            setattr(part, key, 4 * part.hidden_size)
    for key, value in vars(part).items():
        if key.endswith(("_indexes", "_indices")) and isinstance(value, list):
            setattr(part, key, [LAYERS - 1])
    kinds = getattr(part, "layer_types", None)
    if kinds:  # one of each
        part.layer_types = list(dict.fromkeys([*kinds, *kinds[:LAYERS]]))[:LAYERS]
        part.layer_types += kinds[: LAYERS - len(part.layer_types)]


def _few_blocks(part: Any) -> None:
    """A hierarchical tower: one block in every stage, in the last one a global one behind it."""
    stages = len(part.blocks_per_stage)
    part.blocks_per_stage = [1] * (stages - 1) + [2]
    part.global_attention_blocks = [stages]


def make_unet_small(config: dict[str, Any], text_width: int, pooled: int) -> None:
    """Make a config of SDXL's UNet small, in place."""
    levels = len(config["block_out_channels"])
    config["block_out_channels"] = [CHANNELS * min(2**level, 2) for level in range(levels)]
    config["attention_head_dim"] = [min(2**level, 2) for level in range(levels)]
    config["transformer_layers_per_block"] = 1
    config["layers_per_block"] = 1
    config["cross_attention_dim"] = text_width
    times = 6 * config["addition_time_embed_dim"]
    config["projection_class_embeddings_input_dim"] = times + pooled


def _parts(config: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A config and those inside it, by the names that they have there."""
    from transformers import PretrainedConfig

    yield name, config
    for key, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            yield from _parts(value, key)
