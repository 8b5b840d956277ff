"""Training by EFUF: what is made up becomes less likely, what is shown stays likely."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, AutoProcessor, Trainer

from imgdiff.models.families.image_text_to_text import profile_of
from imgdiff.models.loading import dtype_of, hide_bars, loading, place, weights
from imgdiff.training.efuf import losses
from imgdiff.training.efuf.data import SETS, Triples, UnlearningSets, batches_of
from imgdiff.training.efuf.layers import train_only
from imgdiff.training.efuf.recipe import EfufRecipe
from imgdiff.training.fitting import arguments, run_trainer
from imgdiff.training.folder import TrainingFolder


def train(recipe: EfufRecipe, folder: TrainingFolder) -> None:
    """Unlearn as the recipe says; `model/` loads as any MLLM.

    Raises:
        RefusedError: the data or the model does not fit the recipe.
        StoppedError: as `fitting.run_trainer`.
    """
    checkpoint = folder.checkpoint
    hide_bars()
    with loading(checkpoint.name):
        processor = AutoProcessor.from_pretrained(**place(checkpoint))
    special = processor.tokenizer.all_special_tokens
    profile = profile_of(checkpoint, processor)
    sets = UnlearningSets(Path(recipe.data), recipe.unit, special, profile)
    with loading(checkpoint.name):
        model = AutoModelForImageTextToText.from_pretrained(**weights(checkpoint))
    opened = train_only(model, recipe.layers)
    # the triples hold all epochs, for each of them shall draw other positives
    settings = arguments(recipe, folder, num_train_epochs=1, label_names=["labels"])
    count = settings.max_steps * settings.train_batch_size * settings.gradient_accumulation_steps
    triples = Triples(
        sets,
        processor,
        recipe.seed,
        recipe.trainer.num_train_epochs,
        count * settings.world_size if count > 0 else None,
    )
    trainer = UnlearningTrainer(
        recipe,
        model=model,
        args=settings,
        train_dataset=triples,
        data_collator=batches_of(processor.tokenizer.pad_token_id),
    )
    run_trainer(trainer, folder)

    def write(new: Path) -> None:
        for parameter in opened:
            parameter.data = parameter.data.to(dtype_of(checkpoint))
        model.save_pretrained(new)
        processor.save_pretrained(new)

    folder.save("model", write)
    trained = sum(parameter.numel() for parameter in opened)
    steps = {"steps": trainer.state.global_step}
    folder.finish(steps | {"trained parameters": trained} | sets.sizes)


class UnlearningTrainer(Trainer):
    """L = w_pos L_pos + w_neg L_neg + w_sent L_sent, each term logged under its own name."""

    def __init__(self, recipe: EfufRecipe, **settings: Any) -> None:
        super().__init__(**settings)
        self.model_accepts_loss_kwargs = False  # the loss is a mean over samples, not over tokens
        self._recipe = recipe
        self._logged: list[Tensor] = []  # the terms of the steps since the last log, [3] each

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        labels, sets, scores = (inputs.pop(name) for name in ("labels", "sets", "scores"))
        outputs = model(**inputs, use_cache=False)
        tokens, wanted = losses.token_losses(outputs.logits, labels)
        unlearned = sets == SETS.index("negative")
        each = torch.where(
            unlearned,
            losses.ascent(tokens, wanted, self._recipe.floor),
            losses.finetuning(tokens, wanted),
        )
        self._logged.append(torch.stack([each[sets == k].mean() for k in range(3)]).detach())
        weighting = self._recipe.weighting
        if weighting is not None:
            each = each * losses.score_weights(scores, unlearned, weighting.score_sum)
        terms = torch.stack([each[sets == k].mean() for k in range(3)])
        loss = (terms * terms.new_tensor(self._term_weights())).sum()
        return (loss, outputs) if return_outputs else loss

    def _term_weights(self) -> list[float]:
        """Those of L_pos, L_neg and L_sent at this step."""
        recipe, weighting = self._recipe, self._recipe.weighting
        weights = [1.0, recipe.negative_weight, recipe.sentence_weight]
        if weighting is not None:
            progress = self.state.global_step / self.state.max_steps
            weights[0] *= losses.positive_share(progress, weighting.positive_end)
            weights[1] *= losses.negative_share(progress, weighting.negative_hold)
        return weights

    def log(self, logs: dict[str, float], *more: Any, **options: Any) -> None:
        if self._logged:
            means = torch.stack(self._logged).mean(0).tolist()
            logs |= dict(zip(SETS, means, strict=True))
            self._logged.clear()
        super().log(logs, *more, **options)
