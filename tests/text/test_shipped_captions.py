"""The captions of photographs that the full-size recipes start from."""

import json
from pathlib import Path

from imgdiff import cli, run
from imgdiff.recipe.check import check

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "recipes" / "data" / "photo_captions.jsonl"
LONGEST = 77 - 2  # tokens that SDXL's text encoders read, beside start and end


def captions():
    return [json.loads(line)["caption"] for line in PHOTOS.read_text().splitlines()]


def test_two_hundred_captions_none_of_them_twice():
    assert len(captions()) == 200
    assert len({caption.lower() for caption in captions()}) == 200


def test_they_are_as_long_as_captions_of_photographs_are():
    assert {caption for caption in captions() if not 8 <= len(caption.split()) <= 16} == set()


def test_the_text_encoders_read_them_whole():
    """No vocabulary makes more tokens of a text than it has letters."""
    assert max(len(caption.replace(" ", "")) for caption in captions()) <= LONGEST


def test_the_english_lexicon_can_edit_nearly_all_of_them(capsys):
    assert cli.main(["lexicon", str(PHOTOS)]) == run.COMPLETE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "200 captions"
    shares = {line[:-14].strip(): float(line.split()[-1]) for line in lines[3:9]}
    assert shares["something to replace"] >= 70  # of many things none makes sense in their place
    assert shares["an attribute to change"] >= 80
    assert shares["a place to add"] >= 40
    assert shares["an edit of some kind"] >= 95


def test_a_recipe_reads_them():
    plan = check(ROOT / "recipes/sdxl/remove.yaml")
    assert plan.dataset.place == PHOTOS
