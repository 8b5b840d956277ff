"""Captions that the bound models cannot know: the embedded ones have read a few words alone."""

from collections.abc import Collection, Iterable, Mapping

from imgdiff.data.input import KnownWords
from imgdiff.models.zoo import NAMED_SETS, Binding
from imgdiff.operator import Operator
from imgdiff.toyland.vocabulary import KNOWN_WORDS

EMBEDDED = "embedded"  # a set of models, which know the words of one lexicon
WORDLESS = ("segmenter",)  # the role of a model that neither reads nor writes words
WAY_OUT = (
    "which the embedded models do not know. Bind others under models, "
    "as recipes/sdxl/recommended.yaml does."
)


def embedded_roles(operator: Operator, models: Mapping[str, Binding]) -> list[str]:
    """The roles of an operator in which an embedded model reads or writes words."""
    known = NAMED_SETS[EMBEDDED]
    wordy = (role for role in operator.loaded_roles if role not in WORDLESS)
    return [role for role in wordy if role in models and models[role] == known.get(role)]


def known_words(
    operators: Iterable[Operator], models: Mapping[str, Binding], fields: Collection[str]
) -> KnownWords | None:
    """What captions of the input may say; None: anything.

    fields: what is needed from the input.
    """
    for operator in operators:
        reads_captions = any(
            name.startswith("caption") and name in fields for name in operator.reads
        )
        if reads_captions and embedded_roles(operator, models):
            return KnownWords(KNOWN_WORDS, WAY_OUT)
    return None
