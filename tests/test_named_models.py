"""Every model that a recipe or a page names is loaded as its role loads it, from a Hub that lists
its files and has miniatures of it; docs/models.md says which of the files are known for certain."""

import re
from importlib import metadata

import numpy as np
import pytest
import yaml
from diffusers import UNet2DConditionModel
from hub_models import BOT, MODELS, PARTS, Published
from named_models import RECIPES, ROOT, bindings, named
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from recordings_folder import origin, recorded, recorded_json
from safetensors.torch import load_file, save

from imgdiff.cli import main
from imgdiff.data.hub import SAFE
from imgdiff.errors import REFUSED
from imgdiff.models import Models
from imgdiff.models.revisions import at_commit
from imgdiff.models.roles import Question
from imgdiff.models.zoo import Checkpoint, bind

PAGE = ROOT / "docs" / "models.md"
SHAPES = ((480, 640), (640, 480))
PICTURES = [np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]


def segmented(model):
    if hasattr(model, "segment_named"):
        return [model.segment_named(each, ["a dog"], 0.0, 0.7) for each in PICTURES]
    return [model.segment(each, 2, 0.0, 0.0, 0.7) for each in PICTURES]


def described(model):
    """The region of a picture, and what differs between the two pictures of a pair."""
    profile, box = model.profile, (100.0, 120.0, 300.0, 400.0)
    regions = [profile.region_question(each, box) for each in PICTURES]
    pair = profile.pair_question([PICTURES[0]] * 2, box, "What differs?")
    answers = model.answer([*regions, pair, Question((PICTURES[0],), "Is there a dog?")], 2)
    return model.yes_probability(regions).shape == (2,) and len(answers) == 4


ASKED = {
    "diffusion": lambda model: model.pipeline.unet.config.cross_attention_dim > 0,
    "segmenter": lambda model: all(isinstance(each, list) for each in segmented(model)),
    "clip": lambda model: model.embed_images(PICTURES) @ model.embed_texts(["A dog"])[0] <= 1,
    "matcher": lambda model: np.abs(model.match(PICTURES, ["A dog"] * 2, itm=True)[0]) <= 1,
    "mllm": described,
    "llm": lambda model: len(model.answer(["Hello", "Edit it."], [0, 1], 2, 1.0)) == 2,
    "nsfw": lambda model: model.probability(PICTURES, ["nsfw"]) < 1,
}


def not_here(facts):
    """Packages that the model needs, and that are not installed."""
    return [name for name in facts.get("needs", []) if not is_installed(name)]


def is_installed(name):
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


# whose pictures are large, or are many pieces; or which consist of many parts
SLOW = (
    "stabilityai/",
    "facebook/",
    "syscv-community/",
    "OpenGVLab/",
    "llava-hf/llava-v1.6",
    "Qwen/Qwen3.5",
    "Qwen/Qwen3.8",
)
USING = {
    "clip": ["light_image_mapper", "image_pair_similarity_filter"],
    "segmenter": ["light_image_mapper", "image_segment_mapper"],
}


def of_the_hub():
    """Those that can be loaded here."""
    for name, facts in MODELS.items():
        if not not_here(facts):
            yield pytest.param(name, marks=[pytest.mark.slow] if name.startswith(SLOW) else [])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return Published(tmp_path_factory.mktemp("published"))


def bound_in_recipes():
    """Model -> its bindings."""
    found = {}
    for path in RECIPES:
        for fields in bindings(yaml.safe_load(path.read_text("utf-8"))):
            found.setdefault(fields.get("name"), []).append(fields)
    return found


