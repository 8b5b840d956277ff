"""The page on models says what the families of the roles clip and matcher are."""

import pytest
import torch
from hub_models import MODELS
from named_models import ROOT
from transformers import AutoConfig

from imgdiff.models.families import TELL_PROBABILITY, families_of

PAGE = ROOT / "docs" / "models.md"
FAMILIES = (
    "| role | family | `model_type` | its scores are | tells how likely a text fits (`min_itm`) |",
    "| --- | --- | --- | --- | --- |",
)
SIZES = (
    "| model | role | billion parameters | GiB in 16 bits | a picture of 640 x 480 becomes | "
    "tokens of a text |",
    "| --- | --- | ---: | ---: | --- | ---: |",
)


def family_rows():
    for role in ("clip", "matcher"):
        for family in families_of(role):
            probable = "yes" if TELL_PROBABILITY in family.can else ""
            kinds = ", ".join(family.kinds)
            yield f"| {role} | `{family.name}` | {kinds} | {family.scale} | {probable} |"


def size_row(name):
    facts = MODELS[name]
    files = facts["files"]
    billions = parameters(files["config.json"]) / 1e9
    pictures = files["preprocessor_config.json"]
    side = pictures["size"] if isinstance(pictures["size"], int) else pictures["size"]["height"]
    how = "the centre square" if pictures.get("do_center_crop") else "stretched"
    text = config_of(files["config.json"])
    part = getattr(text, "qformer_config", None) or text.text_config
    cells = [f"`{name}`", facts["role"], f"{billions:.2f}", f"{billions * 2e9 / 2**30:.1f}"]
    cells += [f"{how}, {side} x {side}", str(part.max_position_embeddings)]
    return f"| {' | '.join(cells)} |"


def config_of(facts):
    """Without the numbers of tokens, which its tokenizer knows."""
    sizes = {key: fact for key, fact in facts.items() if not key.endswith("_token_index")}
    return AutoConfig.for_model(**sizes)


def parameters(facts):
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, facts["architectures"][0])(config_of(facts))
    return sum(weight.numel() for weight in model.parameters())


def test_what_the_families_are():
    table = "\n".join((*FAMILIES, *family_rows()))
    assert table in PAGE.read_text("utf-8"), f"the table of docs/models.md should be:\n{table}"


@pytest.mark.slow
def test_how_large_the_models_are():
    """Counted from their configs, without weights."""
    names = [name for name, facts in MODELS.items() if facts["role"] in ("clip", "matcher")]
    table = "\n".join((*SIZES, *map(size_row, names)))
    assert table in PAGE.read_text("utf-8"), f"the table of docs/models.md should be:\n{table}"
