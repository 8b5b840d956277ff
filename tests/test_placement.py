"""Which phases run at once, with how many workers, from what their models need and GPUs have."""

import pytest

from imgdiff.data.input import Input
from imgdiff.engine.description import describe
from imgdiff.engine.placement import Need, in_sentences, needs_of, placed
from imgdiff.engine.shards import tasks
from imgdiff.models.sizes import GIB, ModelSize
from imgdiff.operators.caption_pairs.caption_edit_mapper import CaptionEditMapper
from imgdiff.operators.difference_area.image_segment_mapper import ImageSegmentMapper
from imgdiff.operators.difference_area.region_difference_filter import RegionDifferenceFilter
from imgdiff.operators.image_pairs.sdxl_prompt2prompt_mapper import SdxlPrompt2PromptMapper
from imgdiff.operators.selection.object_pair_cap_selector import ObjectPairCapSelector
from imgdiff.recipe.check import check
from imgdiff.recipe.plan import Phase
from imgdiff.store.run_dir import store_at
from imgdiff.store.shard_files import ShardFiles


def need(name, weights, working=1.0):
    return Need(name, int(weights * GIB), working * GIB)


DRAW, FIND, SAY = need("draw", 6.5, 6), need("find", 4), need("say", 16.3, 2.5)


def placement(gib, gpus, *needs):
    """Phase -> (group, share of a GPU, workers)."""
    places = placed(needs, gib * GIB, gpus)
    return {each.phase: (each.group, each.pool.num_gpus, each.pool.workers[1]) for each in places}


def test_one_gpu_that_holds_one_phase_at_a_time():
    assert placement(24, 1, DRAW, FIND, SAY) == {
        "draw": (0, 0.71, 1),
        "find": (0, 0.28, 1),
        "say": (1, 1.0, 1),
    }


def test_a_large_gpu_holds_all_at_once():
    places = placement(80, 8, DRAW, FIND, SAY)
    assert {group for group, _, _ in places.values()} == {0}
    assert {workers for _, _, workers in places.values()} == {8}
    assert sum(share for _, share, _ in places.values()) <= 1


def test_a_phase_alone_has_as_many_workers_as_fit():
    assert placement(80, 2, SAY) == {"say": (0, 0.33, 6)}


def test_a_phase_that_is_too_large_still_gets_a_whole_gpu():
    assert placement(16, 2, SAY) == {"say": (0, 1.0, 2)}


def test_what_needs_no_gpu_takes_none():
    places = placement(24, 1, DRAW, need("count", 0, 0))
    assert places["count"] == (0, 0.0, 1)
    assert places["draw"] == (0, 1.0, 1)


def test_needs_are_all_weights_and_the_largest_work():
    sizes = {"segmenter": ModelSize(0, 0, 3 * GIB), "clip": ModelSize(0, 0, 2 * GIB)}
    operators = [cls(cls.Params()) for cls in (ImageSegmentMapper, RegionDifferenceFilter)]
    selector = ObjectPairCapSelector(ObjectPairCapSelector.Params())
    phases = [Phase("find", tuple(operators)), Phase("selection", (selector,))]
    assert needs_of(phases, sizes) == [
        Need("find", 5 * GIB, sizes["segmenter"].working("segmenter"))
    ]
    assert needs_of(phases, {}) == [Need("find", 0, 0.0)]


def test_a_model_of_which_only_the_tokenizer_is_loaded_needs_nothing():
    sizes = {"diffusion": ModelSize(0, 0, 7 * GIB), "llm": ModelSize(0, 0, 14 * GIB)}
    editor = CaptionEditMapper(CaptionEditMapper.Params(strategy="llm"))
    (need,) = needs_of([Phase("edit", (editor,))], sizes)
    assert need.weights == 14 * GIB
    drawer = SdxlPrompt2PromptMapper(SdxlPrompt2PromptMapper.Params())
    (need,) = needs_of([Phase("edit and draw", (editor, drawer))], sizes)
    assert need.weights == 21 * GIB


@pytest.mark.parametrize("gpus", [1, 2])
def test_in_sentences(gpus):
    needs = [DRAW, FIND, need("count", 0, 0)]
    lines = in_sentences(needs, placed(needs, 24 * GIB, gpus))
    workers = "1 worker with" if gpus == 1 else "2 workers with"
    assert lines[0] == (
        f"draw: 6.5 GiB of weights and about 6.0 GiB for work; {workers} 0.71 GPU each, at once "
        "with find"
    )
    assert lines[2] == "count: no GPU"


class TestOnRay:
    """The engine takes the plan where the recipe says nothing of phases."""

    @pytest.fixture
    def grouped(self, project, monkeypatch):
        ray_engine = pytest.importorskip("imgdiff.engine.ray")
        there = {"CPU": 8.0, "GPU": 2.0}
        monkeypatch.setattr(ray_engine.ray, "cluster_resources", lambda: there)
        size = ModelSize(16 * GIB, 0, 16 * GIB)
        monkeypatch.setattr(ray_engine, "size_of", lambda checkpoint: size)

        def group(gpu_bytes, **settings):
            process = [*project.settings["process"], "region_caption_mapper"]
            project.write_recipe(process=process, executor_type="ray", **settings)
            plan = check("mine.yaml")
            files = ShardFiles(store_at(project.run_path), describe(plan, Input(plan.dataset)))
            todo = tasks(plan, files)
            groups = ray_engine._grouped(plan, todo, gpu_bytes)
            return {
                task.phase.name: (number, pool.num_gpus, pool.workers[1])
                for number, some in enumerate(groups)
                for task, pool in some
            }

        return group

    def test_as_the_memory_of_the_gpus_allows(self, grouped):
        places = grouped([40 * GIB, 80 * GIB])
        assert places["difference_captions"] == (0, 1.0, 2)

    def test_as_the_recipe_says(self, grouped):
        places = grouped([40 * GIB], phases={"difference_captions": {"num_gpus": 0.5}})
        assert places["difference_captions"] == (0, 0.5, 1)

    def test_without_known_gpus_nothing_is_planned(self, grouped):
        assert grouped([])["difference_captions"] == (0, 0.0, 1)
