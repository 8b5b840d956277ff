"""Every recipe of this repository is rehearsed: those of full size with configs, small tokenizers
and templates of their models from a local Hub, which has no weights of them."""

import pytest
from hub_models import MODELS, Published
from named_models import ROOT

from imgdiff.cli import main
from imgdiff.errors import COMPLETE, REFUSED
from imgdiff.recipe.check import TrainsError, check

RECIPES = [
    path for path in sorted((ROOT / "recipes").rglob("*.yaml")) if path.parent.name != "train"
]
TRAININGS = sorted((ROOT / "recipes" / "train").glob("*.yaml"))
QUICK = ("ohd_negatives.yaml", "sdxl/efuf_data.yaml")
SIDE = 64  # pixels, at which a miniature of SDXL draws as it does at 1,024


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"))


def smaller(plan):
    """Overrides that make pictures small."""
    sized = [op.name for op in plan.operators if "side" in type(op.params).model_fields]
    drawing = [name for name in sized if name.startswith("sdxl_")]
    return [f"{name}.side={SIDE}" for name in drawing]


def recipes():
    for path in RECIPES:
        name = path.relative_to(ROOT / "recipes").as_posix()
        yield pytest.param(path, id=name, marks=[] if name in QUICK else [pytest.mark.slow])


@pytest.mark.parametrize("recipe", [*recipes()])
def test_every_step_of_a_recipe_works(recipe, model_hub, published, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    plan = check(recipe)
    for model in plan.models.values():
        if model.name in MODELS:
            published.publish(model_hub, model.name, with_weights=False)
    overrides = smaller(plan) if model_hub.repos else []
    code = main(["rehearse", str(recipe), *overrides])
    said = capsys.readouterr()
    assert code == COMPLETE, said.out + said.err
    assert said.out.endswith("every step works\n")
    assert " 0 failed" in said.out
    assert not any(path.endswith(".safetensors") for path in model_hub.asked)


@pytest.mark.parametrize("recipe", TRAININGS, ids=lambda path: path.stem)
def test_a_training_is_no_run_to_rehearse(recipe, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(TrainsError) as told:
        check(recipe)
    assert main(["rehearse", str(recipe)]) == REFUSED
    assert capsys.readouterr().err == f"{told.value}\n"
