"""What `benchmarks/finetune.py` asks, trains on and compares, against truths by hand."""

import dataclasses
import json

import finetune
import numpy as np
import pytest
from finetune_parts import choosing, data, models, questions

from imgdiff.data import images
from imgdiff.data.conversations import IMAGE
from imgdiff.data.rows import Region, Row
from imgdiff.evaluation import pope, toyland
from imgdiff.models.roles import Question
from imgdiff.models.zoo import EMBEDDED_WEIGHTS
from imgdiff.text import prompts
from imgdiff.toyland.captions import difference, phrase
from imgdiff.toyland.conversations import conversation
from imgdiff.toyland.pairs import replaced_pair
from imgdiff.toyland.scenes import generator
from imgdiff.training.conversations import TrainingExample

PAIRS, SCENES = 12, 40


@pytest.fixture(scope="module")
def truths():
    """Id -> what is asked, and the right answer."""
    right = {}
    for asked in questions.alone(PAIRS):
        right[asked.id] = asked.text, f"{asked.options[asked.truth].capitalize()}."
    for setting in pope.SETTINGS:
        for asked in pope.build(toyland.annotated(SCENES), setting, SCENES):
            right[asked.id] = asked.text, "Yes." if asked.truth else "No."
    for k in range(PAIRS):
        pair = questions.pair(k)
        said = difference(phrase(pair.old), phrase(pair.new))
        right[f"joined-{k}-a"] = questions.DIFFERENCE, said
    for asked in questions.side_by_side(PAIRS):
        _, number, side = asked.id.split("-")
        pair = questions.pair(int(number))
        left, other = (pair.old, pair.new) if side == "a" else (pair.new, pair.old)
        right[asked.id] = asked.text, difference(phrase(left), phrase(other))
    return right


@pytest.fixture
def keep(tmp_path):
    """Writes answers as if a model had given them."""

    def write(answers):
        path = tmp_path / "answers.jsonl"
        lines = [
            json.dumps({"id": id, "question": question, "answer": answer}) + "\n"
            for id, (question, answer) in answers.items()
        ]
        path.write_text("".join(lines))
        return path

    return write


class TestMeasure:
    def test_right_answers_count_in_full(self, truths, keep):
        found = questions.measure(None, keep(truths), PAIRS, SCENES)
        for name in ("pairs", "single", "alone", "sentence", "pope"):
            assert found[name].mean() == 1
        assert found["cider_d"].min() > 900

    @pytest.mark.parametrize(("kind", "metric"), [("alone", "alone"), ("choice", "pairs")])
    def test_one_wrong_answer_loses_its_pair(self, truths, keep, kind, metric):
        question, answer = truths[f"{kind}-3-b"][0], truths[f"{kind}-3-a"][1]
        wrong = truths | {f"{kind}-3-b": (question, answer)}
        found = questions.measure(None, keep(wrong), PAIRS, SCENES)
        assert np.flatnonzero(found[metric] == 0).tolist() == [3]
        assert found["pairs_replaced"].mean() == 1

    def test_one_answer_to_all_is_never_right(self, truths, keep):
        same = {
            id: (text, truths[f"{id[:-1]}a"][1])
            for id, (text, _) in truths.items()
            if id.startswith("choice")
        }
        found = questions.measure(None, keep(truths | same), PAIRS, SCENES)
        assert found["pairs"].sum() == 0
        assert found["single"].mean() == 0.5

    def test_answers_of_the_two_images_differ(self, truths):
        for k in range(PAIRS):
            (asked, one), (same, other) = (truths[f"alone-{k}-{side}"] for side in "ab")
            assert asked == same
            assert one != other

    def test_what_is_asked_for_is_there_where_the_answer_is_yes(self):
        asked = questions.alone(40)
        for k in range(0, 40, 2):
            pair, question = questions.pair(k), asked[2 * k]
            meant = pair.old if question.truth == "yes" else pair.new
            assert f" {meant.category} " in question.text
            assert pair.old.category != pair.new.category

    @pytest.mark.parametrize(
        ("sentence", "right"),
        [
            ("The left image shows a {old}, while the right image shows a {new}.", True),
            ("The left image shows a {new}, while the right image shows a {old}.", False),
            ("The left image shows a {old}, while the right image shows a {old}.", False),
            ("Both images show a {old}.", False),
            ("A {old} became a {new}.", False),
        ],
    )
    def test_a_difference_is_right_if_both_halves_are(self, sentence, right):
        pair = questions.pair(0)
        said = sentence.format(old=pair.old.name, new=pair.new.name)
        assert questions.named_right(said, pair) is right

    def test_joined_pictures_are_as_those_of_samples(self):
        pair = questions.pair(0)
        joined = images.joined_view(*pair.images, pair.boxes_xyxy[0])
        np.testing.assert_array_equal(questions.load("joined-0-a"), images.pad_to_square(joined))
        turned = images.joined_view(*pair.images[::-1], pair.boxes_xyxy[0])
        np.testing.assert_array_equal(questions.load("joined-0-b"), images.pad_to_square(turned))


@pytest.fixture(scope="module")
def mllm():
    return models.load(EMBEDDED_WEIGHTS / "mllm")


