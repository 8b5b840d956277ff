"""Which family takes a checkpoint: told by its config, before anything is loaded."""

import json

import pytest

from imgdiff.errors import RefusedError
from imgdiff.models.families import FAMILIES
from imgdiff.models.kinds import family_of, problem
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, ROLES, Checkpoint


@pytest.fixture
def save(tmp_path):
    """A folder with weights and a config of the given content, as a checkpoint."""

    def make(config, name="config.json", **settings):
        (tmp_path / "model.safetensors").write_bytes(b"weights")
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / name).write_text(text)
        return Checkpoint(name=str(tmp_path), **settings)

    return make


def test_every_role_has_a_family():
    assert {family.role for family in FAMILIES} == set(ROLES)
    named = [(family.role, family.name) for family in FAMILIES]
    assert len(named) == len(set(named))


def test_the_model_type_decides(save):
    assert family_of("clip", save({"model_type": "clip"})).name == "clip"


def test_a_pipeline_is_known_by_its_class(save):
    pipeline = save({"_class_name": "StableDiffusionXLPipeline"}, "model_index.json")
    assert family_of("diffusion", pipeline).name == "sdxl"


def test_the_recipe_and_the_checkpoint_itself_may_name_the_family(save):
    itself = save({"model_type": "new", "imgdiff_family": "clip"})
    assert family_of("clip", itself).name == "clip"
    assert family_of("clip", save({"model_type": "new"}, family="clip")).name == "clip"


def test_what_was_trained_on_from_the_embedded_mllm_is_asked_like_it(save):
    """Earlier trainings did not write its family into the config."""
    config = json.loads((EMBEDDED_WEIGHTS / "mllm" / "config.json").read_text())
    del config["imgdiff_family"]
    assert family_of("mllm", save(config)).name == "toyland"
    config["text_config"]["vocab_size"] = 32064
    assert family_of("mllm", save(config)).name == "llava"


@pytest.mark.parametrize(
    ("role", "config", "said"),
    [
        ("clip", {"model_type": "vit"}, "is of the kind vit, but clip takes clip"),
        ("clip", {}, "names no model_type in its config.json, but clip takes clip"),
        ("mllm", {"model_type": "clip"}, "is of the kind clip, but mllm takes llava, "),
        ("diffusion", {"model_type": "llama"}, "is of the kind llama, but diffusion takes Stable"),
        ("clip", {"imgdiff_family": "old"}, "no family 'old' for clip; there are: clip"),
        ("clip", "{", "cannot be read: "),
        ("clip", "[1]", "holds no JSON object"),
    ],
)
def test_the_wrong_kind_is_told(save, role, config, said):
    checkpoint = save(config)
    with pytest.raises(RefusedError) as refused:
        family_of(role, checkpoint)
    assert said in str(refused.value)
    assert problem(role, checkpoint) == str(refused.value)


def test_an_unknown_family_in_the_recipe(save):
    assert problem("clip", save({}, family="b")).startswith(
        "no family 'b' for clip; there are: clip"
    )
