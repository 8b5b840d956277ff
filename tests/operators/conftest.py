"""Fake models whose answers a test sets, and rows of plain pictures.

What a fake sees of a picture is its level: the value of its centre pixel. `FakeClip` embeds level d
as the unit vector at d degrees, so that pictures of levels 10 and 70 have a cosine of 0.5.
"""

from collections import defaultdict

import numpy as np
import pytest

from imgdiff.data.images import encode_png
from imgdiff.data.rows import Region
from imgdiff.models.families.toyland import Toyland
from imgdiff.testing import make_row

SIDE = 64
BOX = (8.0, 8.0, 24.0, 24.0)


def level(picture):
    high, wide = picture.shape[:2]
    return int(picture[high // 2, wide // 2, 0])


class FakeClip:
    def __init__(self):
        self.text_degrees = {}

    def embed_images(self, pictures):
        return _unit_vectors([level(picture) for picture in pictures])

    def embed_texts(self, texts):
        return _unit_vectors([self.text_degrees.get(text, 0) for text in texts])

    def embed_classes(self, prompts):
        return self.embed_texts([texts[0] for texts in prompts])


def _unit_vectors(degrees):
    angles = np.radians(np.array(degrees, np.float32))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


class FakeMatcher:
    def __init__(self):
        self.itc, self.itm = defaultdict(float), defaultdict(float)  # (level, text) -> score
        self.asked = []

    def match(self, pictures, texts, itm=False):
        asked = [(level(p), text) for p, text in zip(pictures, texts, strict=True)]
        self.asked += asked
        itc, probable = (
            np.array([s[pair] for pair in asked], np.float32) for s in (self.itc, self.itm)
        )
        return itc, probable if itm else None


class FakeSegmenter:
    def __init__(self):
        self.boxes = {}  # level of the whole picture -> boxes found in it
        self.named = {}  # level and phrase -> boxes of what it names
        self.settings = []

    def segment(self, image, *settings):
        self.settings.append(settings)
        return self._segments(image, self.boxes.get(level(image), []))

    def segment_named(self, image, phrases, *settings):
        self.settings.append((*phrases, *settings))
        found = [self.named.get((level(image), phrase), []) for phrase in phrases]
        return self._segments(image, [box for boxes in found for box in boxes])

    def _segments(self, image, boxes):
        mask = {"size": list(image.shape[:2]), "counts": [image.shape[0] * image.shape[1]]}
        return [{"box_xyxy": box, "mask": mask, "score": 0.9} for box in boxes]


class FakeMllm:
    """pictures, questions: what it was asked, as the embedded MLLM's processor would get it."""

    def __init__(self):
        self.profile = Toyland()
        self.say = lambda picture, question: f"A thing of level {level(picture)}."
        self.pictures, self.questions = [], []

    def answer(self, questions, max_new_tokens):
        return [self.say(q.pictures[0], q.text) for q in self._noted(questions)]

    def yes_probability(self, questions):
        """The level of a picture in percent; NaN from level 200 on."""
        noted = self._noted(questions)
        levels = np.array([level(question.pictures[0]) for question in noted], np.float32)
        return np.where(levels < 200, levels / 100, np.nan)

    def _noted(self, questions):
        prepared = [self.profile.prepared(question) for question in questions]
        self.pictures += [picture for question in prepared for picture in question.pictures]
        self.questions += [question.text for question in prepared]
        return prepared


class FakeNsfwClassifier:
    """The level of a picture is its probability in percent."""

    labels = ("normal", "nsfw", "porn")

    def probability(self, pictures, labels):
        return np.array([level(picture) / 100 for picture in pictures], np.float32)


class FakeModels:
    """One fake for each role, which a test may set up before the operator runs."""

    def __init__(self):
        self.fakes = {
            "clip": FakeClip(),
            "matcher": FakeMatcher(),
            "segmenter": FakeSegmenter(),
            "mllm": FakeMllm(),
            "nsfw": FakeNsfwClassifier(),
        }
        self.token_limit = 20

    def clip(self):
        return self.fakes["clip"]

    def matcher(self):
        return self.fakes["matcher"]

    def segmenter(self):
        return self.fakes["segmenter"]

    def mllm(self):
        return self.fakes["mllm"]

    def nsfw(self):
        return self.fakes["nsfw"]

    def prompt_limit(self):
        return lambda caption: (len(caption.split()), self.token_limit)

    def caption_limit(self):
        return self.prompt_limit()


@pytest.fixture
def models():
    return FakeModels()


@pytest.fixture
def paint():
    """paint(level, {box: level}): a stored picture of one level with boxes of others."""

    def make(ground=0, boxes=None, size=(SIDE, SIDE)):
        array = np.full((*size, 3), ground, np.uint8)
        for (left, top, right, bottom), value in (boxes or {}).items():
            array[int(top) : int(bottom), int(left) : int(right)] = value
        return encode_png(array)

    return make


@pytest.fixture
def pair_row(paint):
    """pair_row(10, 70): a row whose only box has level 10 in A and 70 in B; the rest has 0."""

    def make(level_a=10, level_b=70, id="row-0", regions=None, **values):
        given = {
            "caption_a": "a car on sand",
            "caption_b": "a boat on sand",
            "image_a": paint(0, {BOX: level_a}),
            "image_b": paint(0, {BOX: level_b}),
        }
        if regions is None:
            regions = [Region(BOX, "a", caption_a="A car.", caption_b="A boat.")]
        return make_row(id, regions, **(given | values))

    return make


@pytest.fixture
def boxes_row(paint):
    """boxes_row({box: (level in A, level in B)}): a row with these boxes; the rest has level 0."""

    def make(boxes, id="row-0"):
        pictures = [paint(0, {box: levels[k] for box, levels in boxes.items()}) for k in (0, 1)]
        regions = [Region(box, "a") for box in boxes]
        return make_row(id, regions, image_a=pictures[0], image_b=pictures[1])

    return make
