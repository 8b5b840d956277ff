"""While a phase works, no model is in memory but those that it uses; what it shares with the phase
before is not loaded again."""

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from imgdiff import run
from imgdiff.engine.shards import Worker
from imgdiff.models import Models
from imgdiff.models.asking import AskingProfile
from imgdiff.recipe.check import check

ROOT = Path(__file__).parents[1]
PHASES = [
    {"light_edit_mapper": {"suffix": "and a cup"}},
    "light_image_mapper",
    {"image_pair_similarity_filter": {"max_score": 1.0}},
    "light_area_mapper",
    {"region_text_matching_filter": {"min_itc": 0.0}},
    {"region_difference_filter": {"max_similarity": 1.0, "max_area": 1.0, "nms_iou": 1.0}},
    "region_caption_mapper",
    {"region_caption_matching_filter": {"min_itc": 0.0}},
    {"region_caption_similarity_filter": {"max_similarity": 1.0}},
    {"light_repeat_selector": {"most": 3}},
]


class Loads:
    """What a run has loaded, by weak references; `held`: what was alive as a phase began to work
    that it does not use."""

    def __init__(self, monkeypatch):
        self.made, self.held = [], set()
        self.get, self.set_up = Models._get, Worker._set_up
        monkeypatch.setattr(Models, "_get", lambda *given: self.load(*given))
        monkeypatch.setattr(Worker, "_set_up", lambda worker: self.begin(worker))

    def load(self, models, role):
        made = self.get(models, role)
        if id(made) not in {id(part()) for _, part in self.made}:
            self.made += [(role, weakref.ref(part)) for part in parts(made)]
        return made

    def begin(self, worker):
        self.set_up(worker)
        self.held |= {role for role in self.alive() if role not in worker.task.phase.roles}

    def alive(self):
        return [role for role, part in self.made if part() is not None]

    @property
    def roles(self):
        return [role for role, _ in self.made]


def parts(model):
    """A model, and the networks and weights that are in it."""
    pipeline = getattr(model, "pipeline", None)
    inner = [*vars(model).values(), *(pipeline.components.values() if pipeline else ())]
    networks = [each for each in inner if isinstance(each, torch.nn.Module)]
    return [model, *networks, *(weight for each in networks for weight in each.parameters())]


class FakeClip:
    def embed_images(self, pictures):
        return np.ones((len(pictures), 1), np.float32)

    embed_texts = embed_images


class FakeMatcher:
    def match(self, pictures, texts, itm=False):
        return np.ones(len(texts), np.float32), None


class FakeMllm:
    profile = AskingProfile()

    def answer(self, questions, max_new_tokens):
        return [f"thing {n}" for n, _ in enumerate(questions)]


@pytest.fixture
def fakes(monkeypatch):
    for name, fake in (
        ("clip.ClipTowers", FakeClip),
        ("blip.Blip", FakeMatcher),
        ("image_text_to_text.ImageTextToText", FakeMllm),
    ):
        monkeypatch.setattr(
            f"imgdiff.models.families.{name}.load", lambda *asked, fake=fake: fake()
        )


def test_no_model_outlives_its_phase(project, fakes, monkeypatch):
    loads = Loads(monkeypatch)
    project.write_recipe(process=PHASES, limit=8, shard_rows=4)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert loads.roles == ["clip", "matcher", "clip", "mllm"]  # light_areas has none
    assert loads.held == set()
    assert loads.alive() == []


def test_the_operators_of_a_plan_are_never_set_up(project, fakes, monkeypatch):
    plans = []
    monkeypatch.setattr(run, "check", lambda *given: plans.append(check(*given)) or plans[-1])
    project.write_recipe(process=PHASES, limit=8, shard_rows=4)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    for operator in plans[0].operators:
        made = vars(type(operator)(operator.params)).keys()
        assert (
            vars(operator).keys() - {"roles"} == made
        )  # which depend on the models that are bound


@pytest.mark.slow
def test_no_weight_of_the_embedded_models_outlives_its_phase(tmp_path, monkeypatch):
    loads = Loads(monkeypatch)
    settings = f"export_path={tmp_path / 'run'}", "limit=4", "shard_rows=4"
    assert run.main([str(ROOT / "recipes" / "replace.yaml"), *settings]) == run.COMPLETE
    assert set(loads.roles) >= {"diffusion", "clip", "segmenter", "matcher", "mllm"}
    assert len(loads.made) > 500  # weights, too
    assert loads.held == set()
    assert loads.alive() == []


SCATTERING = """
import resource
from pathlib import Path

from imgdiff.operator import Mapper, register

KEPT, SEEN = [], []


def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@register("scattering_mapper")
class ScatteringMapper(Mapper):
    stage = "scattering"
    reads = ("caption_a",)

    def process(self, rows):
        if not KEPT:
            SEEN.append(megabytes())
            blocks = [b"x" * 100_000 for _ in range(3000)]  # too small to be mapped alone
            KEPT.extend(blocks[::100])
            SEEN.append(megabytes())


@register("looking_mapper")
class LookingMapper(Mapper):
    stage = "looking"
    reads = ("caption_a",)

    def process(self, rows):
        SEEN.append(megabytes())
        Path("seen.txt").write_text(" ".join(map(str, SEEN)))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as Linux says it")
def test_what_a_phase_has_freed_does_not_stay_in_the_heap(project):
    """Small things of a phase that live on lie between what was freed, and pin it."""
    Path("own.py").write_text(SCATTERING)
    operators = [*project.settings["operators"], "own.py"]
    process = ["scattering_mapper", "looking_mapper"]
    project.write_recipe(operators=operators, process=process, shard_rows=100)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    before, full, after, *_ = map(float, Path("seen.txt").read_text().split())
    assert full - before > 250
    assert after - before < 100
