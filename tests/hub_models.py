"""The models that recipes and pages name, as the Hub has them: their files from `hub_models.yaml`,
small tokenizers, and weights that are miniatures or are listed only."""

import json
from pathlib import Path

import torch
import yaml
from chat_miniatures import LLAVA_CHAT, metaspace_tokenizer
from hub_server import Listed, Repo
from miniatures import siglip2_tokenizer
from safetensors.torch import load_file, save
from tokenizers import pre_tokenizers
from transformers import BertTokenizer, Qwen2Tokenizer

from imgdiff.models.sizes import GIB
from imgdiff.models.zoo import Checkpoint
from imgdiff.rehearsal.miniatures import make
from imgdiff.toyland.tokenizer import clip_tokenizer, wordpiece_vocabulary

FIXTURES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
MODELS, PARTS = FIXTURES["models"], FIXTURES["parts"]
BOT = "SFconvertbot"
SAFE = ".safetensors"
# a picture as a question's part; what a chat model without pictures is asked is a text alone
QWEN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATES = {
    "llava": LLAVA_CHAT,
    "qwen": QWEN,
    "qwen_thinks": QWEN + "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}",
    "internvl": QWEN.replace("<|vision_start|><|image_pad|><|vision_end|>", "<IMG_CONTEXT>\n"),
}


def qwen_tokenizer(tokens):
    """A token for each byte, and the real special ones."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: k for k, token in enumerate([*alphabet, *tokens])}
    special = {"additional_special_tokens": tokens[1:]}
    if "<IMG_CONTEXT>" in tokens:
        names = {"start_image_token": "<img>", "end_image_token": "</img>"}
        names |= {"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
        special["extra_special_tokens"] = names
    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], **ends, **special)


def bert_tokenizer(tokens):
    made = BertTokenizer(vocab=wordpiece_vocabulary(), model_max_length=512)
    if tokens:
        made.add_special_tokens({"additional_special_tokens": tokens})
    return made


TOKENIZERS = {
    "clip": lambda tokens: clip_tokenizer(length=77),
    "clip32": lambda tokens: clip_tokenizer(length=32),
    "bert": bert_tokenizer,
    "siglip2": lambda tokens: siglip2_tokenizer(64),
    "llama": lambda tokens: metaspace_tokenizer(),
    "qwen": qwen_tokenizer,
}


def save_small_files(name: str, folder: Path) -> None:
    """All of a repository but its weights."""
    facts = MODELS[name]
    tokenizer = None
    for place, kind in facts.get("tokenizer", {}).items():
        tokenizer = TOKENIZERS[kind](facts.get("tokens", []))
        tokenizer.chat_template = None
        tokenizer.save_pretrained(folder / place)
    for path, content in facts["files"].items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        said = json.loads(target.read_text("utf-8")) if target.is_file() else {}
        target.write_text(json.dumps(said | _with_tokenizer(content, tokenizer)), "utf-8")
    if "template" in facts:
        (folder / "chat_template.jinja").write_text(TEMPLATES[facts["template"]], "utf-8")


def _with_tokenizer(content, tokenizer):
    """The facts with the numbers that a small tokenizer has: of its tokens, and of all of them."""
    if isinstance(content, list):
        return [_with_tokenizer(each, tokenizer) for each in content]
    if not isinstance(content, dict):
        return content
    made = {key: _with_tokenizer(value, tokenizer) for key, value in content.items()}
    for key, value in made.items():
        if key.endswith(("_token_id", "_token_index")) and isinstance(value, str):
            made[key] = tokenizer.convert_tokens_to_ids(value)
    if "vocab_size" in made and tokenizer is not None:
        made["vocab_size"] = len(tokenizer)
    return made


class Published:
    """Puts models on a Hub. folder: for their miniatures, each of which is made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[tuple[str, bool], dict[str, bytes]] = {}

    def publish(self, hub, name: str, with_weights: bool = True) -> None:
        """with_weights: of a miniature; else those of the real model are listed, and not there."""
        facts = MODELS[name]
        if (name, with_weights) not in self.made:
            self.made[name, with_weights] = self._files(name, with_weights)
        files = dict(self.made[name, with_weights])
        unread = [*facts.get("others", []), *facts.get("beside", [])]
        files |= {path: Listed(GIB) for path in unread} | {"README.md": b"# One"}
        repo = hub.repos[name] = Repo(public=True)
        if "request" not in facts:
            repo.commits.append((facts.get("commit") or repo.commit(files), files))
            return
        safe = {path: content for path, content in files.items() if path.endswith(SAFE)}
        others = {path: content for path, content in files.items() if path not in safe}
        others |= {path: Listed(GIB) for path in facts["pickled"]}
        repo.commit(others)
        repo.propose(facts["request"], facts["commit"], others | safe, BOT, "open")

    def publish_part(self, hub, name: str, weights: bytes | None = None) -> None:
        facts = PARTS[name]
        files = {facts["file"]: weights or Listed(GIB)}
        hub.repos[name] = Repo(public=True)
        hub.repos[name].commit(files | {other: Listed(GIB) for other in facts["others"]})

    def miniature(self, name: str) -> Path:
        """The folder with that of a model."""
        small, target = (self.folder / kind / name for kind in ("small", "miniature"))
        if not target.is_dir():
            if not small.is_dir():
                small.mkdir(parents=True)
                save_small_files(name, small)
            make(Checkpoint(name=str(small)), target)
        return target

    def _files(self, name: str, with_weights: bool) -> dict[str, bytes]:
        facts = MODELS[name]
        if not with_weights:
            small = self.folder / "listed" / name
            small.mkdir(parents=True)
            save_small_files(name, small)
            weights = {path + SAFE: Listed(GIB // 2) for path in facts.get("weights", ["model"])}
            return read_all(small) | weights
        files = read_all(self.miniature(name))
        for path in facts.get("weights", ["model"]):
            stored = load_file(self.miniature(name) / (path + SAFE))
            if facts.get("half"):
                half = {key: value.to(torch.float16) for key, value in stored.items()}
                files[f"{path}.fp16{SAFE}"] = save(half, {"format": "pt"})
            if "shards" in facts:
                del files[path + SAFE]
                files |= sharded(stored, facts["shards"])
        return files


def read_all(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def sharded(weights, count: int) -> dict[str, bytes]:
    """In so many files, with their index."""
    files, place = {}, {}
    names = sorted(weights)
    for number in range(count):
        file = f"model-{number + 1:05}-of-{count:05}{SAFE}"
        part = {name: weights[name] for name in names[number::count]}
        files[file] = save(part, {"format": "pt"})
        place |= dict.fromkeys(part, file)
    size = sum(value.nbytes for value in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": place}
    return files | {f"model{SAFE}.index.json": json.dumps(index).encode()}
