"""Tokenizers of the models' classes, made from the recipe's own captions: a vocabulary of the real
size would change nothing that is measured, as the weights have its size anyway."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QWEN_TOKENS = (
    "endoftext im_start im_end vision_start vision_end vision_pad image_pad video_pad".split()
)
QWEN_IDS = {  # of the special tokens, which come first in the vocabulary made here
    "vision_start_token_id": 3,
    "vision_end_token_id": 4,
    "image_token_id": 6,
    "video_token_id": 7,
}
CLIP_LENGTH = 77  # tokens, start and end included
SIZE = 2000  # of a vocabulary, at most
CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def clip_words(corpus: Sequence[str], folder: Path) -> Any:
    """CLIP's tokenizer for these texts; its merges are written into the folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    from imgdiff.toyland.tokenizer import clip_tokenizer

    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator([text.lower() for text in corpus], trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    file = folder / "merges_made.txt"
    file.write_text("".join(f"{' '.join(pair)}\n" for pair in merges), "utf-8")
    return clip_tokenizer(file, CLIP_LENGTH)


def bert_words(corpus: Sequence[str]) -> Any:
    """BLIP's."""
    from transformers import BertTokenizer

    from imgdiff.toyland.tokenizer import wordpiece_vocabulary

    return BertTokenizer(vocab=wordpiece_vocabulary([text.lower() for text in corpus]))


def qwen_words(corpus: Sequence[str]) -> Any:
    """Qwen's: bytes, and an answer's end as end of text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[f"<|{name}|>" for name in QWEN_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT,
    )
