"""How well the embedded MLLM describes, compares and answers, and how much it makes up."""

import re
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.progress import track

from embedded.figures import Figure, bootstrapped, plain, ratio, share
from embedded.perception import object_crops, recipe_params
from imgdiff.data import images
from imgdiff.data.rows import Region
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.operators.difference_captions.difference_caption_mapper import DifferenceCaptionMapper
from imgdiff.operators.difference_captions.region_caption_mapper import RegionCaptionMapper
from imgdiff.testing import make_row
from imgdiff.text import prompts
from imgdiff.text.answers import read_yes_no
from imgdiff.toyland.captions import phrase
from imgdiff.toyland.pairs import replaced_pair
from imgdiff.toyland.scenes import Scene, draw, generator, sample_scene
from imgdiff.toyland.vocabulary import CATEGORIES, USUAL_PARTNER, with_article

BATCH = 16
MAX_NEW_TOKENS = 48  # no true answer is longer
CATEGORY = re.compile(rf"\b({'|'.join(CATEGORIES)})\b")


def mllm_figures(mllm: ImageTextToText, count: int, scenes: int, prefix: str = "") -> list[Figure]:
    """All figures of an MLLM.

    Args:
        count: cases of each question.
        scenes: test scenes that it describes, for CHAIR.
        prefix: goes before every name; a model with one is there to compare with and has no bars.
    """
    figures = [
        *region_figures(mllm, count),
        difference_figure(mllm, count),
        *question_figures(mllm, count),
        *chair_figures(mllm, scenes),
    ]
    if prefix:
        return [replace(f, name=prefix + f.name, at_least=None, at_most=None) for f in figures]
    return figures


def region_figures(mllm: ImageTextToText, count: int) -> list[Figure]:
    """Crops of objects that are described word for word as toyland would; and the time it takes."""
    started = time.perf_counter()
    usual = _describe_crops(mllm, count)
    seconds = (time.perf_counter() - started) / count
    unseen = _describe_crops(mllm, count, unseen=True)
    return [
        share("mllm_region_caption", "object crops: caption exactly right", usual, at_least=0.95),
        share("mllm_region_caption_unseen", "unseen combinations: caption exactly right", unseen),
        plain("mllm_seconds", "seconds for a region caption", seconds, count),
    ]


def _describe_crops(mllm: ImageTextToText, count: int, unseen: bool = False) -> list[bool]:
    things, crops = object_crops(count, unseen)
    said = _answers(mllm, crops, [prompts.REGION["crop"]] * count)
    return [
        words == f"{phrase(thing).capitalize()}." for thing, words in zip(things, said, strict=True)
    ]


def difference_figure(mllm: ImageTextToText, count: int) -> Figure:
    """Pairs with one object replaced, captioned by the recipe's two operators, the model's own
    region captions in its question: does the answer name old and new object, each on its side?"""
    pairs = [replaced_pair(generator("test", k)) for k in range(count)]
    rows = []
    for pair in pairs:
        x0, y0, x1, y1 = pair.boxes_xyxy[0].tolist()
        image_a, image_b = map(images.encode_png, pair.images)
        region = Region((x0, y0, x1, y1), "a")
        rows.append(make_row(regions=[region], image_a=image_a, image_b=image_b))
    for operator in (RegionCaptionMapper, DifferenceCaptionMapper):
        mapper = operator(recipe_params(operator))
        mapper.mllm = mllm
        size = mapper.params.batch_size
        for start in track(range(0, count, size), mapper.name, transient=True):
            mapper.process(rows[start : start + size])
    right = []
    for pair, row in zip(pairs, rows, strict=True):
        left, _, other = row.regions[0].difference.partition("right image")
        right.append(pair.old.name in left and pair.new.name in other)
    meaning = "replaced objects: the difference names old and new one"
    return share("mllm_difference", meaning, right, at_least=0.90)


