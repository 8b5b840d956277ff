"""How many captions of a file a lexicon knows."""

from pathlib import Path

import pytest

from imgdiff import cli, run
from imgdiff.text.coverage import measure_coverage
from imgdiff.text.lexicon import load_lexicon

PHOTOS = Path(__file__).parent / "photo_captions.jsonl"


def test_counts():
    captions = ["Two red cars and a dog", "A man cuts wood", "a car on the moon", "the moon"]
    coverage = measure_coverage(captions, load_lexicon("english"))
    assert coverage.captions == 4
    assert coverage.holding == {
        "a noun": 3,
        "an attribute": 1,
        "something to replace": 3,
        "an attribute to change": 3,
        "a place to add": 2,
        "an edit of some kind": 3,
    }
    assert coverage.groups == {"on roads": 2, "men": 1, "pets": 1, "stuff": 1}
    assert coverage.nouns["on roads"] == {"car": 2}
    assert coverage.unknown == {"moon": 2, "cuts": 1}


def test_english_knows_captions_of_photos(capsys):
    assert cli.main(["lexicon", str(PHOTOS)]) == run.COMPLETE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "62 captions"
    shares = {line[:-14].strip(): float(line.split()[-1]) for line in lines[3:9]}
    assert shares["a noun"] >= 90
    assert shares["something to replace"] >= 50  # of many things none makes sense in their place
    assert shares["an attribute to change"] >= 80
    assert shares["an edit of some kind"] >= 90


def test_another_lexicon_and_other_counts(project, capsys):
    project.write_captions([{"caption": "a red boat near a quay"}])
    assert cli.main(["lexicon", "captions.jsonl", "--lexicon", "toyland", "--words", "1"]) == 0
    output = capsys.readouterr().out
    assert "vehicle" in output
    assert output.endswith("most frequent words that are not in the lexicon: quay 1\n")


def test_rows_that_are_no_captions_are_told(project, capsys):
    project.write_captions([{"caption": "a boat"}, {"caption": 5}])
    assert cli.main(["lexicon", "captions.jsonl"]) == run.COMPLETE
    printed = capsys.readouterr()
    assert printed.out.startswith("1 captions\n")
    assert "1 of 2 rows not read: captions.jsonl:2: caption_a is a number" in printed.err


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("none.jsonl", "no such file or folder: none.jsonl"),
        ("mine.yaml", "mine.yaml: expected a folder, or a file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(project, capsys, file, message):
    assert cli.main(["lexicon", file]) == run.REFUSED
    assert message in capsys.readouterr().err
