"""The families of models: which checkpoints each of them takes, and where its code is.

A family plays a role. A new one is a file beside this and a line in `FAMILIES`: the file holds a
class of the role's protocol (`imgdiff.models.roles`) that can `load` a checkpoint.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

ANY = "*"  # every kind that transformers can load so, and no other family of the role takes
UNNAMED = ""  # a config.json that names no kind
# an MLLM's questions hold captions that models wrote: from here on control tokens in them stay text
PLAIN_TEXT = {"transformers": "5.23"}
SAM3_VIDEO = {"transformers": "5.23"}  # reads weights of sam3_video into the model of pictures
QWEN3 = ("qwen3", "qwen3_moe", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text")

# what only some families of a role can do: said after "cannot", and which setting asks it
FIND_EVERYTHING = "find everything (prompts: grid)"
FIND_NAMED = "find what is named (prompts: nouns)"
TELL_PROBABILITY = "tell how likely a text fits (min_itm)"


@dataclass(frozen=True)
class Family:
    """Light facts, so that a recipe can be checked without importing a model library.

    Attributes:
        role: which it plays.
        name: unique in its role; a recipe may say it as `family:`.
        kinds: of checkpoints: the `model_type` of their config.json, or the class that their
            model_index.json names.
        code: module of this package and class in it.
        scale: of its scores, in words. A limit that was set on one scale means nothing on another.
        can: what it can do that not all families of the role can.
        needs: what must be installed beside the package's own requirements: name of a
            distribution -> lowest version.
        tokenizer_needs: the same of a checkpoint whose tokenizer is of that class.
        thinks: aloud before it answers, unless it is told not to.
        mapping: with ANY: transformers' mapping of the kinds that it can load so.
    """

    role: str
    name: str
    kinds: tuple[str, ...]
    code: str
    scale: str = ""
    can: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    tokenizer_needs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    thinks: bool = False
    mapping: str = ""

    @property
    def plays(self) -> Any:
        """The class that plays the role; of an MLLM the one that says how it is asked."""
        module, _, name = self.code.partition(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)

    def load(self, checkpoint: Any) -> Any:
        """The model of a checkpoint, ready to be asked."""
        return self.plays.load(checkpoint)


TOWERS = (
    Family("clip", "clip", ("clip",), "clip:ClipTowers", "CLIP's cosines"),
    Family(
        "clip",
        "siglip",
        ("siglip", "siglip2"),
        "siglip:SiglipTowers",
        "SigLIP's cosines",
        tokenizer_needs={"SiglipTokenizer": {"sentencepiece": "0.2.0", "protobuf": "4.25.0"}},
    ),
    # kinds that transformers loads by their names alone
    *(
        Family("clip", kind, (kind,), "towers:Towers", f"the cosines of {kind}")
        for kind in ("align", "altclip", "chinese_clip", "metaclip_2")
    ),
)
FAMILIES = (
    Family("diffusion", "sdxl", ("StableDiffusionXLPipeline",), "sdxl:StableDiffusionXl"),
    Family("segmenter", "sam", ("sam", UNNAMED), "sam:SegmentAnything", can=(FIND_EVERYTHING,)),
    Family("segmenter", "sam_hq", ("sam_hq",), "sam_hq:SamHq", can=(FIND_EVERYTHING,)),
    Family("segmenter", "sam2", ("sam2", "sam2_video"), "sam2:Sam2", can=(FIND_EVERYTHING,)),
    Family(
        "segmenter",
        "edgetam",
        ("edgetam", "edgetam_video"),
        "edgetam:EdgeTam",
        can=(FIND_EVERYTHING,),
        needs={"timm": "1.0.23"},
    ),
    Family(
        "segmenter",
        "sam3",
        ("sam3", "sam3_video"),
        "sam3:Sam3",
        can=(FIND_NAMED,),
        needs=SAM3_VIDEO,
    ),
    *TOWERS,
    Family("matcher", "blip", ("blip",), "blip:Blip", "BLIP's cosines", can=(TELL_PROBABILITY,)),
    Family(
        "matcher", "blip-2", ("blip-2",), "blip2:Blip2", "BLIP-2's cosines", can=(TELL_PROBABILITY,)
    ),
    *(replace(each, role="matcher", code="cosines:Cosines") for each in TOWERS),
    Family("mllm", "llava", ("llava",), "llava:Llava15", needs=PLAIN_TEXT),
    Family("mllm", "llava_next", ("llava_next",), "llava_next:Llava16", needs=PLAIN_TEXT),
    Family("mllm", "qwen2_5_vl", ("qwen2_5_vl",), "qwen2_5_vl:Qwen25Vl", needs=PLAIN_TEXT),
    Family("mllm", "qwen3_vl", ("qwen3_vl", "qwen3_vl_moe"), "qwen3_vl:Qwen3Vl", needs=PLAIN_TEXT),
    Family(
        "mllm",
        "qwen3_5",
        ("qwen3_5", "qwen3_5_moe"),
        "qwen3_5:Qwen35",
        needs=PLAIN_TEXT,
        thinks=True,
    ),
    Family("mllm", "internvl", ("internvl",), "internvl:InternVl", needs=PLAIN_TEXT),
    Family(
        "mllm", "toyland", (), "toyland:Toyland", needs=PLAIN_TEXT
    ),  # named by the checkpoints themselves
    Family(
        "mllm",
        "other",
        (ANY,),
        "other:Other",
        needs=PLAIN_TEXT,
        mapping="MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    ),
    Family("llm", "qwen3", QWEN3, "causal_lm:CausalLm", thinks=True),
    Family(
        "llm",
        "transformers",
        (ANY,),
        "causal_lm:CausalLm",
        mapping="MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    ),
    Family(
        "nsfw",
        "transformers",
        (ANY,),
        "image_classifier:ImageClassifier",
        mapping="MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    ),
)


def families_of(role: str) -> tuple[Family, ...]:
    """Those that can play a role, the one that takes any other kind last."""
    return tuple(family for family in FAMILIES if family.role == role)


def family_named(role: str, name: str) -> Family | None:
    return next((each for each in families_of(role) if each.name == name), None)


def family_of_kind(role: str, kind: str) -> Family | None:
    """The family that takes checkpoints of that kind; None if none of the role does."""
    able = families_of(role)
    for family in able:
        if kind in family.kinds:
            return family
    return next((each for each in able if ANY in each.kinds and _can_be_loaded(each, kind)), None)


def _can_be_loaded(family: Family, kind: str) -> bool:
    """As transformers says. Only asked of kinds that no family names: its import takes seconds."""
    mappings = importlib.import_module("transformers.models.auto.modeling_auto")
    return kind in getattr(mappings, family.mapping)
