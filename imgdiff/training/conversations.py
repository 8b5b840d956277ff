"""What models are trained on: pictures and what is said about them, read when they are needed.

Sources are the runs of this package and files of instruction data as LLaVA has them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from imgdiff.data.conversations import IMAGE, Form, Turn, image_count, recast
from imgdiff.data.files import inside, read_regular
from imgdiff.data.images import load_rgb
from imgdiff.data.rows import Region
from imgdiff.errors import RefusedError, RowError
from imgdiff.export.base import example_turns
from imgdiff.export.samples import draw_sample
from imgdiff.export.split import Side
from imgdiff.export.validation import token_faults, turn_faults
from imgdiff.models.asking import AskingProfile

MAX_PIXELS = 40_000_000  # of a picture of instruction data
Message = dict[str, Any]


@dataclass(frozen=True)
class TrainingExample:
    """A conversation about pictures.

    pictures: [H, W, 3] uint8 RGB, in the order of their `<image>` tokens. turns: (user or
    assistant, text), in turn.
    """

    id: str
    pictures: list[np.ndarray]
    turns: list[tuple[str, str]]

    def shown_to(self, profile: AskingProfile) -> "TrainingExample":
        """The same, with pictures as the model's processor is to get them."""
        return replace(self, pictures=[profile.shown(picture) for picture in self.pictures])

    def messages(self) -> list[Message]:
        """As processors take it: pictures where their tokens stand, the blanks around them left to
        the chat template."""
        shown = iter(self.pictures)
        return [
            {
                "role": role,
                "content": list(_parts(text, shown) if role == "user" else [_text(text)]),
            }
            for role, text in self.turns
        ]


class Examples(Protocol):
    """A source of examples, each read when it is asked for."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> TrainingExample:
        """Raises:
        RowError: it cannot be used; the message says which and why.
        """
        ...


class ShownExamples:
    """The examples of a source, pictures as a model's processor is to get them."""

    def __init__(self, source: Examples, profile: AskingProfile) -> None:
        self._source, self._profile, self.name = source, profile, source.name

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number: int) -> TrainingExample:
        return self._source[number].shown_to(self._profile)


class RunExamples:
    """The samples of a run folder's `data/`, their pictures drawn as the operators drew them.

    Args:
        form: how pairs are shown, where the questions are known in it.

    Raises:
        RefusedError: there is no such dataset, or it has no conversations.
    """

    def __init__(self, run: Path, form: Form = "joined", side: Side = "train") -> None:
        import datasets

        self.name, self._form = str(run), form
        self._samples, self._pairs = (
            _table(run / "data", config, side) for config in ("samples", "pairs")
        )
        if self._samples is not None and "conversations" not in self._samples.column_names:
            raise RefusedError(f"{run} has no conversations: its recipe needs conversation_mapper")
        if self._pairs is not None:
            stored = datasets.Image(decode=False)
            for name in ("image_a", "image_b"):
                self._pairs = self._pairs.cast_column(name, stored)
            self._places = {id: place for place, id in enumerate(self._pairs["id"])}

    def __len__(self) -> int:
        return 0 if self._samples is None else len(self._samples)

    def __getitem__(self, number: int) -> TrainingExample:
        sample = self._samples[number]
        pair = self._pairs[self._places[sample["pair_id"]]]
        turns = recast(sample["conversations"], self._form)
        region = Region(tuple(sample["box_xyxy"]), "a", left=sample.get("left", "a"))
        images = load_rgb(pair["image_a"]), load_rgb(pair["image_b"])
        pictures, _ = draw_sample(images, region, joined=image_count(turns) == 1)
        return _example(sample["id"], pictures, turns)


class LlavaExamples:
    """A file of instruction data as LLaVA has it, .json or .jsonl: `image` (a name, or a list of
    names) and `conversations`; what `imgdiff export --format llava` writes is one.

    Args:
        images: the folder that holds the pictures; names that lead out of it are refused.

    Raises:
        RefusedError: the file cannot be read.
    """

    def __init__(self, file: Path, images: Path) -> None:
        self.name, self._images = str(file), images
        self._records = list(_records(file))

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> TrainingExample:
        record = self._records[number]
        id = str(record.get("id", number))
        names, turns = record.get("image"), record.get("conversations")
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RowError("no_picture", f"{self.name}: {id} has no picture")
        if not isinstance(turns, list) or not all(map(_is_turn, turns)):
            raise RowError("turns", f"{self.name}: {id}: conversations are not turns (from, value)")
        return _example(id, [self._picture(name) for name in names], turns)

    def _picture(self, name: str) -> np.ndarray:
        try:
            content = read_regular(inside(self._images, name))
        except OSError as error:
            text = f"image {name} in {self._images}: {error.strerror}"
            raise RowError("image_unreadable", text) from None
        return load_rgb({"bytes": content, "path": name}, MAX_PIXELS)


def _example(id: str, pictures: list[np.ndarray], turns: list[Turn]) -> TrainingExample:
    said = example_turns(turns)
    faults = [*turn_faults(said), *token_faults(said, [(IMAGE, len(pictures), "pictures")])]
    if faults:
        raise RowError("turns", f"{id}: {'; '.join(faults)}")
    return TrainingExample(id, pictures, said)


def _parts(text: str, shown: Iterator[np.ndarray]) -> Iterator[Message]:
    for number, part in enumerate(text.split(IMAGE)):
        if number:
            yield {"type": "image", "image": Image.fromarray(next(shown))}
        if part.strip():
            yield _text(part.strip())


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and all(
        isinstance(turn.get(key), str) for key in ("from", "value")
    )


def _table(folder: Path, config: str, side: Side) -> Any:
    """One table of a dataset folder; None if it has no rows on that side."""
    import datasets

    files = sorted((folder / config).glob("*.parquet"))
    if not files:
        raise RefusedError(f"{folder} has no {config}: no run has kept anything there")
    mine = [file for file in files if file.name.startswith(f"{side}-")]
    if side == "train" and not any(file.name.startswith("validation-") for file in files):
        mine = files  # nothing was held back
    if not mine:
        return None
    datasets.disable_progress_bars()
    return datasets.load_dataset(
        "parquet", data_files={side: [str(file) for file in mine]}, split=side
    )


def _records(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8") as lines:
            if file.suffix == ".jsonl":
                records = [json.loads(line) for line in lines if line.strip()]
            else:
                records = json.load(lines)
    except OSError as error:
        raise RefusedError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise RefusedError(f"{file}: not valid JSON ({error})") from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise RefusedError(f"{file}: expected a list of records")
    yield from records
