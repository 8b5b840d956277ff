import json

import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.annotations import Annotated, read_annotations

INSTANCES = {
    "images": [{"id": 7, "file_name": "7.jpg"}, {"id": 8, "file_name": "8.jpg"}],
    "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"image_id": 7, "category_id": 2},
        {"image_id": 7, "category_id": 1},
        {"image_id": 7, "category_id": 2},
    ],
}
CAPTIONS = {"annotations": [{"image_id": 8, "caption": "An empty table."}]}


def written(folder, name, content):
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def test_coco_is_read(tmp_path):
    instances = written(tmp_path, "instances.json", INSTANCES)
    captions = written(tmp_path, "captions.json", CAPTIONS)
    assert read_annotations(instances, captions) == [
        Annotated("7.jpg", ("dog", "cup"), ()),
        Annotated("8.jpg", (), ("An empty table.",)),
    ]


def test_lines_of_ones_own_are_read(tmp_path):
    path = written(tmp_path, "mine.jsonl", {"image": "x.png", "objects": ["cup", "cup"]})
    assert read_annotations(path) == [Annotated("x.png", ("cup",))]


def test_another_json_is_refused(tmp_path):
    path = written(tmp_path, "other.json", {"images": []})
    with pytest.raises(RefusedError, match="is not in COCO's form: 'categories' is missing"):
        read_annotations(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="No such file"):
        read_annotations(tmp_path / "none.json")
