"""What the families of the clip role share: a tower for pictures, one for texts, one space."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.models.loading import device_of, place, token_counter, weights
from imgdiff.models.memory import parts_of, picture_bytes, tower_bytes
from imgdiff.models.zoo import Checkpoint


@dataclass(frozen=True)
class Reading:
    """How a text tower has learned to read.

    settings: of the tokenizer's call. lower_case: it knows no other letters.
    """

    settings: Mapping[str, Any] = field(default_factory=lambda: {"padding": True})
    lower_case: bool = False

    def tokens(self, tokenizer: Any, texts: Sequence[str], length: int) -> Any:
        """Tensors [N, L] by name, L at most `length`, at which texts are cut."""
        return tokenizer(
            [self.as_read(text) for text in texts],
            **self.settings,
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )

    def as_read(self, text: str) -> str:
        return text.lower() if self.lower_case else text


class Towers:
    """Embeds pictures and texts as unit vectors, so that a dot product is their cosine.

    classes: of transformers, for the model and for its processor.
    """

    classes: ClassVar[tuple[str, str]] = ("AutoModel", "AutoProcessor")
    reading: ClassVar[Reading] = Reading()

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    @property
    def length(self) -> int:
        """The tokens that the text tower reads, start and end counted."""
        return _text_length(self.processor.tokenizer, self.model.config)

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> Self:
        import transformers

        model_class, processor_class = (getattr(transformers, name) for name in cls.classes)
        model = model_class.from_pretrained(**weights(checkpoint)).to(device_of(checkpoint))
        return cls(model, processor_class.from_pretrained(**place(checkpoint)))

    @classmethod
    def caption_limit(cls, checkpoint: Checkpoint) -> Callable[[str], tuple[int, int]]:
        """A function: caption -> (its tokens, the tokens the text tower reads), start and end not
        counted. No weights are loaded for it."""
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(**place(checkpoint))
        length = _text_length(tokenizer, AutoConfig.from_pretrained(**place(checkpoint)))
        count = token_counter(tokenizer, length)
        return lambda caption: count(cls.reading.as_read(caption))

    @torch.inference_mode()
    def embed_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """[N, D] float32 unit vectors of pictures [H, W, 3] uint8 RGB, prepared by the model's own
        processor: CLIP's cuts their centre square, SigLIP's stretches them to one."""
        cost = picture_bytes(self.model.config.vision_config, self.model.dtype.itemsize)
        made = parts_of(self.model).run(pictures, [cost] * len(pictures), self._see)
        return np.stack(made)

    def _see(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        inputs = {name: value.to(self.model.device) for name, value in batch.items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return _unit(self.model.get_image_features(**inputs).pooler_output)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """[N, D] float32 unit vectors; what exceeds the text tower's length is cut."""
        config, itemsize = self.model.config.text_config, self.model.dtype.itemsize
        cost = tower_bytes(config, self.length, itemsize)
        return np.stack(parts_of(self.model).run(texts, [cost] * len(texts), self._read))

    def _read(self, texts: Sequence[str]) -> np.ndarray:
        tokens = self.reading.tokens(self.processor.tokenizer, texts, self.length)
        return _unit(self.model.get_text_features(**tokens.to(self.model.device)).pooler_output)

    def embed_classes(self, prompts: Sequence[Sequence[str]]) -> np.ndarray:
        """[C, D] float32 unit vectors of C classes, each the mean of its prompts' vectors: a prompt
        ensemble (Radford et al. 2021, arXiv 2103.00020, section 3.1.4)."""
        means = [self.embed_texts(texts).mean(0) for texts in prompts]
        return np.stack([mean / np.linalg.norm(mean) for mean in means])


def _text_length(tokenizer: Any, config: Any) -> int:
    return int(min(tokenizer.model_max_length, config.text_config.max_position_embeddings))


def _unit(vectors: torch.Tensor) -> np.ndarray:
    return F.normalize(vectors.float(), dim=-1).cpu().numpy()
