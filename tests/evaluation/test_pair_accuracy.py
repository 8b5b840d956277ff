import pytest

from imgdiff.errors import RefusedError
from imgdiff.evaluation.pairs import PairQuestion, chosen, read_mmvp, scores

MMVP = """Index,Question,Options,Correct Answer
1,Are the wheels visible?,(a) Yes (b) No,(a)
2,Are the wheels visible?,(a) Yes (b) No,(b)
3,Where does the dog look?,(a) Left (b) Right,(b)
4,Where does the dog look?,(a) Left (b) Right,(a)
"""
OPTIONS = {"a": "Left", "b": "Right"}


def test_mmvp_is_read(tmp_path):
    path = tmp_path / "Questions.csv"
    path.write_text(MMVP)
    questions = read_mmvp(path)
    assert [q.pair for q in questions] == [0, 0, 1, 1]
    assert [q.truth for q in questions] == ["a", "b", "b", "a"]
    assert questions[2].image == "3.jpg"
    assert questions[2].text == (
        "Where does the dog look? (a) Left (b) Right Answer with the letter of the option."
    )


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("(b)", "b"),
        ("The answer is (A).", "a"),
        ("B.", "b"),
        ("b", "b"),
        ("Right", "b"),
        ("It looks to the left.", "a"),
        ("a dog that looks right", "b"),  # an article is no letter
        ("left or right", None),
        ("(a) or (b)", None),
        ("", None),
    ],
)
def test_the_option_that_an_answer_names(answer, letter):
    assert chosen(answer, OPTIONS) == letter


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("Yes.", "yes"),
        ("no, it is not", "no"),
        ("**No**, but a yes would do", "no"),
        ("Maybe", None),
        ("There is no cup.", None),
    ],
)
def test_yes_and_no_are_options_too(answer, word):
    assert chosen(answer, {"yes": "yes", "no": "no"}) == word


def test_both_answers_of_a_pair_must_be_right():
    truths = ["a", "b", "b", "a"]
    questions = [PairQuestion(str(k), "", "", OPTIONS, t, k // 2) for k, t in enumerate(truths)]
    found = scores(questions, {"0": "(a)", "1": "(b)", "2": "(b)", "3": "(b)"})
    assert found["pairs"].value == 0.5
    assert found["single"].value == 0.75
    assert found["pairs"].items == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("Correct Answer", "Answer"), ":2: no column Correct Answer"),
        (("No,(b)", "No,(c)"), r":3: answer '\(c\)' is none of the options"),
        (
            ("4,Where does the dog look?,(a) Left (b) Right,(a)\n", ""),
            "3 questions, expected pairs",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, change, problem):
    path = tmp_path / "Questions.csv"
    path.write_text(MMVP.replace(*change))
    with pytest.raises(RefusedError, match=problem):
        read_mmvp(path)
