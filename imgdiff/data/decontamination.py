"""Sets that models are tested on, kept out of the data: by captions, and by perceptual hashes."""

import hashlib
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imgdiff.data.files import open_regular
from imgdiff.data.readers import open_input
from imgdiff.data.readers.base import Address, InputError
from imgdiff.text.words import WORD

if TYPE_CHECKING:
    import numpy as np

HASH = re.compile("[0-9a-f]{16}")  # 64 bits


@dataclass
class KeptOut:
    """What rows may not have.

    captions: as `comparable` gives them -> the file that has them. hashes: of 64 bits, and names:
    the picture of each and its file. max_distance: bits up to which two hashes mean one picture.
    """

    max_distance: int
    captions: dict[str, str] = field(default_factory=dict)
    hashes: "array[int]" = field(default_factory=lambda: array("Q"))
    names: list[str] = field(default_factory=list)

    def add_hashes(self, address: Address) -> None:
        """Those of a file.

        Raises:
            InputError: it cannot be read, or a line of it is none of `HASH NAME`.
        """
        for value, name in _hashes(address):
            self.hashes.append(value)
            self.names.append(f"{name} of {address.name}")

    def add_captions(self, address: Address) -> None:
        """Those of an input, as a recipe has it.

        Raises:
            InputError: it is none, or has no captions.
        """
        found = dict.fromkeys(_captions(address), address.name)
        if not found:
            raise InputError(f"{address.name} has no captions")
        self.captions |= found

    @property
    def sha256(self) -> str:
        """Changes with anything that decides about a row."""
        digest = hashlib.sha256(f"{self.max_distance} {sorted(self.captions)}".encode())
        digest.update(self.hashes.tobytes())
        return digest.hexdigest()

    def problem(
        self, captions: Mapping[str, str], pictures: Mapping[str, "np.ndarray"]
    ) -> tuple[str, str] | None:
        """The reason and the message for a row with these fields, by name; None if it may stay."""
        for name, text in captions.items():
            if file := self.captions.get(comparable(text)):
                return "caption_in_test_set", f"{name} is in {file}"
        for name, picture in pictures.items() if self.hashes else ():
            nearest, distance = self._nearest(picture)
            if distance <= self.max_distance:
                apart = f"hashes {distance} bits apart"
                return "image_in_test_set", f"{name} looks like {self.names[nearest]} ({apart})"
        return None

    def _nearest(self, picture: "np.ndarray") -> tuple[int, int]:
        import numpy as np

        from imgdiff.data.images import perceptual_hash

        given = np.uint64(int(perceptual_hash(picture), 16))
        distances = np.bitwise_count(np.frombuffer(self.hashes, np.uint64) ^ given)
        nearest = int(np.argmin(distances))
        return nearest, int(distances[nearest])


def comparable(caption: str) -> str:
    """Its words in lower case: how a caption is written does not matter."""
    return " ".join(word.group().lower() for word in WORD.finditer(caption))


def _hashes(address: Address) -> Iterator[tuple[int, str]]:
    """With the name of the picture; empty lines and `# ...` are passed over."""
    if address.place is None:
        raise InputError(f"{address.name}: expected a file of hashes")
    try:
        with open_regular(address.place) as file:
            for number, raw in enumerate(file, 1):
                digits, _, name = raw.decode(errors="replace").strip().partition(" ")
                if digits and not digits.startswith("#"):
                    if not HASH.fullmatch(digits):
                        text = f"{digits[:40]!r} is no hash. imgdiff hashes makes such files."
                        raise InputError(f"{address.name}:{number}: {text}")
                    yield int(digits, 16), name or f"line {number}"
    except OSError as error:
        raise InputError(f"{address.name}: {error.strerror}") from None


def _captions(address: Address) -> Iterator[str]:
    with open_input(address) as reader:
        for record in reader.records():
            text = record.fields.get(address.column("caption_a", record.fields))
            if isinstance(text, str) and (words := comparable(text)):
                yield words
