"""What trainers are made of: losses, batches, and the loop that goes on after a kill."""

import csv
from math import exp, log

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

from imgdiff.toyland.conversations import Conversation
from imgdiff.toyland.scenes import SIZE, draw, generator, sample_scene
from imgdiff.toyland.train import clip, diffusion, loop, matcher, mllm
from imgdiff.toyland.train.loop import Schedule, draw_curve, fit, pack
from imgdiff.toyland.train.save import save_card
from imgdiff.toyland.views import CATEGORY_INDEX, COLOUR_INDEX, View, whole
from imgdiff.toyland.vocabulary import CATEGORIES, COLOURS, GROUNDS


class TestContrastive:
    def test_value_by_hand(self):
        """The first picture fits both texts, the second one the second text alone."""
        image = torch.tensor([[1.0, 0], [0, 1]])
        text = torch.tensor([[1.0, 0], [0.6, 0.8]])
        fits = torch.tensor([[True, True], [False, True]])
        # logits: [[2, 1.2], [0, 1.6]]
        pictures = [log(exp(2) + exp(1.2)) - (2 + 1.2) / 2, log(1 + exp(1.6)) - 1.6]
        texts = [log(exp(2) + 1) - 2, log(exp(1.2) + exp(1.6)) - (1.2 + 1.6) / 2]
        loss = clip.clip_loss(image, text, torch.tensor(2.0), fits)
        assert loss.item() == pytest.approx(sum(pictures + texts) / 4)

    def test_is_the_usual_loss_if_each_text_fits_its_picture_alone(self):
        torch.manual_seed(0)
        image, text = (F.normalize(torch.randn(6, 4), dim=-1) for _ in range(2))
        logits, right = 10 * image @ text.T, torch.arange(6)
        usual = (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
        loss = clip.clip_loss(image, text, torch.tensor(10.0), torch.eye(6, dtype=torch.bool))
        torch.testing.assert_close(loss, usual)


def test_fullest_text_is_said_three_times_in_four():
    view = View(np.zeros((1, 1, 3)), ("a red car", "a car"), np.zeros((1, 1, 2)))
    texts = [clip.said(view, generator("train", seed)) for seed in range(400)]
    assert set(texts) == set(view.texts)
    assert np.mean([text == "a red car" for text in texts]) == pytest.approx(0.75, abs=0.06)


def test_joined_scenes_have_labels_where_they_stand():
    view, rng = clip.joined(generator("train", 0)), generator("train", 0)
    left, right = (whole(sample_scene(rng), rng) for _ in range(2))
    side = len(view.image)
    top = (side - SIZE) // 2
    assert view.texts == ()
    assert view.labels.shape == (side, side, 2)
    for scene, columns in ((left, slice(0, SIZE)), (right, slice(side - SIZE, side))):
        np.testing.assert_array_equal(view.image[top : top + SIZE, columns], scene.image)
        np.testing.assert_array_equal(view.labels[top : top + SIZE, columns], scene.labels)
    assert np.count_nonzero(view.labels) == sum(np.count_nonzero(v.labels) for v in (left, right))


class TestMatcher:
    @pytest.fixture(scope="class")
    @classmethod
    def batches(cls):
        return [matcher.crops(generator("train", seed)) for seed in range(6)]

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, batches):
        return [what for batch in batches for what in batch.shown]

    @pytest.fixture(scope="class")
    @classmethod
    def said(cls, shown):
        """What is shown, what is said of it rightly, and wrongly."""
        shown = shown * 5
        return list(zip(shown, *matcher.texts(shown, generator("train", 9)), strict=True))

    def test_shapes(self, batches):
        for batch in batches:
            assert batch.pictures.shape == (matcher.BATCH, matcher.SIDE, matcher.SIDE, 3)
            assert batch.pictures.dtype == np.uint8
            assert batch.labels.shape == (matcher.BATCH, matcher.GRID, matcher.GRID, 2)
            assert len(batch.shown) == matcher.BATCH

    def test_one_crop_in_ten_shows_ground(self, shown):
        assert np.mean([noun in GROUNDS for noun, _ in shown]) == pytest.approx(0.1, abs=0.05)
        assert all((colour == "") == (noun in GROUNDS) for noun, colour in shown)

    def test_labels_tell_what_is_shown(self, batches):
        for batch in batches:
            for (noun, colour), labels in zip(batch.shown, batch.labels, strict=True):
                if noun in GROUNDS:
                    assert (labels[..., 0] > 0).mean() < 0.1
                else:
                    numbers = CATEGORY_INDEX[noun], COLOUR_INDEX[colour]
                    assert (labels == numbers).all(-1).mean() > 0.1

    def test_same_generator_gives_the_same_batch(self, batches):
        again = matcher.crops(generator("train", 2))
        assert again.shown == batches[2].shown
        np.testing.assert_array_equal(again.pictures, batches[2].pictures)

    def test_right_texts_fit_and_wrong_ones_do_not(self, said):
        for shown, right, wrong in said:
            assert matcher.fits(right, shown)
            assert not matcher.fits(wrong, shown)

    def test_right_texts_name_the_colour_three_times_in_five(self, said):
        coloured = [right[1] != "" for shown, right, _ in said if shown[0] in CATEGORIES]
        assert np.mean(coloured) == pytest.approx(0.6, abs=0.06)

    def test_wrong_texts_err_in_every_way(self, said):
        """Shares among texts that name the colour, where every error is possible."""
        kinds = []
        for (noun, colour), right, (other_noun, other_colour) in said:
            if not right[1]:
                continue
            if other_noun in GROUNDS:
                kinds.append("ground")
            elif other_noun == noun:
                kinds.append("colour")
            else:
                kinds.append("category" if other_colour == colour else "both")
        shares = [kinds.count(kind) / len(kinds) for kind in ("category", "colour", "both")]
        np.testing.assert_allclose(shares, [0.45, 0.25, 0.2], atol=0.06)
        assert kinds.count("ground") / len(kinds) == pytest.approx(0.1, abs=0.05)

    def test_bare_nouns_are_not_met_with_a_wrong_colour(self, said):
        assert all(wrong[0] != shown[0] for shown, right, wrong in said if not right[1])

    @pytest.mark.parametrize(
        ("text", "shown", "expected"),
        [
            (("car", "red"), ("car", "red"), True),
            (("car", ""), ("car", "red"), True),
            (("car", "blue"), ("car", "red"), False),
            (("boat", "red"), ("car", "red"), False),
            (("boat", ""), ("car", "red"), False),
            (("sand", ""), ("sand", ""), True),
            (("sand", ""), ("snow", ""), False),
            (("car", "red"), ("sand", ""), False),
        ],
    )
    def test_fits(self, text, shown, expected):
        assert matcher.fits(text, shown) is expected

    @pytest.mark.parametrize(
        ("noun", "colour", "forms"),
        [
            ("car", "orange", {"orange car", "an orange car"}),
            ("car", "", {"car", "a car"}),
            ("sand", "", {"nothing but sand"}),
        ],
    )
    def test_say(self, noun, colour, forms):
        texts = {matcher.say(noun, colour, generator("train", seed)) for seed in range(60)}
        assert texts == forms | {f"{form}." for form in forms}


