"""CHAIR: how much of what captions mention is not there (Rohrbach et al. 2018, arXiv 1809.02156).

Objects are found by a list of words for each category, not by a parser. What an image shows is what
its annotation says and what its reference captions mention. Repeated mentions count, as in the
original; singular and plural are the words of the list and their plurals, so that no outside
singulariser decides.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import yaml

from imgdiff.errors import RefusedError
from imgdiff.evaluation.annotations import Annotated
from imgdiff.statistics.estimates import Estimate, mean, share
from imgdiff.text.grammar import plural

VOCABULARIES = Path(__file__).parent / "vocabularies"
NOTHING = ""  # the category of words that are stepped over: a hot dog is no dog


@dataclass(frozen=True)
class Vocabulary:
    """words: category -> what else it is called. plurals: irregular ones. modifiers: words that
    make one mention with the word after them. ignored: expressions that hold a word and mean
    something else."""

    words: dict[str, list[str]]
    plurals: dict[str, str]
    modifiers: list[str]
    ignored: list[str]

    @cached_property
    def surfaces(self) -> dict[str, str]:
        """Word or expression, singular and plural -> category."""
        called = {word: name for name, words in self.words.items() for word in (name, *words)}
        called |= dict.fromkeys(self.ignored, NOTHING)
        called |= {plural(word, self.plurals): name for word, name in called.items()}
        modified = {f"{m} {word}": name for m in self.modifiers for word, name in called.items()}
        return modified | called

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds the longest expression first."""
        ordered = sorted(self.surfaces, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, ordered))})(?![\w-])")

    def mentions(self, caption: str) -> list[str]:
        """The categories that a caption names, in order, as often as it does."""
        spoken = " ".join(caption.lower().split())
        found = (self.surfaces[match] for match in self.pattern.findall(spoken))
        return [category for category in found if category != NOTHING]


@cache
def load_vocabulary(name: str) -> Vocabulary:
    """`coco`, `toyland`, or a YAML file of one's own with `words` (category: its other names),
    `plurals`, `modifiers` and `ignored`.

    Raises:
        RefusedError: there is no such vocabulary, or it has another form.
    """
    shipped = VOCABULARIES / f"{name}.yaml"
    path = shipped if shipped.is_file() else Path(name)
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
        return Vocabulary(
            {category: words or [] for category, words in content["words"].items()},
            content.get("plurals") or {},
            content.get("modifiers") or [],
            content.get("ignored") or [],
        )
    except OSError:
        known = ", ".join(sorted(each.stem for each in VOCABULARIES.glob("*.yaml")))
        raise RefusedError(f"{name}: no such vocabulary; there are {known}, or a file") from None
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        raise RefusedError(f"{path}: expected words, plurals, modifiers, ignored") from None


def scores(
    annotated: Sequence[Annotated], captions: Mapping[str, str], vocabulary: Vocabulary
) -> dict[str, Estimate]:
    """CHAIR of generated captions, by image.

    chair_s: captions with a hallucinated mention. chair_i: mentions that are hallucinated.
    recall: true objects that are mentioned, each once. words: mean length.
    """
    counts = []  # invented mentions, mentions, true objects found, true objects, words
    for each in annotated:
        truth = {name for name in each.objects if name in vocabulary.words}
        truth |= {name for said in each.captions for name in vocabulary.mentions(said)}
        caption = captions[each.image]
        named = vocabulary.mentions(caption)
        absent = sum(name not in truth for name in named)
        length = len(caption.split())
        counts.append((absent, len(named), len(truth & set(named)), len(truth), length))
    invented, mentioned, found, true, words = np.array(counts, float).reshape(-1, 5).T
    return {
        "chair_s": mean(invented > 0),
        "chair_i": share(invented, mentioned),
        "recall": share(found, true),
        "words": mean(words),
    }
