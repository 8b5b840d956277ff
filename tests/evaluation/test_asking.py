import json

import numpy as np
import pytest

from imgdiff.data.images import encode_png
from imgdiff.errors import RefusedError, RowError, StoppedError
from imgdiff.evaluation.asking import Prompt, ask, from_folder

PROMPTS = [Prompt(str(k), f"{k}.png", f"question {k}") for k in range(5)]


class Model:
    """Says what it was asked, and remembers how many at a time."""

    def __init__(self):
        self.batches = []

    def __call__(self, questions, max_new_tokens):
        self.batches.append(len(questions))
        return [f"answer to {question.text}" for question in questions]


def load(name):
    return np.zeros((4, 4, 3), np.uint8)


def test_questions_are_asked_in_batches():
    model = Model()
    answers = ask(model, PROMPTS, load, batch_size=2)
    assert model.batches == [2, 2, 1]
    assert answers["4"] == "answer to question 4"


def test_kept_answers_are_not_asked_for_again(tmp_path):
    kept = tmp_path / "answers.jsonl"
    ask(Model(), PROMPTS[:3], load, kept)
    model = Model()
    answers = ask(model, PROMPTS, load, kept)
    assert model.batches == [2]
    assert len(answers) == 5
    assert ask(None, PROMPTS, load, kept) == answers


def test_another_question_under_the_same_id_is_asked(tmp_path):
    kept = tmp_path / "answers.jsonl"
    ask(Model(), PROMPTS, load, kept)
    model = Model()
    ask(model, [Prompt("0", "0.png", "another question")], load, kept)
    assert model.batches == [1]


def test_what_a_kill_left_of_a_line_is_asked_again(tmp_path):
    kept = tmp_path / "answers.jsonl"
    ask(Model(), PROMPTS[:2], load, kept)
    kept.write_bytes(kept.read_bytes()[:-7])
    model = Model()
    ask(model, PROMPTS[:2], load, kept)
    assert model.batches == [1]
    assert [json.loads(line)["id"] for line in kept.read_text().splitlines()] == ["0", "1"]


def test_without_a_model_answers_must_be_there(tmp_path):
    with pytest.raises(RefusedError, match="lacks 5 of 5 answers, first 0"):
        ask(None, PROMPTS, load, tmp_path / "answers.jsonl")


def test_a_question_without_an_answer_stops_and_the_others_are_kept(tmp_path):
    def model(questions, max_new_tokens):
        if any(question.text == "question 3" for question in questions):
            raise RowError("endpoint_slow", "no answer in 1 s")
        return ["yes"] * len(questions)

    kept = tmp_path / "answers.jsonl"
    with pytest.raises(StoppedError, match=r"2 to 3: endpoint_slow: no answer in 1 s"):
        ask(model, PROMPTS, load, kept, batch_size=2)
    assert len(kept.read_text().splitlines()) == 2


def test_images_stay_inside_their_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(encode_png(load(""))["bytes"])
    (tmp_path / "secret.png").write_bytes(encode_png(load(""))["bytes"])
    read = from_folder(tmp_path / "images")
    assert read("1.png").shape == (4, 4, 3)
    with pytest.raises(RefusedError, match=r"image path \.\./secret.png is outside"):
        read("../secret.png")
    with pytest.raises(RefusedError, match=r"cannot read image 2.png in .*: No such file"):
        read("2.png")