class TestEncode:
    """Conversations of two turns and of one, which is padded."""

    TALKS = tuple(
        Conversation(np.zeros((8, 8, 3), np.uint8), turns)
        for turns in (
            (("Describe this image.", "A red car."), ("Is there a car?", "Yes.")),
            (("Describe this image.", "A mug."),),
        )
    )

    @pytest.fixture(scope="class")
    @classmethod
    def processor(cls):
        return mllm.processor()

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls, processor):
        return mllm.encode_talks(processor.tokenizer, list(cls.TALKS))

    @pytest.mark.parametrize("k", [0, 1])
    def test_reads_as_the_chat_template_of_the_model(self, processor, batch, k):
        ids = batch["input_ids"][k][batch["attention_mask"][k] == 1]
        messages = []
        for n, (question, answer) in enumerate(self.TALKS[k].turns):
            asked = [{"type": "text", "text": question}]
            image = [] if n else [{"type": "image"}]
            messages.append({"role": "user", "content": image + asked})
            messages.append(
                {"role": "assistant", "content": [{"type": "text", "text": answer}]},
            )
        expected = processor.apply_chat_template(messages)
        expected = expected.replace("<image>", "<image>" * clip.GRID**2)
        assert processor.tokenizer.decode(ids) == expected

    @pytest.mark.parametrize(
        ("k", "answers"), [(0, " A red car.</s> Yes.</s>"), (1, " A mug.</s>")]
    )
    def test_only_answers_are_learnt(self, processor, batch, k, answers):
        labels, ids = batch["labels"][k], batch["input_ids"][k]
        learnt = labels != -100
        assert (labels[learnt] == ids[learnt]).all()
        assert processor.tokenizer.decode(labels[learnt]) == answers

    def test_shapes(self, batch):
        assert len({value.shape for value in batch.values()}) == 1
        assert batch["attention_mask"][0].all()
        padding = batch["attention_mask"][1] == 0
        assert padding.any()
        assert (batch["labels"][1][padding] == -100).all()


