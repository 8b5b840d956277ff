"""How large a model is on disk, to download and in memory, told without loading a weight."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imgdiff.data.hub import SAFE, HubUnreachableError, has_all_weights, listing
from imgdiff.models.kinds import read_config
from imgdiff.models.pipeline_parts import Weights
from imgdiff.models.zoo import Checkpoint

HALF = f".fp16{SAFE}"
LONGEST_HEADER = 100_000_000  # bytes, as the safetensors library allows
DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
STORED_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
GIB = 1 << 30
# GiB beside the weights that the least part of a role's work takes at full size: a picture of 1024
# pixels drawn and decoded in float32, 64 points of three masks, one question with its KV cache
WORKING = {"diffusion": 4.0, "segmenter": 1.0, "mllm": 2.5, "llm": 1.0}
LEAST_WORKING = 0.5
SMALL = 1.0  # GiB of weights: a model below is as quick to run as it is small


@dataclass(frozen=True)
class ModelSize:
    """Bytes: of the weights' files that are loaded, of those not yet on this disk, and of the
    weights in memory, in the dtype of the binding."""

    files: int
    to_download: int
    memory: int

    @property
    def is_full_size(self) -> bool:
        return self.memory > SMALL * GIB

    def working(self, role: str) -> float:
        """Bytes that its work takes at least, beside the weights. An estimate."""
        if not self.is_full_size:
            return self.memory * LEAST_WORKING
        return WORKING.get(role, LEAST_WORKING) * GIB


def in_words(size: float) -> str:
    """Memory as people say it: `16 GiB`, `2.4 GiB`, `33 MiB`."""
    if size >= 10 * GIB:
        return f"{size / GIB:.0f} GiB"
    return f"{size / GIB:.1f} GiB" if size >= GIB / 2 else f"{size / 2**20:.0f} MiB"


def size_of(checkpoint: Checkpoint) -> ModelSize:
    """The size of a model in a folder, in this disk's copy of the Hub, or on the Hub.

    Raises:
        HubUnreachableError: it is on the Hub, which does not answer.
        RefusedError: the Hub refuses it, or it has no config.
    """
    config = read_config(checkpoint)
    files, place = _files(checkpoint)
    loaded = loaded_files(set(files), config, checkpoint.dtype)
    own = ModelSize(*_stored(loaded, files, place), 0)
    here = [] if own.to_download or place is None else [place / name for name in loaded]
    if here:
        memory = sum(_elements(path) for path in here) * DTYPE_BYTES[checkpoint.dtype]
    else:
        memory = own.files * DTYPE_BYTES[checkpoint.dtype] // _stored_bytes(loaded, config)
    return _with_parts(checkpoint, replace(own, memory=memory), loaded, files, place)


def _with_parts(
    checkpoint: Checkpoint,
    own: ModelSize,
    loaded: list[str],
    files: dict[str, int],
    place: Path | None,
) -> ModelSize:
    """The size with what a pipeline has from elsewhere. In memory it is the same: a UNet takes the
    place of one of its kind, and a LoRA is added to weights."""
    stored, missing = own.files, own.to_download
    if checkpoint.unet is not None:
        replaced = [name for name in loaded if name.startswith("unet/")]
        less = _stored(replaced, files, place)
        stored, missing = stored - less[0], missing - less[1]
    for part in checkpoint.parts.values():
        more = _part_stored(part, checkpoint.dtype)
        stored, missing = stored + more[0], missing + more[1]
    return replace(own, files=stored, to_download=missing)


def _part_stored(part: Weights, dtype: str) -> tuple[int, int]:
    """Bytes of weights from elsewhere: of their files, and of those not yet on this disk."""
    here = part.path
    if here is None and part.file is not None:
        here = _kept(part.name, part.file, part.revision)
    if here is not None:
        return here.stat().st_size, 0
    files, place = _files(Checkpoint(name=part.name, revision=part.revision))
    loaded = [part.file] if part.file else loaded_files(set(files), {}, dtype)
    return _stored([name for name in loaded if name in files], files, place)


def _stored(names: list[str], files: dict[str, int], place: Path | None) -> tuple[int, int]:
    """Bytes of files, and of those that are not in a folder of this disk."""
    here = {name for name in names if place is not None and (place / name).is_file()}
    stored = sum(files[name] for name in names)
    return stored, stored - sum(files[name] for name in here)


def needs_gpu(checkpoint: Checkpoint, size: ModelSize) -> str | None:
    """Why a model is not to be run on a machine without a GPU; None if it may be."""
    if checkpoint.device != "auto" or not size.is_full_size:
        return None
    what = f"{checkpoint.name} has {in_words(size.memory)} of weights, and there is no GPU"
    return f"{what}. It would take days. To do it all the same write device: cpu"


def loaded_files(names: set[str], config: dict[str, Any], dtype: str) -> list[str]:
    """Of a repository's files the weights that loading reads: those of a pipeline's components, in
    half size where float16 is wanted and there are such; else those beside the config."""
    weights = [name for name in sorted(names) if name.endswith(SAFE)]
    if "_class_name" in config:
        parts = {name for name, value in config.items() if isinstance(value, list)}
        weights = [name for name in weights if name.split("/")[:-1] in [[part] for part in parts]]
    else:
        weights = [name for name in weights if "/" not in name]
    halves = [name for name in weights if name.endswith(HALF)]
    plain = [name for name in weights if name.split("/")[-1].count(".") == 1]  # no variant
    return halves if halves and (dtype == "float16" or not plain) else plain


def _files(checkpoint: Checkpoint) -> tuple[dict[str, int], Path | None]:
    """Path -> bytes of all files of a model, and the folder that has some of them, if any. The Hub
    is only asked where this disk has not all weights."""
    folder = checkpoint.folder or _snapshot(checkpoint)
    if folder is not None and (checkpoint.folder or has_all_weights(folder)):
        found = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.stat().st_size for path in found}, folder
    there = listing(checkpoint.name, checkpoint.revision or "main")
    if there is None:
        raise HubUnreachableError(checkpoint.name, in_part=folder is not None)
    return {each.rfilename: each.size or 0 for each in there.siblings or ()}, folder


def _snapshot(checkpoint: Checkpoint) -> Path | None:
    """The folder of this disk's copy."""
    for name in ("model_index.json", "config.json"):
        kept = _kept(checkpoint.name, name, checkpoint.revision)
        if kept is not None:
            return kept.parent
    return None


def _kept(repo: str, name: str, revision: str | None) -> Path | None:
    """Where a file of the Hub is on this disk, if it is."""
    from huggingface_hub import try_to_load_from_cache

    kept = try_to_load_from_cache(repo, name, revision=revision or "main")
    return Path(kept) if isinstance(kept, str) else None


def _elements(path: Path) -> int:
    """Numbers that a safetensors file holds, by its header; of a damaged one as if all were
    float32."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, LONGEST_HEADER)))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        return sum(
            (entry["data_offsets"][1] - entry["data_offsets"][0])
            // STORED_BYTES.get(entry["dtype"], 1)
            for entry in tensors
        )
    except (AttributeError, LookupError, TypeError, ValueError):
        return path.stat().st_size // STORED_BYTES["F32"]


def _stored_bytes(loaded: list[str], config: dict[str, Any]) -> int:
    """Bytes of a number in files that are not here, by their names or the config."""
    if any(name.endswith(HALF) for name in loaded):
        return 2
    said = config.get("dtype") or config.get("torch_dtype")
    return DTYPE_BYTES.get(str(said).removeprefix("torch."), 4)
