"""Supervised finetuning: next-token cross-entropy on the answers (as in Img-Diff)."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

from transformers import Trainer

from imgdiff.models.asking import AskingProfile
from imgdiff.models.families.image_text_to_text import model_and_processor, profile_of
from imgdiff.models.loading import dtype_of, hide_bars, loading
from imgdiff.training.answers import collate
from imgdiff.training.conversations import ShownExamples
from imgdiff.training.finetune.model_parts import make_trainable
from imgdiff.training.finetune.recipe import FinetuneRecipe
from imgdiff.training.fitting import arguments, run_trainer
from imgdiff.training.folder import TrainingFolder, is_first
from imgdiff.training.lora import merged
from imgdiff.training.mixing import Mixture

log = logging.getLogger("imgdiff.train")


def train(recipe: FinetuneRecipe, folder: TrainingFolder) -> None:
    """Train, and leave `model/` (adapters merged) and, with adapters, `adapter/`.

    Raises:
        RefusedError: the data or a name of a layer is not there.
        StoppedError: the training ended early; what is done is safe.
    """
    hide_bars()
    checkpoint = folder.checkpoint
    with loading(checkpoint.name):
        model, processor = model_and_processor(checkpoint)
    limit = recipe.max_length or model.config.get_text_config().max_position_embeddings
    profile = profile_of(checkpoint, processor)
    training, validation = _data(recipe, profile, processor, limit)
    model = make_trainable(model, recipe)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if is_first():
        log.info("%d examples, %d parameters trained", len(training), trained)
    more: dict[str, Any] = {"label_names": ["labels"]}
    more["ddp_find_unused_parameters"] = recipe.train_vision  # towers have layers past the one used
    if validation is not None:
        more |= {"eval_strategy": "steps", "eval_steps": recipe.trainer.save_steps}
        more["per_device_eval_batch_size"] = recipe.trainer.per_device_train_batch_size
    trainer = Trainer(
        model=model,
        args=arguments(recipe, folder, **more),
        train_dataset=training,
        eval_dataset=validation,
        data_collator=partial(collate, pad_token_id=processor.tokenizer.pad_token_id),
    )
    run_trainer(trainer, folder)
    figures = _figures(trainer, training, trained)
    if recipe.adapter is not None:
        folder.save("adapter", model.save_pretrained)
    whole = merged(model, dtype_of(checkpoint))

    def write(path: Path) -> None:
        whole.save_pretrained(path)
        processor.save_pretrained(path)

    folder.save("model", write)
    folder.finish(figures)


def _data(
    recipe: FinetuneRecipe, profile: AskingProfile, processor: Any, limit: int
) -> tuple[Mixture, Mixture | None]:
    """What is trained on, and what the runs hold back for validation."""
    shares = [source.share for source in recipe.data if source.share is not None]
    opened = [ShownExamples(source.training(), profile) for source in recipe.data]
    held = [
        ShownExamples(examples, profile)
        for source in recipe.data
        if (examples := source.validation()) is not None
    ]
    training = Mixture(opened, shares or None, recipe.seed, processor, limit)
    return training, Mixture(held, None, recipe.seed, processor, limit) if held else None


def _figures(trainer: Trainer, training: Mixture, trained: int) -> dict[str, Any]:
    """The last loss, that of validation if there is one, and what it was trained on."""
    if trainer.eval_dataset is not None:
        trainer.evaluate()
    history = trainer.state.log_history
    losses = {
        name: next(entry[name] for entry in reversed(history) if name in entry)
        for name in ("loss", "eval_loss")
        if any(name in entry for entry in history)
    }
    return {name: round(value, 4) for name, value in losses.items()} | {
        "steps": trainer.state.global_step,
        "examples": len(training),
        "dropped": training.dropped,
        "trained_parameters": trained,
    }
