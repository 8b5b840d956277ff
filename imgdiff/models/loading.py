"""Arguments that every `from_pretrained` gets: safetensors only, remote code off, dtype
explicit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from imgdiff.data.hub import answers, has_downloaded_all
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.models.sizes import needs_gpu, size_of
from imgdiff.models.zoo import Checkpoint

LONGEST_MESSAGE = 300


def device_of(checkpoint: Checkpoint) -> torch.device:
    """The device it asks for; `auto` is a GPU if there is one.

    Raises:
        StoppedError: there is none, and the model is too large for a CPU.
    """
    if checkpoint.device != "auto":
        return torch.device(checkpoint.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    with suppress(RefusedError):  # then its size is unknown, and loading says what is wrong
        if problem := needs_gpu(checkpoint, size_of(checkpoint)):
            raise StoppedError(problem)
    return torch.device("cpu")


def dtype_of(checkpoint: Checkpoint) -> torch.dtype:
    return {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[
        checkpoint.dtype
    ]


def hide_bars() -> None:
    """No bars over the second that loading takes; those of downloads stay."""
    import diffusers.utils.logging
    import transformers.utils.logging

    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()


def place(checkpoint: Checkpoint) -> dict[str, Any]:
    """Where a processor or tokenizer comes from. Where the Hub does not answer, libraries are told
    so: they would try again and again, for half a minute each time."""
    name, commit = checkpoint.name, checkpoint.revision
    here = checkpoint.folder is None and commit is not None and has_downloaded_all(name, commit)
    return {
        "pretrained_model_name_or_path": str(checkpoint.folder or name),
        "revision": commit,
        "trust_remote_code": checkpoint.trust_remote_code,
        "local_files_only": here and not answers(name),
    }


def weights(checkpoint: Checkpoint) -> dict[str, Any]:
    """Where a model's weights come from, and in which dtype."""
    return place(checkpoint) | {"dtype": dtype_of(checkpoint), "use_safetensors": True}


def load_whole(model: Any, checkpoint: Checkpoint) -> Any:
    """A checkpoint by a model class of transformers, on its device.

    Raises:
        RefusedError: the checkpoint lacks weights of that class, which would otherwise be random.
    """
    loaded, info = model.from_pretrained(**weights(checkpoint), output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        text = f"{checkpoint.name} lacks {len(missing)} weights of {model.__name__}"
        raise RefusedError(f"{text}, such as {missing[0]}. Name another model.")
    return loaded.to(device_of(checkpoint))


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Around the loading of a model of that name, where no engine is around that: what its library
    raises, of whatever class, is told in one line.

    Raises:
        RefusedError: the model cannot be loaded.
    """
    try:
        yield
    except (ModuleNotFoundError, RefusedError, StoppedError):
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:LONGEST_MESSAGE]
        raise RefusedError(f"{name} cannot be loaded: {text}") from error


def token_counter(tokenizer: Any, length: int) -> Callable[[str], tuple[int, int]]:
    """A function: caption -> (its tokens, the tokens the text encoder reads), start and end not
    counted. length: that it reads, with these."""
    room = length - tokenizer.num_special_tokens_to_add()

    def count(caption: str) -> tuple[int, int]:
        return len(tokenizer(caption, add_special_tokens=False)["input_ids"]), room

    return count