class TestRate:
    SCHEDULE = Schedule(steps=1000, lr=2.0, warmup=100)

    @pytest.mark.parametrize(
        ("step", "since_start", "share"),
        [
            (0, 0, 0.01),  # first of 100 steps of warm-up
            (0, 99, 1),  # the peak
            (500, 500, 0.505),  # half way from 1 to 0.01
            (500, 0, 0.00505),  # begun again: warm-up
            (500, 49, 0.2525),
            (1000, 1000, 0.01),  # a hundredth at the end
            (2000, 2000, 0.01),  # and after it
        ],
    )
    def test_share_of_the_peak(self, step, since_start, share):
        assert self.SCHEDULE.rate(step, since_start) == pytest.approx(2 * share)

    def test_only_falls_after_the_warm_up(self):
        rates = [self.SCHEDULE.rate(step, step) for step in range(100, 1001)]
        assert (np.diff(rates) < 0).all()


class Training:
    """A line is fitted in `folder`; `batches` are the numbers of those it was given."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.folder, self.batches = folder, []
        self.model = nn.Linear(3, 1).to(loop.device())

    def run(self, steps, killed_at=None, **settings):
        def losses(step):
            if step == killed_at:
                raise KeyboardInterrupt
            self.batches.append(step)
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            x = x.to(loop.device())
            error = self.model(x) - x.sum(1, keepdim=True)
            return {"square": error.square().mean(), "step": torch.tensor(float(step))}

        fit(self.model, losses, Schedule(steps=steps, lr=0.05, warmup=5, **settings), self.folder)
        return self

    def weights(self):
        return self.model.weight.detach().clone()

    def state(self):
        return load_file(self.folder / "state.safetensors", device=str(loop.device()))


class TestFit:
    def test_learns_and_keeps_the_average(self, tmp_path):
        run = Training(tmp_path).run(steps=200, ema=0.9)
        assert run.batches == list(range(200))
        torch.testing.assert_close(run.weights(), torch.ones_like(run.weights()), rtol=0, atol=0.1)
        state = run.state()
        torch.testing.assert_close(run.weights(), state["average/weight"], rtol=0, atol=0)
        assert (state["average/weight"] != state["model/weight"]).all()
        assert not run.model.training

    def test_goes_on_after_its_last_step_if_that_is_raised(self, tmp_path):
        Training(tmp_path).run(steps=6)
        assert Training(tmp_path).run(steps=10).batches == [6, 7, 8, 9]

    def test_goes_on_where_it_was_saved_before_a_kill(self, tmp_path):
        first, second = Training(tmp_path), Training(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            first.run(steps=12, killed_at=7, save_seconds=0)
        saved = first.state()["model/weight"]
        torch.testing.assert_close(saved, first.weights(), rtol=0, atol=0)
        assert (second.weights() != saved).any()
        with pytest.raises(KeyboardInterrupt):  # before its first step
            second.run(steps=12, killed_at=7)
        torch.testing.assert_close(second.weights(), saved, rtol=0, atol=0)
        assert second.run(steps=12).batches == [7, 8, 9, 10, 11]

    def test_killed_before_it_saved_begins_again(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            Training(tmp_path).run(steps=12, killed_at=7)
        assert Training(tmp_path).run(steps=12).batches == list(range(12))

    def test_packed_goes_on_from_its_average(self, tmp_path):
        training = Training(tmp_path / "there")
        training.run(20)
        pack(tmp_path / "there", tmp_path / "here")
        kept = load_file(tmp_path / "here" / "state.safetensors")
        assert all(name.startswith("average/") for name in kept)
        assert {value.dtype for value in kept.values()} == {torch.float16}
        again = Training(tmp_path / "here")
        again.run(20)  # nothing is left to do
        for name, value in again.model.state_dict().items():
            torch.testing.assert_close(value, training.model.state_dict()[name], atol=1e-3, rtol=0)

    def test_finished_training_does_nothing_again(self, tmp_path):
        first = Training(tmp_path).run(steps=8)
        second = Training(tmp_path).run(steps=8)
        assert second.batches == []
        torch.testing.assert_close(second.weights(), first.weights(), rtol=0, atol=0)

    def test_frozen_parameters_stay(self, tmp_path):
        run = Training(tmp_path)
        run.model.bias.requires_grad_(False)
        before = run.model.bias.clone()
        run.run(steps=5)
        torch.testing.assert_close(run.model.bias, before, rtol=0, atol=0)


class TestCurve:
    def test_means_of_fifty_steps_and_of_the_rest(self, tmp_path):
        Training(tmp_path).run(steps=120)
        rows = list(csv.reader((tmp_path / "curve.csv").open()))
        steps = ["50", "100", "120"]
        assert [step for step, _, _ in rows] == [step for step in steps for _ in range(2)]
        assert [float(value) for _, name, value in rows if name == "step"] == [24.5, 74.5, 109.5]

    def test_steps_that_come_again_after_a_kill_are_drawn_once(self, tmp_path):
        Training(tmp_path).run(steps=60)
        with pytest.raises(KeyboardInterrupt):
            Training(tmp_path).run(steps=120, killed_at=110)
        Training(tmp_path).run(steps=120)
        rows = csv.reader((tmp_path / "curve.csv").open())
        assert [step for step, name, _ in rows if name == "square"] == ["50", "60", "100", "120"]

    def test_is_drawn(self, tmp_path):
        rows = [(step, name, 1 / step) for step in (50, 100) for name in ("itc", "itm")]
        with (tmp_path / "curve.csv").open("w") as lines:
            csv.writer(lines).writerows(rows)
        draw_curve(tmp_path, tmp_path / "curve.png", "matcher, 100 steps")
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
        picture = cv2.imread(str(tmp_path / "curve.png"))
        assert picture.shape == (306, 540, 3)
        assert (np.ptp(picture, axis=2) > 100).sum() > 200  # coloured lines


def test_card_says_how_the_model_came_about(tmp_path):
    Training(tmp_path / "work").run(steps=7)
    save_card("judge", tmp_path / "work", tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("# judge\n")
    assert "Data: scenes drawn afresh" in card
    assert f"- Steps: 7, in 0.0 hours on {loop.machine()}.\n" in card
    assert "(curve.png)" in card


def test_role_that_goes_on_from_another_shares_its_trainer(tmp_path):
    Training(tmp_path / "work").run(steps=1)
    save_card("mllm_clean", tmp_path / "work", tmp_path)
    assert "python -m imgdiff.toyland.train mllm_clean" in (tmp_path / "README.md").read_text()


def test_cells_of_the_diffusion_model_are_labelled_with_what_stands_there():
    scene = sample_scene(generator("train", 5), count=2)
    cover = diffusion._cell_cover(draw(scene).masks)
    assert cover.shape == (2, 16, 16)
    categories, colours = diffusion._cell_labels(scene, cover)
    for k, thing in enumerate(scene.objects):
        full = cover[k] > 0.9
        assert full.any()
        assert set(categories[full]) == {1 + list(CATEGORIES).index(thing.category)}
        assert set(colours[full]) == {1 + list(COLOURS).index(thing.colour)}
    assert not categories[cover.max(0) < 0.3].any()
