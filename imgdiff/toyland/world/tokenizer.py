"""The tokenizers of models of the world: as `imgdiff.toyland.tokenizer`, with more words."""

from pathlib import Path

from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from imgdiff.toyland import tokenizer
from imgdiff.toyland.world.vocabulary import (
    CATEGORIES,
    COLOURS,
    DIGITS,
    GROUNDS,
    NUMBERS,
    SIZES,
    category_plural,
)

SENTENCE_WORDS = (
    "a an the of and on with in is are it its there this that these both all none not no yes "
    "photo picture pictures drawing outline dusk day daylight light number "
    "next to beside left right middle behind front top "
    "image images shows show while what which who where how many much differ different difference "
    "differences same do does you see can describe list name count region area part inside red box "
    "nothing but background short caption for between black bar few concise sentences than only "
    "one zero more less fewer most clearly now then from into by as at be was were became becomes "
    "replace replaced remove removed add added change changed make made turn turned paint painted "
    "move moved put take away keep else everything anything something thing things other another "
    "ground sky colour size place first second each answer question true false or if so"
)
CLIP_MERGES = Path(__file__).parent / "clip_merges.txt"
CLIP_LENGTH = 77  # tokens, start and end included, as of the full-size CLIP
CHAT_SIZE = 2400  # tokens of the MLLM's vocabulary at most


def corpus() -> list[str]:
    """Every word of the world twice a line, compounds as the words that they are made of."""
    nouns = [tokenizer.COMPOUNDS.get(name, name) for name in CATEGORIES]
    plurals = [_compound_plural(name) for name in CATEGORIES]
    words = [*nouns, *plurals, *COLOURS, *GROUNDS, *DIGITS, *NUMBERS.values()]
    words += [*filter(None, SIZES), *SENTENCE_WORDS.split()]
    parts = dict.fromkeys(part for entry in words for part in entry.split())
    return [f"{word} {word}" for word in parts]


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer class with the world's vocabulary, at most CLIP_LENGTH tokens in a text."""
    return tokenizer.clip_tokenizer(CLIP_MERGES, CLIP_LENGTH)


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """The MLLM's tokenizer: byte-level BPE that restores the text exactly."""
    return tokenizer.chat_tokenizer(corpus(), CHAT_SIZE)


def wordpiece_vocabulary() -> dict[str, int]:
    """BERT's kind of vocabulary, for the matcher."""
    return tokenizer.wordpiece_vocabulary(corpus())


def _compound_plural(category: str) -> str:
    """`lighthouse` -> `light houses`."""
    whole, parts = category_plural(category), tokenizer.COMPOUNDS.get(category)
    if parts is None:
        return whole
    first = parts.split()[0]
    return f"{first} {whole.removeprefix(first)}"
