import json

import pytest

from imgdiff.cli import main
from imgdiff.console import progress


def evaluate(*arguments):
    return main(["evaluate", *map(str, arguments)])


def test_kept_answers_are_scored_without_a_model(tmp_path, capsys):
    references = tmp_path / "references.jsonl"
    said = {"1": "the car is red", "2": "a dog has gone"}
    lines = [{"id": k, "question": "What differs?", "references": [v]} for k, v in said.items()]
    references.write_text("".join(json.dumps(line) + "\n" for line in lines))
    answers = tmp_path / "answers.jsonl"
    kept = [{"id": k, "question": "What differs?", "answer": v} for k, v in said.items()]
    answers.write_text("".join(json.dumps(line) + "\n" for line in kept))
    figures = tmp_path / "figures.json"

    code = evaluate(
        *("captions", "--references", references, "--answers", answers, "--json", figures)
    )

    assert code == 0
    assert "bleu_4" in capsys.readouterr().out
    found = json.loads(figures.read_text())["captions"]
    assert found["bleu_4"]["value"] == pytest.approx(100)
    assert found["bleu_4"]["items"] == 2


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_screen_of_any_width_shows_each_figure_in_one_piece(
    tmp_path, capsys, monkeypatch, columns
):
    monkeypatch.setattr(progress, "PLAIN_WIDTH", columns)
    questions, answers = tmp_path / "coco_pope_random.json", tmp_path / "answers.jsonl"
    asked = "Is there a cup in the image?"
    labels = ["yes" if k % 2 else "no" for k in range(9)]
    lines = [
        {"question_id": k, "image": f"{k}.jpg", "text": asked, "label": label}
        for k, label in enumerate(labels)
    ]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = [{"id": f"random-{k}", "question": asked, "answer": "yes"} for k in range(9)]
    answers.write_text("".join(json.dumps(line) + "\n" for line in kept))
    figures = tmp_path / "figures.json"
    assert not evaluate(
        *("pope", "--questions", questions, "--answers", answers, "--json", figures)
    )
    printed = capsys.readouterr().out.splitlines()
    assert max(map(len, printed)) <= columns
    for name, figure in json.loads(figures.read_text())["random"].items():
        value, low, high = (figure[key] for key in ("value", "low", "high"))
        whole = f"{value:.3f} ({low:.3f} to {high:.3f})"
        assert any(whole in line and (name in line or columns == 200) for line in printed)


@pytest.mark.parametrize(
    ("parser", "right"),
    [("official", 0.25), ("vcd", 1.0), ("first_word", 0.75)],
)
def test_how_yes_is_read_in_pope(tmp_path, parser, right):
    """No in bold and in capitals, a denial without either word, and an answer of both words."""
    said = {
        "**No**": "no",
        "NO": "no",
        "There is not any.": "no",
        "Yes, there is no doubt.": "yes",
    }
    asked = "Is there a cup in the image?"
    questions, answers = tmp_path / "coco_pope_random.json", tmp_path / "answers.jsonl"
    lines = [
        {"question_id": k, "image": f"{k}.jpg", "text": asked, "label": label}
        for k, label in enumerate(said.values())
    ]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = [
        {"id": f"random-{k}", "question": asked, "answer": answer} for k, answer in enumerate(said)
    ]
    answers.write_text("".join(json.dumps(line) + "\n" for line in kept))
    figures = tmp_path / "figures.json"
    code = evaluate(
        *("pope", "--questions", questions, "--answers", answers),
        *("--parser", parser, "--json", figures),
    )
    assert code == 0
    assert json.loads(figures.read_text())["random"]["accuracy"]["value"] == right


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["pope"], "give --instances FILE or --toyland N"),
        (["pairs"], "give --questions FILE or --toyland N"),
        (["pairs", "--toyland", "2"], "no model, and no file of answers, for 4 of 4 answers"),
        (["chair", "--toyland", "1", "--model", "nowhere"], "neither a folder nor a Hub name"),
        (["chair", "--toyland", "1", "--model", "{base_url: 1"], "--model {base_url: 1: "),
        (["ohd", "--model", "embedded"], "give --questions FILE, --run FOLDER, --toyland N"),
        (["ohd", "--model", "nowhere", "--toyland", "1"], "neither a folder nor a Hub name"),
        (["ohd", "--model", "embedded", "--questions", "x.json"], "give --images FOLDER"),
        (["ohd", "--model", "embedded", "--zero-shot"], "classifies crops: give --toyland N"),
    ],
)
def test_what_is_missing_is_said(arguments, problem, capsys):
    assert evaluate(*arguments) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.slow
def test_the_embedded_model_is_evaluated(tmp_path, capsys):
    for test in ("pope", "chair", "pairs"):
        figures = tmp_path / f"{test}.json"
        code = evaluate(test, "--toyland", 60, "--model", "embedded", "--json", figures)
        assert code == 0
    pope = json.loads((tmp_path / "pope.json").read_text())
    assert pope["random"]["accuracy"]["value"] > 0.6
    assert pope["adversarial"]["accuracy"]["value"] <= pope["random"]["accuracy"]["value"]
    chair = json.loads((tmp_path / "chair.json").read_text())["chair"]
    assert 0 < chair["chair_i"]["value"] < 0.4
    assert chair["recall"]["value"] > 0.5
    pairs = json.loads((tmp_path / "pairs.json").read_text())["pairs"]
    assert pairs["pairs"]["value"] <= pairs["single"]["value"]
    assert "in brackets: 95 % intervals" in capsys.readouterr().out


@pytest.mark.slow
def test_the_embedded_clip_knows_captions_from_negatives(tmp_path):
    figures = tmp_path / "ohd.json"
    given = ("--toyland", 40, "--zero-shot", "--model", "embedded", "--json", figures)
    assert evaluate("ohd", *given) == 0
    found = json.loads(figures.read_text())
    assert found["distinct"]["accuracy"]["value"] > 10 * found["distinct"]["chance"]["value"]
    assert found["distinct"]["accuracy"]["value"] <= found["random"]["accuracy"]["value"]
    assert found["zero-shot"]["accuracy"]["value"] > 0.8


@pytest.mark.slow
def test_the_embedded_matcher_is_asked_for_its_probability(capsys):
    assert evaluate("ohd", "--toyland", 6, "--model", "embedded-matcher") == 0
    assert "adversarial" in capsys.readouterr().out
