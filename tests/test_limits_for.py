"""Limits that were set for another model than the bound one: told by the check and where a run
begins, by whole runs on miniatures."""

from pathlib import Path

import pytest
from hub_server import Repo
from miniatures import save_blip, save_clip, save_siglip

from imgdiff import cli, run
from imgdiff.models.families import families_of
from imgdiff.models.zoo import NAMED_SETS
from imgdiff.operator import registry
from imgdiff.recipe.scales import PAPER, settings_of

SIMILARITY, NOUNS = "image_pair_similarity_filter", "region_text_matching_filter"
DIFFERENCE = "region_difference_filter"
PROCESS = [
    {"light_edit_mapper": {"suffix": "and a cup"}},
    "light_image_mapper",
    {SIMILARITY: {"min_score": -0.9}},
    "light_area_mapper",
    {NOUNS: {"min_itc": -0.5, "min_itm": None}},
    {DIFFERENCE: {"max_similarity": 1.0, "min_area": 0.0, "nms_iou": 1.0}},
]
OWN = "Set them for this model (imgdiff calibrate) and say limits_for"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    savers = {"clip": save_clip, "siglip": save_siglip, "blip": save_blip}
    made = {kind: tmp_path_factory.mktemp(kind) for kind in savers}
    for kind, save in savers.items():
        save(made[kind])
    return made


@pytest.fixture
def told(project, folders, capsys):
    """What the check says beside that a recipe of these models is fine, with paths as <kind>."""

    def check(*overrides, **settings):
        models = {"clip": str(folders["clip"]), "matcher": str(folders["blip"])}
        project.write_recipe(**({"process": PROCESS, "models": models, "limit": 4} | settings))
        given = [text.format(**folders) for text in overrides]
        assert cli.main(["check", "mine.yaml", *given]) == run.COMPLETE
        first, *lines = capsys.readouterr().out.splitlines()
        assert first == "mine.yaml: fine, 6 operators"
        for kind, folder in folders.items():
            lines = [line.replace(str(folder), f"<{kind}>").strip() for line in lines]
        return lines

    return check


def line_of(text):
    lines = Path("mine.yaml").read_text().splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


def test_another_family_than_the_papers(told):
    (line,) = told("models.clip={siglip}")
    assert line == (
        f"command line, models.clip: <siglip>, but these limits were set for clip: "
        f"{SIMILARITY}.min_score (line {line_of('min_score')}), {SIMILARITY}.max_score (default). "
        f"{OWN}: {{clip: siglip}}"
    )


def test_a_recipe_may_bind_it_itself(told, folders):
    models = {"clip": str(folders["clip"]), "matcher": str(folders["clip"])}
    (line,) = told(models=models)
    assert line == (
        f"line {line_of('matcher:')}, models.matcher: <clip>, but these limits were set for blip: "
        f"{NOUNS}.min_itc (line {line_of('min_itc')}). {OWN}: {{matcher: clip}}"
    )
    assert told(models=models, limits_for={"matcher": "clip"}) == []


def test_the_embedded_models_are_their_own_scale(told):
    """Though they are a CLIP and a BLIP by their classes."""
    assert told(models="embedded") == []
    clip, matcher = told("models.clip={clip}", "models.matcher={blip}", models="embedded")
    assert "models.clip: <clip>, but these limits were set for embedded: " in clip
    assert "models.matcher: <blip>, but these limits were set for embedded: " in matcher
    (back, _) = told("models=embedded")
    assert "but these limits were set for clip: " in back


def test_a_recipe_may_say_for_which_model(told, folders):
    named = {"clip": str(folders["siglip"])}
    assert told("models.clip={siglip}", limits_for=named) == []
    assert told("models.clip={siglip}", limits_for={"clip": "siglip"}) == []
    (line,) = told(limits_for=named)
    assert "models.clip: <clip>, but these limits were set for <siglip>: " in line


def test_what_the_command_line_sets_with_the_model_is_taken_to_be_for_it(told):
    (line,) = told("models.clip={siglip}", f"{SIMILARITY}.min_score=0.1")
    assert "min_score" not in line
    assert told("models.clip={siglip}", "limits_for.clip=siglip") == []


def test_limits_that_refuse_nothing_are_no_ones(told):
    opened = f"{SIMILARITY}.max_score=1", f"{SIMILARITY}.min_score=-1"
    assert told("models.clip={siglip}", *opened) == []


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_a_run_says_so_where_it_begins(project, told, folders, capsys, arguments):
    told()
    assert run.main(["mine.yaml", f"models.clip={folders['siglip']}", *arguments]) == run.COMPLETE
    assert "but these limits were set for clip: " in capsys.readouterr().out


def test_a_model_of_the_hub(project, told, folders, model_hub, capsys):
    """Of which family it is can be told once its config is here."""
    model_hub.repos["owner/siglip"] = Repo(public=True)
    files = {path.name: path.read_bytes() for path in folders["siglip"].iterdir()}
    model_hub.repos["owner/siglip"].commit(files)
    for overrides in (["models.clip=owner/siglip"], ["models.clip.name=owner/siglip"]):
        (line,) = told(
            *overrides, models={"clip": {"name": "owner/none"}, "matcher": str(folders["blip"])}
        )
        assert line.endswith(f"{OWN}: {{clip: siglip}}")
    assert told("models.clip=owner/siglip", "limits_for.clip=owner/siglip") == []


@pytest.mark.parametrize(
    ("limits_for", "said"),
    [
        ({"mllm": "llava"}, "limits_for.mllm: no such role; limits are for clip, matcher"),
        (
            {"clip": "siglap"},
            "limits_for.clip: siglap is no name of a model (owner/name, or a folder) and none of "
            "embedded, clip, siglip, ",
        ),
    ],
)
def test_mistakes(project, capsys, limits_for, said):
    project.write_recipe(limits_for=limits_for)
    assert cli.main(["check", "mine.yaml"]) == run.REFUSED
    assert f"  line {line_of('limits_for') + 1}, {said}" in capsys.readouterr().err


def test_what_calibrate_writes_names_the_models_of_the_run():
    embedded = {role: model.name for role, model in NAMED_SETS["embedded"].items()}
    models = embedded | {"matcher": "owner/name"}
    expected = {"limits_for.clip": "embedded", "limits_for.matcher": "owner/name"}
    assert settings_of(models) == expected
    assert settings_of({"mllm": "owner/name"}) == {}


def test_every_family_of_these_roles_names_its_scale():
    for role, paper in PAPER.items():
        families = families_of(role)
        assert all(family.scale for family in families)
        assert paper in {family.name for family in families}


def test_every_cosine_that_is_a_setting_is_known_to_be_one():
    """So that no filter is forgotten."""
    for cls in registry().values():
        if set(getattr(cls, "roles", ())) & set(PAPER):
            cosines = {
                name
                for name, field in cls.Params.model_fields.items()
                if any(getattr(each, "ge", None) == -1 for each in field.metadata)
            }
            assert cosines <= set(cls.scaled), cls.name
