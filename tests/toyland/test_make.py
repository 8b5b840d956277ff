"""Files made from toyland."""

import json

import cv2
import numpy as np
import pytest

from imgdiff.text.lexicon import load_lexicon
from imgdiff.text.mentions import mentions
from imgdiff.toyland import make
from imgdiff.toyland.pairs import replaced_pair
from imgdiff.toyland.scenes import draw, generator, sample_scene
from imgdiff.toyland.views import whole
from imgdiff.toyland.vocabulary import COLOURS
from imgdiff.training.conversations import LlavaExamples


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["make", *map(str, arguments)])
    make.main()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_captions(tmp_path, monkeypatch, capsys):
    path = tmp_path / "new" / "captions.jsonl"
    run(monkeypatch, "captions", path, "--count", 12)
    records = lines(path)
    assert [record["id"] for record in records] == [f"toyland-{k:04d}" for k in range(12)]
    assert all(record["caption"] for record in records)
    assert capsys.readouterr().out == f"wrote 12 captions to {path}\n"


def test_captions_of_one_thing(tmp_path, monkeypatch):
    path = tmp_path / "captions.jsonl"
    run(monkeypatch, "captions", path, "--count", 30, "--things", 1)
    for record in lines(path):
        assert len(mentions(record["caption"], load_lexicon("toyland"))) == 1


def test_pairs(tmp_path, monkeypatch):
    run(monkeypatch, "pairs", tmp_path, "--count", 2)
    records = lines(tmp_path / "pairs.jsonl")
    assert [record["id"] for record in records] == ["pair-0000", "pair-0001"]
    for seed, record in enumerate(records):
        pair = replaced_pair(generator("validation", seed))
        assert (record["caption_a"], record["caption_b"]) == (pair.caption_a, pair.caption_b)
        for side, expected in zip("ab", pair.images, strict=True):
            picture = cv2.imread(str(tmp_path / record[f"image_{side}"]))
            np.testing.assert_array_equal(picture[:, :, ::-1], expected)


def test_scenes(tmp_path, monkeypatch):
    run(monkeypatch, "scenes", tmp_path, "--count", 2)
    records = lines(tmp_path / "scenes.jsonl")
    assert [record["id"] for record in records] == ["scene-0000", "scene-0001"]
    for seed, record in enumerate(records):
        expected = draw(sample_scene(generator("validation", seed))).image
        picture = cv2.imread(str(tmp_path / record["image_a"]))
        np.testing.assert_array_equal(picture[:, :, ::-1], expected)


def test_unknown_kind_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "videos", tmp_path)
    assert "invalid choice: 'videos'" in capsys.readouterr().err


def test_views(tmp_path, monkeypatch):
    run(monkeypatch, "views", tmp_path, "--count", 60)
    records = lines(tmp_path / "views.jsonl")
    assert len({record["image_a"] for record in records}) == 60
    for record in records:
        assert (tmp_path / record["image_a"]).is_file()
        named = mentions(record["caption"], load_lexicon("toyland"))
        assert record["objects"] == [mention.noun.thing[0] for mention in named]
    assert {len(record["objects"]) for record in records} == {1, 2, 3}
    colours = [any(c in record["caption"].split() for c in COLOURS) for record in records]
    bare = [r for r, coloured in zip(records, colours, strict=True) if not coloured]
    assert {len(record["objects"]) for record in bare} == {1}  # `a car`


def test_a_view_is_the_scene_of_its_caption(tmp_path, monkeypatch):
    run(monkeypatch, "views", tmp_path, "--count", 2)
    rng = generator("validation", 1)
    expected = whole(sample_scene(rng, 3), rng)
    record = lines(tmp_path / "views.jsonl")[1]
    assert record["caption"] == expected.texts[0]
    picture = cv2.imread(str(tmp_path / record["image_a"]))
    np.testing.assert_array_equal(picture[:, :, ::-1], expected.image)


def test_questions(tmp_path, monkeypatch, capsys):
    run(monkeypatch, "questions", tmp_path, "--count", 12)
    examples = LlavaExamples(tmp_path / "questions.json", tmp_path)
    assert len(examples) == 12
    told = [examples[k] for k in range(12)]
    assert all(example.pictures[0].shape == (128, 128, 3) for example in told)
    answers = [answer for example in told for role, answer in example.turns if role == "assistant"]
    assert answers.count("Yes.") == answers.count("No.") >= 12
    assert capsys.readouterr().out == f"wrote 12 questions to {tmp_path}\n"
