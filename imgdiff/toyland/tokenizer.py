"""The tokenizers of the embedded models: byte-level BPE over toyland's words, built in process.

Any text can be encoded (unknown words fall into bytes). Compound names stay compound: `lighthouse`
is not a token of its own, so that prompt-to-prompt meets nouns of one and of several tokens, as
with a real vocabulary.
"""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, GROUNDS, SENTENCE_WORDS

COMPOUNDS = {
    "lighthouse": "light house",
    "snowman": "snow man",
    "teapot": "tea pot",
    "butterfly": "butter fly",
}
CLIP_MERGES = Path(__file__).parent / "clip_merges.txt"
CLIP_LENGTH = 40  # tokens, start and end included


def _corpus() -> list[str]:
    nouns = [COMPOUNDS.get(name, name) for name in CATEGORIES]
    words = [*nouns, *COLOURS, *GROUNDS, *SENTENCE_WORDS.split()]
    return [f"{word} {word}" for entry in words for word in entry.split()]


def clip_tokenizer(frozen: Path = CLIP_MERGES, length: int = CLIP_LENGTH) -> CLIPTokenizer:
    """CLIP's tokenizer class with toyland's vocabulary (735 tokens, 40 at most in a text).

    The merges are frozen in a file, because training them breaks ties at random, and the numbers of
    tokens are part of the shipped weights.
    """
    merges = [tuple(line.split(" ")) for line in frozen.read_text("utf-8").splitlines()]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{c}</w>" for c in alphabet), *("".join(pair) for pair in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: k for k, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def chat_tokenizer(
    corpus: Sequence[str] | None = None, size: int = 1200
) -> PreTrainedTokenizerFast:
    """The MLLM's tokenizer: byte-level BPE that restores the text exactly, with an `<image>`
    token. corpus: words, twice a line; by default toyland's. size: of the vocabulary at most."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<pad>", "<s>", "</s>", "<image>", "USER:", "ASSISTANT:"],
        show_progress=False,
    )
    sentences = [
        f"{line.capitalize()} {line.capitalize()}, {line}. {line}?" for line in corpus or _corpus()
    ]
    tokenizer.train_from_iterator(sentences, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


def wordpiece_vocabulary(corpus: Sequence[str] | None = None) -> dict[str, int]:
    """BERT's kind of vocabulary, for the matcher: toyland's words, and single characters for all
    others. corpus: as of `chat_tokenizer`."""
    words = dict.fromkeys(word for line in corpus or _corpus() for word in line.split())
    printable = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *printable]
    tokens += [f"##{piece}" for piece in [*words, *printable]]
    return {token: k for k, token in enumerate(dict.fromkeys(tokens))}
