"""transformers' Trainer as every method uses it: resumed, watched, stopped, with a curve."""

import logging
import math
import os
from pathlib import Path
from typing import Any

import torch
from rich import progress as bars
from transformers import (
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError, StoppedError
from imgdiff.models.loading import device_of
from imgdiff.training.curve import losses_of, save_curve
from imgdiff.training.folder import TrainingFolder, is_first
from imgdiff.training.recipe import TrainingRecipe

log = logging.getLogger("imgdiff.train")


def arguments(recipe: TrainingRecipe, folder: TrainingFolder, **more: Any) -> TrainingArguments:
    """The recipe's settings for the Trainer; `more` are a method's own.

    Columns are never dropped by name, nothing is reported to a service, and a loss that is not a
    number is shown as such.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    named = recipe.trainer.model_dump()
    named["activation_checkpointing"] = named.pop("gradient_checkpointing")  # its new name there
    settings = named | {
        "output_dir": str(folder.checkpoints),
        "seed": recipe.seed,
        "report_to": "none",
        "remove_unused_columns": False,
        "logging_nan_inf_filter": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "log_level": "error",
        "use_cpu": device_of(folder.checkpoint).type == "cpu",
    }
    return TrainingArguments(**settings | more)


def run_trainer(trainer: Trainer, folder: TrainingFolder) -> None:
    """Train to the end, from the last checkpoint if there is one.

    Raises:
        RefusedError: one process sees several GPUs, among which the Trainer would split batches.
        StoppedError: a person stopped it, the loss is not a number, or the GPU is too small; the
            last checkpoint stays.
    """
    if trainer.args.n_gpu > 1:
        text = "several GPUs take one process each"
        raise RefusedError(f"{text}: accelerate launch -m imgdiff train ..., or choose one GPU")
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    trainer.add_callback(_Watch(folder))
    last = last_checkpoint(folder.checkpoints)
    if last is not None:
        log.info("resuming from %s", last)
        _load_weights(trainer.model, last)
    try:
        trainer.train(resume_from_checkpoint=last)
    except torch.OutOfMemoryError as error:
        way_out = "Lower trainer.per_device_train_batch_size, and raise gradient_accumulation_steps"
        raise StoppedError(f"the GPU has too little memory. {way_out} by as much.") from error
    if folder.stop.is_set() and trainer.state.global_step < trainer.state.max_steps:
        step = trainer.state.global_step
        raise StoppedError(f"after step {step}. The same command goes on from there.")


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint; None if there is none. The Trainer writes its state last: a
    checkpoint without it is what a killed process left behind."""
    whole = [path.parent for path in folder.glob(f"{PREFIX_CHECKPOINT_DIR}-*/{TRAINER_STATE_NAME}")]
    return str(max(whole, key=lambda path: int(path.name.split("-")[-1]))) if whole else None


def _load_weights(model: Any, checkpoint: str) -> None:
    """Load a checkpoint's weights as `from_pretrained` does.

    Weights of many models are saved under other names than the model's own. The Trainer loads them
    by the model's names, passes over those that it does not find, and goes on from the first
    weights.
    """
    if isinstance(model, PreTrainedModel):  # adapters are loaded by peft
        saved = type(model).from_pretrained(checkpoint, config=model.config, dtype=model.dtype)
        model.load_state_dict(saved.state_dict(), strict=False)  # what a method put beside them


class _Watch(TrainerCallback):
    """Shows steps and losses, keeps the curve up to date, and stops where it has to."""

    def __init__(self, folder: TrainingFolder) -> None:
        self._folder = folder
        console = make_console()
        self._bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.MofNCompleteColumn(),
            bars.TextColumn("{task.fields[losses]}"),
            bars.TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal and is_first()),
        )
        self._task = self._bar.add_task("steps", losses="")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._bar.start()
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._bar.update(self._task, completed=state.global_step)
        if self._folder.stop.is_set():
            control.should_save = control.should_training_stop = True

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        losses = losses_of(state.log_history[-1])
        if losses and is_first():
            text = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
            self._bar.update(self._task, losses=text)
            log.info("step %d/%d: %s", state.global_step, state.max_steps, text)
        for name, value in losses.items():
            if not math.isfinite(value):
                way_out = "Lower trainer.learning_rate, or train in bf16 rather than fp16"
                self._bar.stop()
                raise StoppedError(f"{name} is {value} at step {state.global_step}. {way_out}.")

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if is_first():
            save_curve(state.log_history, self._folder.path, self._folder.project_name)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._bar.stop()
        if is_first():
            save_curve(state.log_history, self._folder.path, self._folder.project_name)
