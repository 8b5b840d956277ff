import json

import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.annotations import Annotated
from imgdiff.evaluation.pope import (
    PARSERS,
    PopeQuestion,
    build,
    first_word_rule,
    official_rule,
    read_questions,
    scores,
    vcd_rule,
)

# cup stands in three images, apple beside it in two; orange in one, alone with others
SHOWN = [
    Annotated("1.jpg", ("cup", "apple", "bed")),
    Annotated("2.jpg", ("cup", "apple", "car")),
    Annotated("3.jpg", ("cup", "dog", "umbrella")),
    Annotated("4.jpg", ("dog", "orange")),
]


def absent(setting, image):
    questions = build(SHOWN, setting)
    return [q.text for q in questions if q.image == image and not q.truth]


def test_half_of_the_answers_are_yes_and_images_with_two_objects_are_left_out():
    questions = build(SHOWN, "random")
    assert len(questions) == 18
    assert sum(q.truth for q in questions) == 9
    assert {q.image for q in questions} == {"1.jpg", "2.jpg", "3.jpg"}
    assert len({q.id for q in questions}) == 18


def test_articles_fit():
    texts = {q.text for q in build(SHOWN, "random") if q.truth}
    assert "Is there an apple in the image?" in texts
    assert "Is there an umbrella in the image?" in texts
    assert "Is there a cup in the image?" in texts


def test_popular_asks_for_the_most_frequent_absent_objects():
    assert absent("popular", "3.jpg")[0] == "Is there an apple in the image?"


def test_adversarial_asks_for_what_stands_beside_the_object_before():
    # beside the cup, an apple twice; beside the dog, an orange
    first, second, _ = absent("adversarial", "3.jpg")
    assert first == "Is there an apple in the image?"
    assert second == "Is there an orange in the image?"


def test_no_object_is_denied_twice_of_one_image():
    for setting in ("random", "popular", "adversarial"):
        for image in ("1.jpg", "2.jpg", "3.jpg"):
            assert len(set(absent(setting, image))) == 3


def test_three_objects_and_three_that_it_lacks_are_enough():
    """Of six objects in all; of five, the image that shows three lacks too few."""
    shows = [Annotated("1.jpg", ("cup", "apple", "bed"))]
    assert len(build([*shows, Annotated("2.jpg", ("car", "dog", "fork"))], "random")) == 12
    with pytest.raises(RefusedError):
        build([*shows, Annotated("2.jpg", ("car", "dog"))], "random")


def test_the_seed_decides():
    assert build(SHOWN, "random", seed=1) == build(SHOWN, "random", seed=1)
    assert build(SHOWN, "random", seed=1) != build(SHOWN, "random", seed=2)


def test_images_without_three_objects_are_refused():
    with pytest.raises(RefusedError, match="no image has 3 objects and lacks 3 others"):
        build([Annotated("1.jpg", ("cup",))], "random")


@pytest.mark.parametrize(
    ("answer", "yes"),
    [
        ("Yes, there is a cup.", True),
        ("No.", False),
        ("There is no cup in the image.", False),
        ("There is not, sadly", False),
        ("I see a cup. No doubt.", True),  # the first sentence only
        ("Nothing of the kind", True),  # everything else is yes
        ("", True),
    ],
)
def test_the_official_parser(answer, yes):
    assert official_rule(answer, True) is yes


@pytest.mark.parametrize(
    ("answer", "truth", "yes"),
    [("Nothing.", False, False), ("Nothing.", True, False), ("Yes and no", True, True)],
)
def test_the_parser_of_vcd(answer, truth, yes):
    assert vcd_rule(answer, truth) is yes


@pytest.mark.parametrize(
    ("answer", "truth", "yes"),
    [
        ("**No**", True, False),  # yes by the official rule, as NO and `Not that I can see` are
        ("NO.", True, False),
        ("Yes, there is no doubt.", False, True),  # no by the official rule
        ("I cannot tell.", True, False),  # wrong, whatever is there
        ("I cannot tell.", False, True),
    ],
)
def test_the_parser_by_the_first_word(answer, truth, yes):
    assert first_word_rule(answer, truth) is yes
    assert PARSERS["first_word"] is first_word_rule


def test_scores_by_hand():
    """Five different values, so that none can be computed as another."""
    verdicts = [("yes", True)] * 3 + [("yes", False)] * 2 + [("no", True), ("no", False)]
    questions = [
        PopeQuestion(f"{k}", f"{k}.jpg", "?", truth, "random")
        for k, (_, truth) in enumerate(verdicts)
    ]
    answers = {f"{k}": answer for k, (answer, _) in enumerate(verdicts)}
    found = scores(questions, answers)["random"]
    # 3 true positives, 2 false positives, 1 false negative, 1 true negative
    assert found["accuracy"].value == pytest.approx(4 / 7)
    assert found["precision"].value == pytest.approx(3 / 5)
    assert found["recall"].value == pytest.approx(3 / 4)
    assert found["f1"].value == pytest.approx(6 / 9)
    assert found["yes_rate"].value == pytest.approx(5 / 7)


def test_published_files_are_read(tmp_path):
    path = tmp_path / "coco_pope_popular.json"
    lines = [
        {
            "question_id": 1,
            "image": "x.jpg",
            "text": "Is there a dog in the image?",
            "label": "yes",
        },
        {"question_id": 2, "image": "x.jpg", "text": "Is there a car in the image?", "label": "no"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    first, second = read_questions(path)
    assert (first.id, first.truth, first.setting) == ("popular-1", True, "popular")
    assert second.truth is False


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"image": "x.jpg", "text": "?"}', ":1: 'label' is missing"),
        (
            '{"image": "x.jpg", "text": "?", "label": "maybe"}',
            ":1: label is 'maybe', expected yes or no",
        ),
        ("nonsense", ":1: not valid JSON"),
    ],
)
def test_other_files_are_refused_by_line(tmp_path, line, problem):
    path = tmp_path / "pope.json"
    path.write_text(line)
    with pytest.raises(RefusedError, match=problem):
        read_questions(path)
