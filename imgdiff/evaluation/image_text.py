"""How well captions fit an image, by any model that scores images with texts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch

from imgdiff.models.families.matching_head import MatchingHead
from imgdiff.models.families.towers import Towers
from imgdiff.models.kinds import family_among
from imgdiff.models.loading import hide_bars, loading
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


class CosineScorer(Scorer):
    """CLIP, SigLIP and the like: the cosine of an image's vector and a text's, in [-1, 1]."""

    kind = "cosine"

    def __init__(self, towers: Towers) -> None:
        self.towers = towers

    def scores(
        self, pictures: Sequence[np.ndarray], texts: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        number = {text: k for k, text in enumerate(dict.fromkeys(t for own in texts for t in own))}
        seen, said = self.towers.embed_images(pictures), self.towers.embed_texts(list(number))
        every = seen @ said.T  # [N, distinct texts]
        return [row[[number[text] for text in own]] for row, own in zip(every, texts, strict=True)]

    def classifier(self, prompts: Ensembles) -> Classifier:
        means = self.towers.embed_classes(prompts)
        return lambda pictures: self.towers.embed_images(pictures) @ means.T


class MatchScorer(Scorer):
    """BLIP and BLIP-2: the probability that image and text match, in [0, 1]."""

    kind = "match probability"

    def __init__(self, matcher: MatchingHead) -> None:
        self.matcher = matcher

    def scores(
        self, pictures: Sequence[np.ndarray], texts: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        seen = self.matcher.see(pictures)
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
            pictures = seen.expand(len(some), *seen.shape)
            found.append(self.matcher.probabilities(pictures, *self.matcher.read(some)))
        return np.concatenate(found)[[number[text] for text in texts]]


def load_scorer(checkpoint: Checkpoint) -> Scorer:
    """The model of a checkpoint, by its kind.

    Raises:
        RefusedError: it cannot be loaded, or scores no images with texts.
    """
    hide_bars()
    with loading(checkpoint.name):
        family = family_among(("clip", "matcher"), checkpoint)
        model = family.load(checkpoint)
    return CosineScorer(model) if family.role == "clip" else MatchScorer(model)