class TestChoosing:
    def test_the_likelier_option_is_chosen_wherever_it_stands(self, mllm):
        pair = replaced_pair(generator("test", 0))
        crop = images.square_crop(pair.images[0], tuple(pair.boxes_xyxy[0]))
        right, wrong = (f"{phrase(thing).capitalize()}." for thing in (pair.old, pair.new))
        asked = [
            Question((crop,), choosing.with_options(prompts.REGION["crop"], options))
            for options in ((right, wrong), (wrong, right))
        ]
        assert choosing.choose(mllm, asked) == [right, right]

    def test_likelihoods_do_not_depend_on_what_shares_the_batch(self, mllm):
        examples = [
            TrainingExample(
                "", [questions.load("alone-0-a")], [("user", f"{IMAGE}\nx"), ("assistant", text)]
            )
            for text in ("Yes.", "A red car and a blue boat on the grass.")
        ]
        together = choosing.likelihoods(mllm, examples)
        apart = [choosing.likelihoods(mllm, [example])[0] for example in examples]
        np.testing.assert_allclose(together, apart, rtol=1e-4)
        assert (together < 0).all()


class TestData:
    @pytest.fixture
    def samples(self):
        """Row and region as a replace run has them, whose edits keep the colour; its things."""
        made = []
        for k in range(6):
            pair = replaced_pair(generator("validation", k))
            old, new = pair.old, dataclasses.replace(pair.new, colour=pair.old.colour)
            values = {
                "caption_a": pair.caption_a,
                "caption_b": pair.caption_a.replace(old.name, new.name),
            }
            for side, picture in zip("ab", pair.images, strict=True):
                values[f"image_{side}"] = images.encode_png(picture)
            said = [f"{phrase(thing).capitalize()}." for thing in (old, new)]
            box = tuple(map(float, pair.boxes_xyxy[0]))
            region = Region(box, "a", caption_a=said[0], caption_b=said[1])
            made.append((Row(str(k), k, values), region, (old, new)))
        return made

    def test_the_control_shows_one_picture_and_says_what_is_known_of_it(self, samples):
        talks = list(data.control([(row, region) for row, region, _ in samples]))
        assert len(talks) == len(samples)
        for k, (talk, (row, region, things)) in enumerate(zip(talks, samples, strict=True)):
            side = k % 2
            shown = images.load_rgb(row[f"image_{'ab'[side]}"])
            if k % 3 == 0:
                shown = images.square_crop(shown, region.box_xyxy)
                expected = [(prompts.REGION["crop"], (region.caption_a, region.caption_b)[side])]
            elif k % 3 == 1:
                caption = row[f"caption_{'ab'[side]}"]
                expected = [(prompts.SCENE, f"{caption.capitalize()}.")]
            else:
                expected = [
                    (prompts.EXISTS.format(thing=phrase(thing)), "Yes." if n == side else "No.")
                    for n, thing in enumerate(things)
                ]
            np.testing.assert_array_equal(talk.image, shown)
            assert list(talk.turns) == expected

    def test_what_is_written_is_read_by_training(self, tmp_path):
        from imgdiff.training.conversations import LlavaExamples

        file = data.write(tmp_path, data.instruction(3))
        examples = LlavaExamples(file, tmp_path)
        assert len(examples) == 3
        for k in range(3):
            talk = conversation(
                generator("train", data.SEEN + k), web=False, shares=data.SINGLE_SHARES
            )
            np.testing.assert_array_equal(examples[k].pictures[0], talk.image)
            texts = [text for _, text in examples[k].turns]
            asked = [text for turn in talk.turns for text in turn]
            assert texts == [f"{IMAGE}\n{asked[0]}", *asked[1:]]


@pytest.mark.slow
def test_a_finetuned_model_lies_where_the_benchmark_looks_for_it(tmp_path):
    file = data.write(tmp_path / "data", data.instruction(16))
    start = EMBEDDED_WEIGHTS / "mllm"
    settings = models.Settings(steps=1)
    model = models.finetuned(tmp_path / "a", start, [{"llava": str(file)}], 0, settings)
    assert models.finetuned(tmp_path / "a", start, [{"llava": str(file)}], 0, settings) == model
    asked = Question((questions.load("alone-0-a"),), prompts.SCENE)
    (answer,) = models.load(model).answer([asked], 24)
    assert " on the " in answer


class TestCompare:
    def test_items_are_compared_with_themselves_after_the_mean_over_seeds(self):
        half, whole = np.array([0.0, 1, 0, 1]), np.ones(4)
        right = {"before": [half], "after": [whole, half], "both": [whole, whole]}
        right["control"] = [half, half]
        found = {
            arm: [{"pairs": pairs, "single": (pairs + 1) / 2} for pairs in seeds]
            for arm, seeds in right.items()
        }
        figures = finetune.compare(found)
        assert figures["pairs_after"].value == 0.75
        gain = figures["pairs_after_minus_control"]
        assert (gain.value, gain.items) == (0.25, 4)
        assert gain.low >= 0  # no item became worse
        numbers = finetune.flat(figures, found)
        assert numbers["pairs_after_0"] == 1
        assert numbers["pairs_after_minus_control_low"] == gain.low
        assert [text.rpartition(": ")[2] for text in finetune.bars(figures)] == [
            "met",
            "missed",  # two items of four differ: the interval reaches zero
            "met",
            "met",
        ]

    def test_the_page_shows_every_figure(self):
        rng = np.random.default_rng(0)
        metrics = ["pairs", "single"]
        found = {arm: [{name: rng.random(30) for name in metrics}] * 2 for arm in finetune.ARMS}
        figures = finetune.compare(found)
        page = finetune.page(figures, metrics, (600, 300), 3)
        assert [name for name, each in figures.items() if str(each) not in page] == []