def bindings_on_the_page():
    """Those of few-step models, as docs/models.md shows them."""
    shown = re.findall(r"```yaml\n(diffusion:.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    bound = [bind(yaml.safe_load(text))["diffusion"] for text in shown]
    return [each for each in bound if each.parts]


def test_every_model_that_is_named_is_on_the_hub_of_these_tests():
    assert named() == {*MODELS, *PARTS}


def test_recipes_bind_the_commits_that_have_the_files():
    for name, bound in bound_in_recipes().items():
        if name in MODELS:
            commits = {fields["revision"] for fields in bound if "revision" in fields}
            assert commits <= {MODELS[name].get("commit")}, name


@pytest.mark.parametrize("name", MODELS)
def test_the_facts_are_those_of_the_recorded_files(name):
    """A recorded file has each of them; it may have more."""
    first = next(iter(MODELS[name]["files"]))
    assert origin(name, first) == MODELS[name]["mark"]
    for path, facts in MODELS[name]["files"].items():
        if (recorded(name) / path).is_file():
            assert_has(recorded_json(name, path), facts, f"{name}/{path}", name)


def assert_has(found, facts, where, name):
    for key, fact in facts.items():
        assert key in found, f"{where}: {key}"
        if isinstance(fact, dict):
            assert_has(found[key], fact, f"{where}: {key}", name)
        elif key.endswith(("_token_id", "_token_index")) and isinstance(fact, str):
            numbers = token_numbers(name)
            assert numbers.get(fact) in (None, found[key]), f"{where}: {key}"
        else:
            assert found[key] == fact, f"{where}: {key}"


def token_numbers(name):
    listed = recorded_json(name, "tokenizer_config.json").get("added_tokens_decoder", {})
    return {each["content"]: int(number) for number, each in listed.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_listing_is_the_recorded_one(name, model_hub, published):
    listing = recorded_json(name, "listing.json")
    paths = {each["path"] for each in listing["files"]}
    facts = MODELS[name]
    weights = facts.get("weights", ["model"])
    if "shards" in facts:
        count = facts["shards"]
        weights = [f"model-{number:05}-of-{count:05}" for number in range(1, count + 1)]
    expected = {f"{path}.safetensors" for path in weights} | {
        *facts.get("others", []),
        *facts.get("beside", []),
    }
    if facts.get("half"):
        expected |= {f"{path}.fp16.safetensors" for path in weights}
    assert expected <= paths


@pytest.mark.parametrize("name", [*of_the_hub()])
def test_it_is_loaded_and_asked(name, model_hub, published):
    """By its name alone, as the Hub has it; with pictures that are not square."""
    facts = MODELS[name]
    published.publish(model_hub, name)
    checkpoint = at_commit(Checkpoint(name=name, device="cpu"))
    head = model_hub.repos[name].commits[-1][0]
    assert checkpoint.revision == facts.get("commit", head)
    loaded = getattr(Models({facts["role"]: checkpoint}), facts["role"])()
    assert np.all(ASKED[facts["role"]](loaded))
    taken = [path for path in model_hub.asked if path.startswith("GET") and SAFE in path]
    assert taken
    assert all(f"/resolve/{checkpoint.revision}/" in path for path in taken)
    assert not any(path.endswith(other) for path in taken for other in facts.get("others", []))


@pytest.mark.parametrize("name", [name for name in MODELS if not_here(MODELS[name])])
def test_what_it_needs_is_told_before_its_weights_are_read(
    name, model_hub, published, project, capsys
):
    published.publish(model_hub, name, with_weights=False)
    role = MODELS[name]["role"]
    project.write_recipe(process=["light_edit_mapper", *USING[role]], models={role: name})
    assert main(["check", "mine.yaml"]) == REFUSED
    said = capsys.readouterr().err
    assert all(f"{package} >= " in said for package in not_here(MODELS[name]))
    assert "not installed. Install it with pip." in said


@pytest.mark.parametrize("binding", bindings_on_the_page(), ids=lambda each: next(iter(each.parts)))
def test_parts_of_pipelines_are_loaded_as_the_page_binds_them(
    binding, model_hub, published, project
):
    published.publish(model_hub, binding.name)
    folder = published.miniature(binding.name)
    for kind, part in binding.parts.items():
        weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
        published.publish_part(
            model_hub, part.name, save(weights if kind == "unet" else lora_for(folder))
        )
    bound = at_commit(binding.model_copy(update={"device": "cpu"}))
    assert {part.revision for part in bound.parts.values()} == {
        model_hub.repos[part.name].commits[-1][0] for part in binding.parts.values()
    }
    pipeline = Models({"diffusion": bound}).diffusion().pipeline
    assert type(pipeline.scheduler).__name__ == binding.scheduler.name


def lora_for(folder):
    """LoRA weights of a pipeline's UNet, in the names that diffusers gives them."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False))
    layers = get_peft_model_state_dict(unet)
    return {f"unet.{name}": value.contiguous() for name, value in layers.items()}


def on_the_page():
    rows = []
    for name, facts in sorted({**MODELS, **PARTS}.items()):
        role = facts.get("role", "diffusion, in part")
        where = "safetensors"
        if "request" in facts:
            where = f"safetensors by {BOT}, commit `{facts['commit'][:7]}`"
        elif facts.get("gated"):
            where = "safetensors, given on request"
        rows.append(f"| `{name}` | {role} | {where} | {facts['mark']} |")
    return "\n".join(("| model | role | weights | known |", "| --- | --- | --- | --- |", *rows))


def test_the_page_says_how_each_is_known():
    table = on_the_page()
    assert table in PAGE.read_text("utf-8"), f"the table of docs/models.md should be:\n{table}"


def test_what_is_not_recorded_says_its_source():
    for name, facts in {**MODELS, **PARTS}.items():
        assert facts["mark"] in ("recorded", "reconstructed")
        assert (facts["mark"] == "recorded") != ("source" in facts), name
