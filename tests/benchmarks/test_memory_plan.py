"""The page about the full-size recipes says what the arithmetic says, and so do the recipes."""

import re
from pathlib import Path

import pytest
import torch
from memory_plan import with_tables
from memory_plan_parts.counting import FusedAttention, count, work_of
from memory_plan_parts.facts import GIB, KIB, Language, Model, Work, models
from memory_plan_parts.phases import RECIPES, download_gb, loads, smallest_card
from recordings_folder import recorded

from imgdiff.engine.placement import needs_of, placed
from imgdiff.models.sizes import ModelSize
from imgdiff.recipe.check import check

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "full-size.md"
MOST = 22  # GiB that a card of 24 GB leaves to a process


def test_the_page_has_the_tables_of_today():
    page = PAGE.read_text()
    assert len(re.findall("<!-- end -->", page)) == 6
    told = "write it again: python benchmarks/memory_plan.py --write docs/full-size.md"
    assert with_tables(page) == page, told


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_the_head_of_a_recipe_says_what_it_needs(recipe):
    head = (RECIPES / f"{recipe}.yaml").read_text().partition("project_name")[0]
    (said,) = re.findall(r"Needs one GPU of (\d+) GB and (\d+) GB of models", head)
    assert said == (str(smallest_card(recipe)), f"{download_gb(recipe):.0f}")
    bound = {model.name for model in check(RECIPES / f"{recipe}.yaml").models.values()}
    turbo = "stabilityai/sdxl-turbo" in bound
    assert ("NOT FOR COMMERCIAL USE" in head) == turbo
    assert ("improve other language models" in head) == any("llava" in name for name in bound)


@pytest.mark.parametrize("recipe", ["recommended", "replace", "attribute", "add", "replace_turbo"])
def test_every_phase_fits_a_card_of_24_gb(recipe):
    phases = loads(recipe)
    assert [load.phase for load in phases] == [
        "caption_pairs",
        "image_pairs",
        "difference_area",
        "difference_captions",
    ]
    assert all(load.least_gib <= MOST for load in phases)
    assert set(phases[0].loaded) == {"llm"}  # of the diffusion model its tokenizer alone


@pytest.mark.parametrize(("gb", "groups"), [(24, [0, 1, 1, 2]), (80, [0, 0, 0, 0])])
def test_eight_cards_share_the_phases_as_the_page_says(gb, groups):
    plan = check(RECIPES / "replace.yaml")
    sizes = {
        role: ModelSize(0, 0, int(models()[model.name].gib(model.dtype) * GIB))
        for role, model in plan.models.items()
    }
    places = placed(needs_of(plan.phases[:4], sizes), gb * GIB, 8)
    assert [place.group for place in places] == groups
    assert {place.pool.workers[1] for place in places} == {8}


def test_keys_and_values_by_hand():
    """Eighty questions to LLaVA-1.6-13B, of 3,050 tokens each."""
    language = models()["llava-hf/llava-v1.6-vicuna-13b-hf"].language
    assert language.kv_bytes == 2 * 40 * 40 * 128 * 2 == 800 * KIB
    assert 80 * 3050 * language.kv_bytes / GIB == pytest.approx(186, abs=0.5)


def test_weights_by_hand():
    model = Model("a/b", parameters=1.0, file_bytes=4)
    assert model.files_gb == 4
    assert model.gib("float16") == pytest.approx(1.863, abs=1e-3)
    assert model.gib("float32") == 2 * model.gib("float16")


class TestCounting:
    """Without numbers, on torch's meta device."""

    def test_what_is_alive_at_one_time_counts(self):
        with torch.device("meta"):
            layers = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(4)))
        given = torch.empty(256, 1024, device="meta")  # one MiB
        work = work_of(layers, lambda: layers(given))
        assert work.gib * KIB == pytest.approx(2)  # what a layer reads, and what it writes
        assert work.tflop * 1e12 == 4 * 2 * 256 * 1024 * 1024

    def test_attention_has_no_map(self):
        model = torch.nn.Identity()
        given = torch.empty(1, 2, 1024, 64, device="meta")

        def attend():
            torch.nn.functional.scaled_dot_product_attention(given, given, value=given)

        work = work_of(model, attend)
        assert work.gib * GIB == given.nbytes
        assert work.tflop * 1e12 == 2 * 2 * 2 * 1024 * 1024 * 64
        assert FusedAttention.flop == 0  # each count begins anew


@pytest.mark.slow
@pytest.mark.parametrize("name", models())
def test_the_facts_are_those_of_the_recorded_configs(name):
    counted, known = count(recorded(name)), models()[name]
    assert counted.pop("parameters") == pytest.approx(known.parameters, rel=0.04)
    for fact, value in counted.items():
        if isinstance(value, Language):
            assert getattr(known, fact) == value
        else:
            assert isinstance(value, Work)
            assert getattr(known, fact).gib == pytest.approx(value.gib, rel=0.03)
            assert getattr(known, fact).tflop == pytest.approx(value.tflop, rel=0.03)
