"""Zero-shot classification: class folders, toyland's crops, accuracy."""

from pathlib import Path

import numpy as np
import pytest

from imgdiff.data.images import encode_png
from imgdiff.errors import RefusedError
from imgdiff.evaluation import toyland
from imgdiff.evaluation.zero_shot import Labelled, read_folder, scores


def fill(folder, names):
    for k, name in enumerate(names):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((4, 4, 3), k, np.uint8))["bytes"])


def test_classes_are_folders(tmp_path):
    fill(tmp_path, ["apple/2.png", "apple/1.png", "fire_truck/x.png", "empty/notes.txt"])
    found = read_folder(tmp_path)
    assert found.names == ("apple", "fire_truck")
    assert found.prompts[0][0] == "a photo of an apple."
    assert found.prompts[1][0] == "a photo of a fire truck."
    assert [image.label for image in found.images] == [0, 0, 1]
    assert [int(image.load()[0, 0, 0]) for image in found.images] == [1, 0, 2]
    assert len(read_folder(tmp_path, limit=1).images) == 2


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(RefusedError, match="nowhere: no such folder"):
        read_folder(tmp_path / "nowhere")
    fill(tmp_path, ["apple/1.png"])
    with pytest.raises(RefusedError, match="one for each class"):
        read_folder(tmp_path)


def test_accuracy_by_hand():
    images = [Labelled(lambda: None, label) for label in (0, 1, 2, 1)]
    classified = np.array(
        [[0.9, 0.1, 0.2], [0.5, 0.4, 0.1], [0.3, 0.1, 0.3], [0.1, 0.2, 0.0]]
    )  # right; wrong; a tie; right
    table = scores(images, classified, 3)["zero-shot"]
    assert table["accuracy"].value == pytest.approx(2 / 4)
    assert table["chance"].value == pytest.approx(1 / 3)


def test_crops_of_toyland():
    crops = toyland.thing_crops(12)
    assert len(crops.names) == len(crops.prompts) == 16
    assert "an orange car" in crops.prompts[crops.names.index("car")]
    assert len({image.label for image in crops.images}) > 4
    first = crops.images[0].load()
    assert first.shape[0] == first.shape[1]
    assert (first == crops.images[0].load()).all()
