"""imgdiff from Python: recipes run, runs read, operators called."""

import threading

import numpy as np
import pytest
from PIL import Image

import imgdiff
from imgdiff import operator
from imgdiff.data.images import load_rgb
from imgdiff.errors import RefusedError, StoppedError, TooManyFailedError
from imgdiff.operator import Mapper, register


def captions(project, *texts):
    project.write_captions([{"id": f"cap-{k}", "caption": text} for k, text in enumerate(texts)])


def test_a_recipe_is_run_and_run_again(project):
    first = imgdiff.run_recipe("mine.yaml", limit=2)
    assert first.report["rows"]["total"] == 2
    ids = [row.id for row in (*first.pairs, *first.dropped)]
    assert sorted(ids) == ["cap-0", "cap-1"]
    again = imgdiff.run_recipe("mine.yaml", {"light_length_filter.min_score": 0.0}, limit=30)
    assert len(again.pairs) + len(again.dropped) == 30
    assert [row.id for row in again.pairs] == again.dataset()["id"]
    assert again.pairs[-1].id == list(again.pairs)[-1].id
    assert [row.id for row in again.pairs[:2]] == [again.pairs[0].id, again.pairs[1].id]
    assert load_rgb(again.pairs[0]["image_a"]).shape[2] == 3
    assert imgdiff.Run("outputs/try").report == again.report


def test_a_run_goes_on_where_signals_cannot_be_taken(project):
    found = []
    work = threading.Thread(target=lambda: found.append(imgdiff.run_recipe("mine.yaml", limit=1)))
    work.start()
    work.join()
    assert found[0].report["rows"]["total"] == 1


def test_what_the_command_line_prints_is_raised(project):
    with pytest.raises(RefusedError, match=r"mine.yaml: 1 problem\n.*limt"):
        imgdiff.run_recipe("mine.yaml", limt=3)
    with pytest.raises(RefusedError, match="no run folder"):
        len(imgdiff.Run("nowhere").pairs)
    captions(project, "bad", "a red ball")
    with pytest.raises(TooManyFailedError, match="1 rows failed"):
        imgdiff.run_recipe("mine.yaml")
    assert next(row.reason for row in imgdiff.Run("outputs/try").dropped).endswith("caption_bad")


def test_a_run_that_cannot_go_on_is_raised(project, monkeypatch):
    monkeypatch.setattr("imgdiff.store.folder_store.FolderStore.free_bytes", lambda _: 0.0)
    with pytest.raises(StoppedError, match="no space left"):
        imgdiff.run_recipe("mine.yaml")


def test_settings_of_every_kind_are_handed_over(project):
    texts = 'it\'s 5: a #1 "ball"\nö'
    run = imgdiff.run_recipe(
        "mine.yaml", {"light_edit_mapper.suffix": texts}, limit=1, shard_rows=1, seed=7
    )
    (row,) = [*run.pairs, *run.dropped]
    assert row["caption_b"] == row["caption_a"] + texts
    tiny = imgdiff.run_recipe("mine.yaml", {"light_length_filter.min_score": 1e-05}, limit=1)
    assert len(tiny.pairs) == 1


def test_rows_and_samples_show_themselves(project):
    captions(project, "a <b>red</b> ball")
    run = imgdiff.run_recipe("mine.yaml", {"light_length_filter.min_score": 0.0})
    shown = run.pairs._repr_html_()
    assert shown.count("<img") == 2
    assert shown.count("<rect") == 2 * len(run.pairs[0].kept_regions) > 0
    assert "&lt;b&gt;red" in shown
    assert "<b>red" not in shown
    assert "1 ok" in run._repr_html_()
    assert run.dropped._repr_html_() == "<div>none</div>"


@pytest.mark.usefixtures("light")
class TestOperator:
    def test_it_is_called_on_mappings_and_on_rows(self):
        edit = imgdiff.load_operator("light_edit_mapper", suffix="?")
        given = [{"caption_a": "a cat"}, {"id": "x", "caption_a": "bad"}]
        one, two = edit(given)
        assert (one.id, one["caption_b"]) == ("0", "a cat?")
        assert two.reason == "light_edit_mapper: caption_bad"
        assert given[0] == {"caption_a": "a cat"}
        (again,) = edit([one])
        assert again is not one
        assert again["caption_b"] == "a cat?"

    def test_pictures_are_taken_as_people_have_them(self, tmp_path, monkeypatch):
        monkeypatch.setattr(operator, "_REGISTRY", dict(operator.registry()))

        @register("peek_mapper")
        class PeekMapper(Mapper):
            """Write the colour of image A."""

            writes = ("caption_b",)

            def process(self, rows):
                for row in rows:
                    row["caption_b"] = str(load_rgb(row["image_a"])[0, 0].tolist())

        array = np.full((4, 6, 3), 9, np.uint8)
        path = tmp_path / "a.png"
        Image.fromarray(array).save(path)
        pictures = [array, Image.fromarray(array), path, str(path), path.read_bytes()]
        peek = imgdiff.load_operator("peek_mapper")
        made = peek({"image_a": picture} for picture in pictures)
        assert [row.values.get("caption_b") for row in made] == ["[9, 9, 9]"] * 5

    def test_a_composite_takes_the_settings_of_its_steps(self, light):
        areas = imgdiff.load_operator("light_areas", light_area_filter={"min_score": 1.0})
        images = imgdiff.load_operator("light_image_mapper")
        (row,) = areas(images([{"caption_a": "a", "caption_b": "b"}]))
        assert row.status == "rejected"

    def test_a_selector_begins_with_nothing_kept(self):
        keep = imgdiff.load_operator("object_pair_cap_selector", max_count=1)
        rows = [{"caption_a": "a cat", "caption_b": "a dog"}] * 2
        for _ in range(2):
            assert [row.ok for row in keep(rows)] == [True, False]

    def test_it_is_refused_in_a_line_a_problem(self):
        with pytest.raises(RefusedError, match="Did you mean light_edit_mapper"):
            imgdiff.load_operator("light_edit_maper")
        with pytest.raises(RefusedError) as refusal:
            imgdiff.load_operator("caption_edit_mapper", strategyy=1, models={"clap": "x"})
        first, second = str(refusal.value).splitlines()
        assert first.startswith("caption_edit_mapper.strategyy: unknown setting")
        assert second.startswith("models: no role 'clap'")
        with pytest.raises(RefusedError, match="needs the model mllm"):
            imgdiff.load_operator("region_caption_mapper", models={})
