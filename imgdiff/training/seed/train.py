"""Training by SEED: identify, isolate, purge, evolve (arXiv 2507.04680; equations ours)."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from imgdiff.models.families.image_text_to_text import (
    ImageTextToText,
    model_and_processor,
    profile_of,
)
from imgdiff.models.loading import dtype_of, hide_bars, loading
from imgdiff.store.files import read_json, to_json
from imgdiff.training.answers import collate
from imgdiff.training.conversations import ShownExamples
from imgdiff.training.fitting import arguments, run_trainer
from imgdiff.training.folder import TrainingFolder
from imgdiff.training.lora import merged
from imgdiff.training.mixing import Mixture
from imgdiff.training.seed.adapter import attach
from imgdiff.training.seed.data import (
    Questions,
    SourcePart,
    as_batch,
    description_questions,
    held_back,
)
from imgdiff.training.seed.guards import AnswerWatch, Behaviour, GuardCallback
from imgdiff.training.seed.recipe import SeedRecipe
from imgdiff.training.seed.trainer import DistillationTrainer

log = logging.getLogger("imgdiff.train")
FIGURES = "figures.json"  # of a round, beside its adapter


def train(recipe: SeedRecipe, folder: TrainingFolder) -> None:
    """Distil as the recipe says; leaves `adapter/` (of the only round; else in `round-K/`) and
    `model/`, in which the adapter is added to the weights.

    Raises:
        RefusedError: the data or a name of a layer is not there.
        StoppedError: the training ended early; what is done is safe.
    """
    hide_bars()
    checkpoint = folder.checkpoint
    with loading(checkpoint.name):
        model, processor = model_and_processor(checkpoint)
    model.to(arguments(recipe, folder).device)
    profile = profile_of(checkpoint, processor)
    opened = [ShownExamples(source.training(), profile) for source in recipe.data]
    parts, questions = held_back(opened, recipe.guards.examples, recipe.seed)
    asked = [*questions, *description_questions(questions, recipe.guards.description)]
    teacher = ImageTextToText(model, processor, profile)
    watch = AnswerWatch(recipe.guards, asked, teacher) if asked else None
    for number in range(1, recipe.rounds + 1):
        own = folder
        if recipe.rounds > 1:
            own = replace(folder, path=folder.path / f"round-{number}")
            own.path.mkdir(exist_ok=True)
            log.info("round %d of %d", number, recipe.rounds)
        done = own.path / "adapter"
        if done.is_dir():
            model, figures = _adapted(model, done), read_json(done / FIGURES) or {}
        else:
            model = attach(model, recipe.adapter)
            begun = watch.before if watch is not None and number == 1 else None
            student = ImageTextToText(model, processor, profile)
            figures = _distil(recipe, own, student, parts, watch, begun)
            own.save("adapter", partial(_write_adapter, model, figures))
        # the student is the next round's teacher; what it learned was trained in float32
        model = merged(model, dtype_of(checkpoint))
        if figures.get("stopped_by"):
            break

    def write(path: Path) -> None:
        model.save_pretrained(path)
        processor.save_pretrained(path)

    folder.save("model", write)
    folder.finish(figures)


def _adapted(model: Any, folder: Path) -> Any:
    """The model with an adapter that was written."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder)


def _write_adapter(model: Any, figures: dict[str, Any], folder: Path) -> None:
    model.save_pretrained(folder)
    (folder / FIGURES).write_bytes(to_json(figures))


def _distil(
    recipe: SeedRecipe,
    folder: TrainingFolder,
    student: ImageTextToText,
    parts: list[SourcePart],
    watch: AnswerWatch | None,
    begun: Behaviour | None,
) -> dict[str, Any]:
    """Train the student's adapter for one round; gives the figures of its end. begun: as for
    `GuardCallback`."""
    model, processor = student.model, student.processor
    limit = recipe.max_length or model.config.get_text_config().max_position_embeddings
    shares = [source.share for source in recipe.data if source.share is not None]
    mixed = parts, shares or None, recipe.seed, processor
    data: Dataset[Any]
    if recipe.responses == "student":
        data, batched = Questions(*mixed, limit - recipe.max_new_tokens), as_batch
    else:
        data = Mixture(*mixed, limit)
        batched = partial(collate, pad_token_id=processor.tokenizer.pad_token_id)
    trainer = DistillationTrainer(
        recipe,
        student,
        limit,
        model=model,
        args=arguments(recipe, folder, label_names=["labels"]),
        train_dataset=data,
        data_collator=batched,
    )
    guard = None
    if watch is not None:
        trainer.add_callback(guard := GuardCallback(watch, trainer, begun))
    run_trainer(trainer, folder)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    figures = {"steps": trainer.state.global_step, "trained_parameters": trained}
    if watch is not None and guard is not None:
        now = guard.behaviour
        figures |= {"words_before": watch.before.words, "words": now.words}
        figures |= {"yes_rate_before": watch.before.yes_rate, "yes_rate": now.yes_rate}
        figures |= {"kept_step": guard.kept_step, "stopped_by": guard.breach or None}
    return figures
