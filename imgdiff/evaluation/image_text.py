"""How well captions fit an image, by any model that scores images with texts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from imgdiff.errors import RefusedError
from imgdiff.models.families.blip import Blip
from imgdiff.models.loading import device_of, hide_bars, loading, place, weights
from imgdiff.models.zoo import Checkpoint

Ensembles = Sequence[Sequence[str]]  # class -> its prompts
Classifier = Callable[[Sequence[np.ndarray]], np.ndarray]  # of pictures [H, W, 3] uint8 RGB
AT_ONCE = 32  # texts that an image is matched with in one batch


class Scorer(ABC):
    """A model of images and texts."""

    kind: str  # what its scores are, in words

    @abstractmethod
    def scores(
        self, pictures: Sequence[np.ndarray], texts: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """For each picture ([H, W, 3] uint8 RGB) the scores of its own texts, [number of texts]
        float32; more is better, and one text has one score. Texts are cut at the model's length."""

    @abstractmethod
    def classifier(self, prompts: Ensembles) -> Classifier:
        """Gives [N, C] float32, how well each of C classes fits each of N pictures, by an ensemble
        of the class's prompts."""


class TwoTowers(Scorer):
    """CLIP, SigLIP and the like: the cosine of an image's vector and a text's, in [-1, 1]."""

    kind = "cosine"

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor
        places = model.config.text_config.max_position_embeddings
        self.length = min(processor.tokenizer.model_max_length, places)
        # SigLIP has seen texts of full length alone, padding not masked
        siglip = model.config.model_type.startswith("siglip")
        self.padding: bool | str = "max_length" if siglip else True

    def scores(
        self, pictures: Sequence[np.ndarray], texts: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        number = {text: k for k, text in enumerate(dict.fromkeys(t for own in texts for t in own))}
        seen, said = self.embed_images(pictures), self.embed_texts(list(number))
        every = seen @ said.T  # [N, distinct texts]
        return [row[[number[text] for text in own]] for row, own in zip(every, texts, strict=True)]

    def classifier(self, prompts: Ensembles) -> Classifier:
        """A class is the mean of its prompts' vectors, brought to unit length (Radford et al. 2021,
        arXiv 2103.00020, section 3.1.4)."""
        means = np.stack([self.embed_texts(own).mean(0) for own in prompts])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return lambda pictures: self.embed_images(pictures) @ means.T

    @torch.inference_mode()
    def embed_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """[N, D] float32 unit vectors."""
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        inputs = {name: value.to(self.model.device) for name, value in batch.items()}
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        return _unit(self.model.get_image_features(**inputs).pooler_output)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """[N, D] float32 unit vectors."""
        batch = self.processor.tokenizer(
            list(texts),
            padding=self.padding,
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).to(self.model.device)
        return _unit(self.model.get_text_features(**batch).pooler_output)


class Matching(Scorer):
    """A model with a matching head: the probability that image and text match, in [0, 1]."""

    kind = "match probability"

    @abstractmethod
    def see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        """[N, ...], what is worked out of the pictures once, for all their texts."""

    @abstractmethod
    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> np.ndarray:
        """[N] float32 probabilities of N pictures seen, each with the text beside it."""

    def scores(
        self, pictures: Sequence[np.ndarray], texts: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        seen = self.see(pictures)
        return [self._match_all(seen[k], own) for k, own in enumerate(texts)]

    def classifier(self, prompts: Ensembles) -> Classifier:
        """The mean over a class's prompts."""
        said = [text for own in prompts for text in own]
        ends = np.cumsum([len(own) for own in prompts])

        def classify(pictures: Sequence[np.ndarray]) -> np.ndarray:
            every = np.stack(self.scores(pictures, [said] * len(pictures)))  # [N, texts]
            return np.stack([part.mean(1) for part in np.split(every, ends[:-1], axis=1)], axis=1)

        return classify

    def _match_all(self, seen: torch.Tensor, texts: Sequence[str]) -> np.ndarray:
        """One picture with all its texts, each distinct one once."""
        number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
        distinct, found = list(number), []
        for start in range(0, len(distinct), AT_ONCE):
            some = distinct[start : start + AT_ONCE]
            found.append(self.match(seen.expand(len(some), *seen.shape), some))
        return np.concatenate(found)[[number[text] for text in texts]]


class BlipScorer(Matching):
    """BLIP, as in the matcher role."""

    def __init__(self, matcher: Blip) -> None:
        self.matcher = matcher

    def see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        return self.matcher.see(pictures)

    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> np.ndarray:
        return self.matcher.match_seen(seen, texts)[1]


class Blip2Scorer(Matching):
    """BLIP-2's Q-Former, which sees an image anew for every batch of texts."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model.eval(), processor

    def see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        batch = self.processor.image_processor(list(pictures), return_tensors="pt")
        return batch["pixel_values"].to(self.model.device, self.model.dtype)

    @torch.inference_mode()
    def match(self, seen: torch.Tensor, texts: Sequence[str]) -> np.ndarray:
        config = self.model.config
        tokens = self.processor.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=config.qformer_config.max_position_embeddings,
            return_tensors="pt",
        )
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        if config.image_token_index is not None:  # places that the model cuts off again
            places = (len(ids), config.num_query_tokens)
            ids = torch.cat([ids.new_full(places, config.image_token_index), ids], dim=1)
            mask = torch.cat([mask.new_ones(places), mask], dim=1)
        answer = self.model(
            pixel_values=seen,
            input_ids=ids.to(seen.device),
            attention_mask=mask.to(seen.device),
            use_image_text_matching_head=True,
        )
        return answer.logits_per_image.float().softmax(-1)[:, 1].cpu().numpy()


def load_scorer(checkpoint: Checkpoint) -> Scorer:
    """The model of a checkpoint, by its `model_type`.

    Raises:
        RefusedError: it cannot be loaded, or scores no images with texts.
    """
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoProcessor,
        Blip2ForImageTextRetrieval,
    )

    hide_bars()
    with loading(checkpoint.name):
        kind = AutoConfig.from_pretrained(**place(checkpoint)).model_type
        if kind == "blip":
            return BlipScorer(Blip.load(checkpoint))
        if kind == "blip-2":
            source = weights(checkpoint)
            blip2 = Blip2ForImageTextRetrieval.from_pretrained(**source).to(device_of(checkpoint))
            return Blip2Scorer(blip2, AutoProcessor.from_pretrained(**place(checkpoint)))
        model = AutoModel.from_pretrained(**weights(checkpoint)).to(device_of(checkpoint))
        processor = AutoProcessor.from_pretrained(**place(checkpoint))
    if not all(hasattr(model, name) for name in ("get_image_features", "get_text_features")):
        text = f"is of type {kind}, which has no towers for images and for texts"
        raise RefusedError(f"{checkpoint.name} {text}")
    return TwoTowers(model, processor)


def _unit(vectors: torch.Tensor) -> np.ndarray:
    return F.normalize(vectors.float(), dim=-1).cpu().numpy()
