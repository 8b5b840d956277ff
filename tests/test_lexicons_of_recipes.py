"""One lexicon for a whole recipe: captions of one's own through operators that know words by it."""

import pytest

from imgdiff import cli, run
from imgdiff.recipe.check import check

PHOTOS = ["a cat on a laptop", "two dogs on a couch", "a zebra by a fence", "a pizza on a plate"]
TOYS = ["a red car on the sand", "a blue mug on the grass"]
EDIT, AGREEMENT = "caption_edit_mapper", "region_caption_agreement_filter"
LEXICON = {"lexicon": "english"}


@pytest.fixture
def chain(project):
    """Writes a recipe that edits captions and asks a truthful witness about the pairs."""

    def write(captions=PHOTOS, edit=None, agreement=None, **changes):
        project.write_captions([{"caption": caption} for caption in captions])
        agreement = {"difference": False} | (agreement or {})
        steps = [{EDIT: edit or {}}, "light_image_mapper", "light_witness_mapper"]
        project.write_recipe(process=[*steps, {AGREEMENT: agreement}], **changes)
        return project

    return write


def endings(project):
    return [row.reason or row.status for row in project.rows()]


def lexicons(plan):
    return {op.name: op.params.lexicon for op in plan.operators if op.name in (EDIT, AGREEMENT)}


def test_captions_of_ones_own_pass_with_one_lexicon(chain):
    project = chain(lexicon="english")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert endings(project) == ["ok"] * len(PHOTOS)


def test_english_is_what_a_recipe_has_that_names_none(chain):
    chain()
    assert lexicons(check("mine.yaml")) == {EDIT: "english", AGREEMENT: "english"}
    plan = check("mine.yaml", ["lexicon=toyland"])
    assert lexicons(plan) == {EDIT: "toyland", AGREEMENT: "toyland"}


def test_captions_of_the_toy_world_pass_with_its_lexicon(chain):
    project = chain(TOYS, lexicon="toyland")
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert endings(project) == ["ok"] * len(TOYS)


def test_an_operators_own_lexicon_wins_and_is_pointed_out(chain, capsys):
    project = chain(edit=LEXICON, lexicon="toyland")
    told = (
        f"process[0].{EDIT}.lexicon: english, but {AGREEMENT} has toyland, and neither finds all "
        "words of the other. One lexicon: for the whole recipe gives all operators the same."
    )
    assert cli.main(["check", "mine.yaml"]) == run.COMPLETE
    fine, differs, *_ = capsys.readouterr().out.splitlines()
    assert (fine, differs.endswith(told)) == ("mine.yaml: fine, 4 operators", True)
    assert run.main(["mine.yaml", "--dry-run"]) == run.COMPLETE
    assert told in capsys.readouterr().out
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert told in (project.run_path / "run.log").read_text()
    assert endings(project) == [f"{AGREEMENT}: nothing_named"] * len(PHOTOS)


def test_the_same_lexicon_at_either_place_is_the_same_run(chain, capsys):
    project = chain(lexicon="english")
    run.main(["mine.yaml"])
    before = project.open().info.phases
    chain(edit=LEXICON, agreement=LEXICON, lexicon="toyland")
    capsys.readouterr()
    assert run.main(["mine.yaml"]) == run.COMPLETE
    printed = capsys.readouterr().out
    assert "changed since the last start" not in printed
    assert "2 of 2 shards complete, 0 to do" in printed
    assert project.open().info.phases == before
    assert run.main(["mine.yaml", f"{EDIT}.lexicon=toyland"]) == run.COMPLETE
    changed = f"changed since the last start: process.{EDIT}.lexicon: english -> toyland"
    assert changed in capsys.readouterr().out


def test_what_the_embedded_models_cannot_know_is_pointed_out(chain):
    project = chain(TOYS, lexicon="english")
    assert check("mine.yaml").advice == ()  # of a model whose tokenizer alone is needed
    project.write_recipe(process=[EDIT, "sdxl_text2image_mapper"])
    (told,) = check("mine.yaml").advice
    assert told.endswith(
        f"process[0].{EDIT}.lexicon: english, but the embedded models (diffusion) know the words "
        "of toyland alone. Bind models: that know more."
    )
    assert check("mine.yaml", ["models={diffusion: me/drawing}"]).advice == ()
    assert check("mine.yaml", ["lexicon=toyland"]).advice == ()


def test_a_lexicon_that_is_none_is_told_once(chain, capsys):
    chain(lexicon="klingon")
    assert cli.main(["check", "mine.yaml"]) == run.REFUSED
    head, told = capsys.readouterr().err.splitlines()
    assert head == "mine.yaml: 1 problem"
    assert told.endswith("lexicon: \"klingon\" is not one of 'english' or 'toyland'")


def test_the_listing_says_where_a_lexicon_comes_from(capsys):
    assert cli.main(["operators", AGREEMENT]) == run.COMPLETE
    assert "lexicon: english or toyland, default the recipe's, " in capsys.readouterr().out
