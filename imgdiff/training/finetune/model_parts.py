"""The parts of a multimodal model, and which of them a finetuning changes."""

from typing import Any, Literal

from torch import nn

from imgdiff.training.finetune.recipe import FinetuneAdapter, FinetuneRecipe
from imgdiff.training.lora import layers_named

ModelPart = Literal["vision", "projector", "language"]


def weight_parts(model: Any) -> dict[str, ModelPart]:
    """Name of every parameter of an image-text-to-text model -> the part it belongs to.

    What lies between vision tower and language model is the projector; Qwen's, called merger,
    lies inside its tower.
    """
    vision = {id(weight) for weight in model.get_encoder(modality="image").parameters()}
    heads = (model.get_decoder(), model.get_output_embeddings())
    language = {id(weight) for head in heads for weight in head.parameters()}
    found: dict[str, ModelPart] = {}
    for name, weight in model.named_parameters():
        if id(weight) in language:
            found[name] = "language"
        else:
            tower = id(weight) in vision and "merger" not in name
            found[name] = "vision" if tower else "projector"
    return found


def make_trainable(model: Any, recipe: FinetuneRecipe) -> Any:
    """The model with what the recipe trains unfrozen, in float32, and adapters if it has them.

    Raises:
        RefusedError: no layer has a name that `adapter.target_modules` gives.
    """
    trained = {
        "language",
        *["projector"] * recipe.train_projector,
        *["vision"] * recipe.train_vision,
    }
    belongs = weight_parts(model)
    if recipe.adapter is not None:
        model = _adapted(model, recipe.adapter, belongs, trained)
    else:
        for name, weight in model.named_parameters():
            weight.requires_grad_(belongs[name] in trained)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()  # small steps would be lost in bfloat16
    return model


def _adapted(
    model: Any, adapter: FinetuneAdapter, belongs: dict[str, ModelPart], trained: set[str]
) -> Any:
    """With low-rank adapters in the linear layers of the language model, and of the tower if it is
    trained; the projector's layers are copied and trained whole."""
    from peft import LoraConfig, get_peft_model

    head = model.get_output_embeddings()
    targets, whole = [], []
    for name, module in model.named_modules():
        own = next(module.named_parameters(name, recurse=False), ("", None))[0]
        part = belongs.get(own, "language" if module is head else None)
        if part == "projector" and part in trained:
            whole.append(name)
        elif part in trained and isinstance(module, nn.Linear) and module is not head:
            targets.append(name)
    return get_peft_model(
        model,
        LoraConfig(
            r=adapter.rank,
            lora_alpha=adapter.alpha,
            lora_dropout=adapter.dropout,
            target_modules=layers_named(targets, adapter.target_modules),
            modules_to_save=whole or None,
        ),
    )
