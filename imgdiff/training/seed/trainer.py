"""transformers' Trainer with SEED's loss: two passes of the teacher, one of the student."""

from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.training.answers import IGNORED, collate, encode_example
from imgdiff.training.seed import losses
from imgdiff.training.seed.data import PictureQuestion
from imgdiff.training.seed.distortion import diffuse, noise_like
from imgdiff.training.seed.recipe import SeedRecipe

TERMS = ("purged", "anchored")


class DistillationTrainer(Trainer):
    """Loss: where the picture counts, the divergence from the purified teacher; where it does not,
    `anchor` times that from the teacher as it is. Both are logged under their own names.

    student: how it is asked; the model that is trained is given with the settings.
    max_length: of the student's own answers with their questions, in tokens.
    """

    def __init__(
        self, recipe: SeedRecipe, student: ImageTextToText, max_length: int, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.model_accepts_loss_kwargs = False  # the loss is a mean over tokens of this batch
        self._recipe, self._student, self._max_length = recipe, student, max_length
        vision = getattr(settings["model"].config, "vision_config", None)
        self._frames = getattr(vision, "temporal_patch_size", 1)
        self._logged: list[Tensor] = []  # the terms of the steps since the last log, [2] each

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        bare = self.accelerator.unwrap_model(model)
        if "questions" in inputs:
            inputs = self._answered(bare, inputs["questions"])
        answered = inputs.pop("labels")[:, 1:] != IGNORED  # [N, T - 1]
        with torch.no_grad(), bare.disable_adapter():  # the teacher
            clean = _logits(bare, inputs, answered)
            hallucinated = _logits(bare, inputs | self._distorted(inputs), answered)
        student = _logits(model, inputs, answered)
        terms = torch.stack(distillation_terms(student, clean, hallucinated, self._recipe))
        self._logged.append(terms.detach())
        loss = terms[0] + self._recipe.anchor * terms[1]
        return (loss, {"logits": student}) if return_outputs else loss

    def _distorted(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        pixels = inputs["pixel_values"]
        noise = noise_like(pixels, self._frames)
        return {"pixel_values": diffuse(pixels, self._recipe.noise_step, noise)}

    def _answered(self, model: Any, questions: list[PictureQuestion]) -> dict[str, Tensor]:
        """The student's own answers to the questions, as a batch on its device."""
        recipe, training = self._recipe, model.training
        processor, profile = self._student.processor, self._student.profile
        answers = ImageTextToText(model, processor, profile).answer(
            [q.asked for q in questions], recipe.max_new_tokens, recipe.temperature
        )
        model.train(training)
        told = [q.answered(answer) for q, answer in zip(questions, answers, strict=True)]
        encoded = [encode_example(processor, example, self._max_length) for example in told]
        batch = collate(encoded, processor.tokenizer.pad_token_id)
        return {name: value.to(model.device) for name, value in batch.items()}

    def log(self, logs: dict[str, float], *more: Any, **options: Any) -> None:
        if self._logged and "loss" in logs:
            means = torch.stack(self._logged).mean(0).tolist()
            logs |= dict(zip(TERMS, means, strict=True))
            self._logged.clear()
        super().log(logs, *more, **options)


def distillation_terms(
    student: Tensor, clean: Tensor, hallucinated: Tensor, recipe: SeedRecipe
) -> tuple[Tensor, Tensor]:
    """The purging and the anchoring term of logits [tokens, V], float32.

    With `weighting: divergence` a token counts for the first by how much the picture decides it,
    and for the second by how little; without, every token counts for the first alone.
    """
    target = losses.purified(clean, hallucinated, recipe.alpha, recipe.beta)
    target = losses.floored(target, clean, recipe.epsilon)
    apart = losses.reverse_kl if recipe.divergence == "reverse" else losses.forward_kl
    weights = torch.ones(len(student), device=student.device)
    if recipe.weighting == "divergence":
        weights = losses.image_dependence(clean, hallucinated)
    purging = losses.weighted_mean(apart(student, target), weights)
    anchoring = losses.weighted_mean(apart(student, clean.log_softmax(-1)), 1 - weights)
    return purging, anchoring


def _logits(model: Any, inputs: dict[str, Tensor], answered: Tensor) -> Tensor:
    """[tokens, V] float32: what the model says at each token of the answers."""
    logits: Tensor = model(**inputs, use_cache=False).logits[:, :-1]
    return logits[answered].float()
