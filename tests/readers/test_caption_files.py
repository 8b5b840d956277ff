"""Captions in the files that people have them in, through whole runs."""

import json

import pytest

from imgdiff import cli, run
from imgdiff.data.input import Input
from imgdiff.data.readers import find

CAPTIONS = ["A cat on a laptop.", 'A bus, "red", in a street.']
COCO = {
    "info": {"year": 2014},
    "images": [{"id": 3, "file_name": "a.jpg"}],
    "annotations": [
        {"image_id": 3, "id": 48, "caption": CAPTIONS[0]},
        {"image_id": 9, "id": 49, "caption": CAPTIONS[1]},
    ],
}


def of_text(path):
    path.write_text("\ufeff" + "\n\n".join(CAPTIONS) + "\r\n", encoding="utf-8")


def of_coco(path):
    path.write_text(json.dumps(COCO))


def of_list(path):
    path.write_text(json.dumps([{"caption": caption} for caption in CAPTIONS]))


def of_csv(path):
    quoted = (caption.replace('"', '""') for caption in CAPTIONS)
    path.write_text("image,caption\n" + "".join(f'a.jpg,"{caption}"\n' for caption in quoted))


def of_json_lines(path):
    path.write_text("".join(json.dumps({"caption": caption}) + "\n" for caption in CAPTIONS))


def of_parquet(path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"caption": CAPTIONS}), path)


FILES = {
    "captions.txt": of_text,
    "captions_val2014.json": of_coco,
    "list.json": of_list,
    "captions.csv": of_csv,
    "lines.jsonl": of_json_lines,
    "captions.parquet": of_parquet,
}
EDIT = ["light_edit_mapper", "light_image_mapper"]


@pytest.mark.parametrize("name", FILES)
def test_captions_of_every_kind_of_file_are_run(project, name):
    FILES[name](project.folder / name)
    project.write_recipe(dataset_path=name, shard_rows=1, process=EDIT)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert [row["caption_a"] for row in project.rows()] == CAPTIONS


def test_captions_of_coco_keep_their_ids_and_the_names_of_their_files(project):
    of_coco(project.folder / "captions.json")
    source = Input(find("captions.json"))
    assert source.ids == ["48", "49"]
    assert source.ignored == ["file_name", "image_id"]
    project.write_recipe(dataset_path="captions.json", columns={"id": "file_name"}, process=EDIT)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert [row.id for row in project.rows()] == ["a.jpg", "row-2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", "not valid JSON (Expecting ',' delimiter: line 1 column 3 (char 2))"),
        ("3", "a number, expected COCO's annotations (a list under annotations), or a list of"),
        ('{"a": [], "b": 1}', "a mapping of a, b, expected COCO's annotations"),
        ("[]", "captions.json has no rows"),
    ],
)
def test_a_document_of_no_known_form_is_refused(project, capsys, content, message):
    (project.folder / "captions.json").write_text(content)
    project.write_recipe(dataset_path="captions.json", process=EDIT)
    assert run.main(["mine.yaml"]) == run.REFUSED
    assert message in capsys.readouterr().err


def test_a_row_that_is_no_mapping_and_a_line_that_is_no_text_fail_alone(project):
    (project.folder / "rows.json").write_text('[{"caption": "a cat"}, 5]')
    (project.folder / "rows.txt").write_bytes(b"a cat\n\xff\xfe\na dog\n")
    for name, code in {"rows.json": "input_row", "rows.txt": "input_line"}.items():
        project.write_recipe(dataset_path=name, process=EDIT, limits={"max_failed_fraction": 1.0})
        assert run.main(["mine.yaml", "--restart"]) == run.COMPLETE
        broken = project.rows()[1]
        assert (broken.status, broken.reason) == ("failed", f"input: {code}")


@pytest.mark.parametrize("field", ["caption", "caption_a"])
def test_a_column_is_named_as_one_would_guess(project, field):
    project.write_captions([{"text": caption} for caption in CAPTIONS])
    project.write_recipe(columns={field: "text"}, process=EDIT)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    assert [row["caption_a"] for row in project.rows()] == CAPTIONS


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {},
            "process[0].light_edit_mapper: needs caption_a, which nothing before it makes. "
            "It has other, text. If one of these is it, say columns: {caption: COLUMN}.",
        ),
        ({"caption": "txet"}, "columns.caption: the input has no column txet. Did you mean text?"),
        ({"caption": "nothing"}, "the input has no column nothing. It has other, text."),
    ],
)
def test_a_wrong_column_is_one_message_that_lists_the_files_columns(project, capsys, columns, told):
    project.write_captions([{"text": "a cat", "other": 1}])
    steps = [*EDIT, {"light_length_filter": {}}]
    project.write_recipe(columns=columns, process=steps)
    assert cli.main(["check", "mine.yaml"]) == run.REFUSED
    head, line = capsys.readouterr().err.splitlines()
    assert head == "mine.yaml: 1 problem"
    assert told in line
    assert "It has other, text." in line


def test_a_column_may_be_named_once(project, capsys):
    project.write_captions([{"text": "a cat"}])
    project.write_recipe(columns={"caption": "text", "caption_a": "text"}, process=EDIT)
    assert cli.main(["check", "mine.yaml"]) == run.REFUSED
    assert "columns.caption_a: caption_a is named twice" in capsys.readouterr().err