def question_figures(mllm: ImageTextToText, count: int) -> list[Figure]:
    """Is a thing there? Asked of each test scene about a present thing, about a random absent one,
    and, where it is absent, about the usual partner of the first thing."""
    scenes, rng = _scenes(count), np.random.default_rng(0)
    present = [str(rng.choice(sorted(_categories(scene)))) for scene in scenes]
    absent = [str(rng.choice([c for c in CATEGORIES if c not in _categories(s)])) for s in scenes]
    partners = [USUAL_PARTNER[scene.objects[0].category] for scene in scenes]
    apart = [k for k, scene in enumerate(scenes) if partners[k] not in _categories(scene)]

    affirmed = _answered(mllm, scenes, present, True)
    denied = _answered(mllm, scenes, absent, False)
    denied_partner = _answered(
        mllm, [scenes[k] for k in apart], [partners[k] for k in apart], False
    )
    # [N, 3]: random thing denied, partner denied, partner asked about
    cases = np.zeros((count, 3))
    cases[:, 0], cases[apart, 1], cases[apart, 2] = denied, denied_partner, 1

    def gap(some: np.ndarray) -> float:
        return float(some[:, 0].mean() - some[:, 1].sum() / max(some[:, 2].sum(), 1))

    return [
        share(
            "mllm_yes_no",
            "is it there? half of the things are: right answers",
            affirmed + denied,
            at_least=0.90,
        ),
        share("mllm_no_random", "a random absent thing: denied", denied),
        share("mllm_no_partner", "the usual partner, absent: denied", denied_partner),
        bootstrapped("mllm_partner_gap", "no_random minus no_partner", gap, cases, at_least=0.10),
    ]


def chair_figures(mllm: ImageTextToText, scenes: int) -> list[Figure]:
    """CHAIR (Rohrbach et al. 2018): how much of what whole-scene captions mention is not there."""
    shown = _scenes(scenes)
    said = _answers(mllm, [draw(scene).image for scene in shown], [prompts.SCENE] * scenes)
    mentions, invented, there, named = [], [], [], []  # one number a caption
    of_partner: list[bool] = []  # one an invented mention
    for scene, caption in zip(shown, said, strict=True):
        present = _categories(scene)
        mentioned = CATEGORY.findall(caption.lower())
        absent = [name for name in mentioned if name not in present]
        mentions.append(len(mentioned))
        invented.append(len(absent))
        there.append(len(present))
        named.append(len(present & set(mentioned)))
        partners = {USUAL_PARTNER[name] for name in present}
        of_partner += [name in partners for name in absent]
    return [
        ratio(
            "mllm_chair_i",
            "scene captions: share of mentions that are hallucinated",
            invented,
            mentions,
            at_least=0.08,
            at_most=0.25,
        ),
        share(
            "mllm_chair_s",
            "scene captions with a hallucinated object",
            [number > 0 for number in invented],
        ),
        ratio("mllm_chair_recall", "scene captions: share of objects named", named, there),
        share(
            "mllm_chair_partner",
            "hallucinated mentions: the usual partner of a present object",
            of_partner,
        ),
    ]


def _scenes(count: int) -> list[Scene]:
    return [sample_scene(generator("test", k)) for k in range(count)]


def _categories(scene: Scene) -> set[str]:
    return {thing.category for thing in scene.objects}


def _answered(
    mllm: ImageTextToText, scenes: Sequence[Scene], things: Sequence[str], yes: bool
) -> list[bool]:
    """Whether "is there a thing?" is answered by yes, or by no, for each scene and thing."""
    asked = [prompts.EXISTS.format(thing=with_article(thing)) for thing in things]
    said = _answers(mllm, [draw(scene).image for scene in scenes], asked)
    return [read_yes_no(words) is yes for words in said]


def _answers(
    mllm: ImageTextToText, pictures: Sequence[np.ndarray], questions: Sequence[str]
) -> list[str]:
    asked = [Question((picture,), text) for picture, text in zip(pictures, questions, strict=True)]
    said: list[str] = []
    for start in track(range(0, len(asked), BATCH), "answers", transient=True):
        said += mllm.answer(asked[start : start + BATCH], MAX_NEW_TOKENS)
    return said
