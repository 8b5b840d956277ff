"""POPE's questions about many scenes at once: the logits of the first token of every answer.

A scene's picture and the words before the question are read once for all of its questions, so that
a scene costs little more than a question. The first word decides an answer of the embedded MLLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from imgdiff.evaluation import pope
from imgdiff.evaluation.annotations import Annotated
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.roles import Question
from imgdiff.toyland.scenes import Scene, draw, generator, sample_scene
from imgdiff.training.seed.distortion import diffuse, noise_like

BATCH = 8  # scenes


@dataclass(frozen=True)
class Exam:
    """POPE's three settings on scenes of a split.

    asked: [(scene, question)], every question once. truth: [N] bool, beside it. chosen: setting ->
    places in `asked`, whole scenes one after another.
    """

    scenes: list[Scene]
    asked: list[tuple[int, str]]
    truth: np.ndarray
    chosen: dict[str, np.ndarray]


def exam(split: str, count: int) -> Exam:
    """The first `count` scenes of a split that have three objects, as POPE wants them."""
    scenes: list[Scene] = []
    seed = 0
    while len(scenes) < count:
        scene = sample_scene(generator(split, seed))
        if len(scene.objects) >= pope.POSITIVES:
            scenes.append(scene)
        seed += 1
    shown = [
        Annotated(str(k), tuple(thing.category for thing in scene.objects), ())
        for k, scene in enumerate(scenes)
    ]
    places: dict[tuple[int, str], int] = {}
    truth, chosen = [], {}
    for setting in pope.SETTINGS:
        chosen[setting] = []
        for question in pope.build(shown, setting, count):
            key = int(question.image), question.text
            if key not in places:
                places[key] = len(places)
                truth.append(question.truth)
            chosen[setting].append(places[key])
    return Exam(scenes, list(places), np.array(truth), {s: np.array(k) for s, k in chosen.items()})


@torch.inference_mode()
def first_logits(mllm: ImageTextToText, questions: Exam, noise_step: int | None = None) -> Tensor:
    """[N, V] float32: the logits of the first token of each answer, the picture distorted or not.

    noise_step: None for clean pictures; the noise of a scene is the same in every call.
    """
    found: list[Tensor | None] = [None] * len(questions.asked)
    numbers = list(range(len(questions.scenes)))
    by_scene: dict[int, list[int]] = {k: [] for k in numbers}
    for place, (scene, _) in enumerate(questions.asked):
        by_scene[scene].append(place)
    for start in track(range(0, len(numbers), BATCH), "answers", transient=True):
        some = numbers[start : start + BATCH]
        places = [place for k in some for place in by_scene[k]]
        owners = [row for row, k in enumerate(some) for _ in by_scene[k]]
        pictures = [draw(questions.scenes[k]).image for k in some]
        texts = [questions.asked[place][1] for place in places]
        torch.manual_seed(start)
        logits = _scene_logits(mllm, pictures, texts, owners, noise_step)
        for place, row in zip(places, logits, strict=True):
            found[place] = row
    return torch.stack([row for row in found if row is not None])


def _scene_logits(
    mllm: ImageTextToText,
    pictures: Sequence[np.ndarray],
    texts: Sequence[str],
    owners: Sequence[int],
    noise_step: int | None,
) -> Tensor:
    """[N, V] of questions, each about the picture whose number `owners` gives."""
    image = mllm.model.config.image_token_id
    batch = mllm.batch([Question((picture,), texts[0]) for picture in pictures])
    until = int((batch["input_ids"][0] == image).nonzero().max()) + 1
    pixels = batch["pixel_values"]
    if noise_step is not None:
        pixels = diffuse(pixels, noise_step, noise_like(pixels))
    shared = {"input_ids": batch["input_ids"][:, :until], "pixel_values": pixels}
    read = mllm.model(**shared, use_cache=True).past_key_values
    read.batch_select_indices(torch.tensor(owners))
    tails = [_behind_picture(mllm, text, image) for text in texts]
    ends = torch.tensor([len(tail) - 1 for tail in tails])
    # padded on the right, where it cannot be seen from an end
    ids = torch.nn.utils.rnn.pad_sequence(tails, batch_first=True)
    logits = mllm.model(input_ids=ids, past_key_values=read, use_cache=True).logits
    return logits[torch.arange(len(ids)), ends].float()


def _behind_picture(mllm: ImageTextToText, question: str, image: int) -> Tensor:
    """The tokens of the prompt that follow the picture's."""
    parts = [{"type": "image"}, {"type": "text", "text": question}]
    ids = mllm.processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": parts}],
        chat_template=mllm.processor.chat_template,
        add_generation_prompt=True,
        return_dict=False,
    )
    return torch.tensor(ids[ids.index(image) + 1 :])


def verdicts(mllm: ImageTextToText, tokens: Tensor) -> np.ndarray:
    """[N] bool of first tokens [N]: POPE's official rule, under which all is yes but no."""
    denying = torch.tensor(mllm.first_tokens("no"))
    return ~torch.isin(tokens, denying).numpy()


def counts(questions: Exam, setting: str, said: np.ndarray) -> np.ndarray:
    """[scenes, 4]: true and false positives, false and true negatives of each scene.

    Args:
        said: [N] bool, beside `questions.asked`.
    """
    chosen = questions.chosen[setting].reshape(-1, 2 * pope.POSITIVES)
    truth, yes = questions.truth[chosen], said[chosen]
    kinds = (truth & yes, ~truth & yes, truth & ~yes, ~truth & ~yes)
    return np.stack([kind.sum(1) for kind in kinds], 1)
