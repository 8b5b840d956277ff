import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.annotations import Annotated
from imgdiff.evaluation.chair import load_vocabulary, scores
from imgdiff.toyland.vocabulary import CATEGORIES

COCO = load_vocabulary("coco")


@pytest.mark.parametrize(
    ("caption", "found"),
    [
        ("Two dogs and a kitten.", ["dog", "cat"]),
        ("A man feeds geese, and men watch", ["person", "bird", "person"]),
        ("a hot dog on a dining table", ["hot dog", "dining table"]),
        ("a baby elephant by a fire hydrant", ["elephant", "fire hydrant"]),
        ("toilet paper on a mouse pad", []),
        ("knives, wine glasses and sheep", ["knife", "wine glass", "sheep"]),
        ("a catalogue of dogmas", []),
        ("A Dog, a dog and a DOG", ["dog", "dog", "dog"]),
    ],
)
def test_mentions(caption, found):
    assert COCO.mentions(caption) == found


def test_coco_has_its_80_categories_and_toyland_its_own():
    assert len(COCO.words) == 80
    assert set(load_vocabulary("toyland").words) == set(CATEGORIES)


def test_no_word_names_two_categories():
    words = [word for name, others in COCO.words.items() for word in (name, *others)]
    assert len(words) == len(set(words))


def test_scores_by_hand():
    shown = [
        Annotated("1.jpg", ("dog", "cup"), ("A puppy near a chair.",)),  # truth: dog, cup, chair
        Annotated("2.jpg", ("car",)),
    ]
    captions = {
        "1.jpg": "A dog, a dog and a cat on a chair.",  # 4 mentions, 1 invented, 2 of 3 found
        "2.jpg": "A car and a truck, a truck.",  # 3 mentions, 2 invented, 1 of 1 found
    }
    found = scores(shown, captions, COCO)
    assert found["chair_i"].value == pytest.approx(3 / 7)
    assert found["chair_s"].value == 1
    assert found["recall"].value == pytest.approx(3 / 4)
    assert found["words"].value == 8.5


def test_an_unknown_vocabulary_is_refused():
    with pytest.raises(
        RefusedError, match="lvis: no such vocabulary; there are coco, toyland, or a"
    ):
        load_vocabulary("lvis")


def test_a_file_of_another_form_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("- cup")
    with pytest.raises(RefusedError, match="expected words, plurals, modifiers, ignored"):
        load_vocabulary(str(path))
