"""`method: ohd_clip`: an image-text model learns to tell what images do not show."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset
from rich.table import Table
from torch import Tensor
from transformers import PreTrainedModel, Trainer, TrainerControl

from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError
from imgdiff.models.kinds import family_of
from imgdiff.models.loading import device_of, hide_bars, loading
from imgdiff.models.zoo import Checkpoint
from imgdiff.statistics.estimates import Estimate
from imgdiff.training import fitting
from imgdiff.training.folder import TrainingFolder, is_first
from imgdiff.training.ohd_clip.accuracy import ALL, measure_accuracy
from imgdiff.training.ohd_clip.data import Collator, load_rows
from imgdiff.training.ohd_clip.losses import (
    Scored,
    contrastive,
    edited_above_others,
    edited_below_others,
    wrong_below_own,
)
from imgdiff.training.ohd_clip.recipe import LossSettings, OhdClipRecipe
from imgdiff.training.ohd_clip.scoring import scored

PLACES = {"closer": edited_above_others, "farther": edited_below_others}


def train(recipe: OhdClipRecipe, folder: TrainingFolder) -> None:
    """Train, and note the accuracy on held-back rows before and after, by family.

    Raises:
        RefusedError: the data or the model is not of the kind that this method trains.
        StoppedError: as `fitting.run_trainer`.
    """
    rows, held_back = load_rows(recipe)
    model, collator = load_tower(folder.checkpoint)
    trainer = OhdTrainer(
        model=model,
        args=fitting.arguments(
            recipe, folder, eval_strategy="steps", eval_steps=recipe.validation.every_steps
        ),
        train_dataset=rows,
        eval_dataset=held_back,
        data_collator=replace(collator, negatives=recipe.negatives_per_step),
        loss=recipe.loss,
        whole=collator,
    )
    before = measure_accuracy(model, collator, held_back)
    fitting.run_trainer(trainer, folder)
    # without the mixed precision of the training, as before it and as it will be used
    model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    after = measure_accuracy(model, collator, held_back)

    def write(target: Path) -> None:
        model.save_pretrained(target)
        collator.processor.save_pretrained(target)

    folder.save("model", write)
    if is_first():
        make_console().print(table(before, after))
    folder.finish(
        {
            f"ohd_{when}" + f"_{family}" * (family != ALL): estimate.value
            for family in after
            for when, estimate in (("before", before[family]), ("after", after[family]))
        }
    )


def load_tower(checkpoint: Checkpoint) -> tuple[PreTrainedModel, Collator]:
    """The model that is trained, and what makes its batches, with all negatives.

    Raises:
        RefusedError: it cannot be loaded, or has no image and text towers with a temperature.
    """
    hide_bars()
    with loading(checkpoint.name):
        # the Trainer moves it to the device of its process
        on_cpu = checkpoint.model_copy(update={"device": "cpu"})
        towers = family_of("clip", checkpoint).load(on_cpu)
    model = towers.model
    if not hasattr(model, "logit_scale"):
        kind = type(model).__name__
        raise RefusedError(f"{checkpoint.name} is a {kind}, which has no temperature to train with")
    if device_of(checkpoint).type == "cpu":
        model.set_attn_implementation("eager")  # fused attention takes twice as long backwards
    if hasattr(model, "logit_bias"):  # SigLIP's
        model.logit_bias.requires_grad_(False)  # moves all logits alike: no loss here depends on it
    return model, Collator(towers.processor, towers.reading, towers.length)


class OhdTrainer(Trainer):
    """transformers' Trainer with the losses of OHD-Caps, validated by its accuracy."""

    control: TrainerControl

    def __init__(self, *, loss: LossSettings, whole: Collator, **more: Any) -> None:
        """whole: makes the batches of the validation, with all negatives."""
        super().__init__(**more)
        self.settings, self.whole = loss, whole

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Any:
        result = scored(model, self.accelerator.unwrap_model(model).logit_scale, inputs)
        loss = weighted(result, self.settings)
        return (loss, result) if return_outputs else loss

    def evaluate(self, eval_dataset: Dataset | None = None, *_: Any, **__: Any) -> dict[str, float]:
        accuracy = measure_accuracy(self.model, self.whole, eval_dataset or self.eval_dataset)
        figures = {
            "eval_ohd" + f"_{family}" * (family != ALL): estimate.value
            for family, estimate in accuracy.items()
        }
        self.log(figures)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, figures
        )
        return figures


def weighted(result: Scored, settings: LossSettings) -> Tensor:
    """L0 + lambda 1 L1 + lambda 2 L2."""
    loss = contrastive(result)
    if settings.own_weight:
        loss = loss + settings.own_weight * wrong_below_own(result, settings.own_margin)
    if settings.edited_weight:
        placed = PLACES[settings.edited_captions](result, settings.edited_margin)
        loss = loss + settings.edited_weight * placed
    return loss


def table(before: Mapping[str, Estimate], after: Mapping[str, Estimate]) -> Table:
    """Accuracies by family, with their 95 % intervals."""
    result = Table("negatives", "before", "after", "rows", title="OHD accuracy, held back")
    for family in after:
        result.add_row(family, str(before[family]), str(after[family]), str(after[family].items))
    return result
