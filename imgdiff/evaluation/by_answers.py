"""Tests of what a model answers: POPE, CHAIR, pairs and captions, as `imgdiff evaluate` asks for
them."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from imgdiff.errors import RefusedError
from imgdiff.evaluation import annotations, asking, captions, chair, pairs, pope
from imgdiff.evaluation.asking import Prompt
from imgdiff.evaluation.naming import named_model
from imgdiff.models import Models
from imgdiff.statistics.estimates import Estimate

ScoreTable = Mapping[str, Mapping[str, Estimate]]  # row of the table -> metric -> value


def pope_scores(given: argparse.Namespace) -> ScoreTable:
    """By setting of the questions."""
    if given.questions:
        questions = [
            q for path in given.questions for q in pope.read_questions(path, given.setting)
        ]
    else:
        shown = _annotated(given)
        settings = [given.setting] if given.setting else pope.SETTINGS
        questions = [q for s in settings for q in pope.build(shown, s, given.count)]
    if given.limit:
        first = list(dict.fromkeys(q.image for q in questions))[: given.limit]
        questions = [q for q in questions if q.image in first]
    answers = _answers(given, [Prompt(q.id, q.image, q.text) for q in questions])
    return pope.scores(questions, answers, given.parser)


def chair_scores(given: argparse.Namespace) -> ScoreTable:
    shown = _annotated(given)[: given.limit]
    vocabulary = given.vocabulary or ("coco" if given.toyland is None else "toyland")
    words = chair.load_vocabulary(vocabulary)
    answers = _answers(given, [Prompt(each.image, each.image, given.prompt) for each in shown])
    return {"chair": chair.scores(shown, answers, words)}


def pairs_scores(given: argparse.Namespace) -> ScoreTable:
    if given.toyland is not None:
        from imgdiff.evaluation import toyland

        questions = toyland.pair_questions(given.toyland)
    elif given.questions is not None:
        questions = pairs.read_mmvp(given.questions)
    else:
        raise RefusedError("give --questions FILE or --toyland N")
    questions = questions[: given.limit and 2 * given.limit]
    answers = _answers(given, [Prompt(q.id, q.image, q.text) for q in questions])
    return {"pairs": pairs.scores(questions, answers)}


def captions_scores(given: argparse.Namespace) -> ScoreTable:
    asked, references = [], {}
    for record, place in annotations.read_lines(given.references):
        try:
            prompt = Prompt(
                str(record["id"]),
                str(record.get("image", "")),
                record.get("question", given.prompt),
            )
            references[prompt.id] = [str(sentence) for sentence in record["references"]]
        except KeyError as error:
            raise RefusedError(f"{place}: {error} is missing") from None
        asked.append(prompt)
    asked = asked[: given.limit]
    answers = _answers(given, asked)
    return {"captions": captions.scores(answers, {p.id: references[p.id] for p in asked})}


def _annotated(given: argparse.Namespace) -> list[annotations.Annotated]:
    if given.toyland is not None:
        from imgdiff.evaluation import toyland

        return toyland.annotated(given.toyland)
    if given.instances is None:
        raise RefusedError("give --instances FILE or --toyland N")
    return annotations.read_annotations(given.instances, getattr(given, "captions", None))


def _answers(given: argparse.Namespace, asked: Sequence[Prompt]) -> dict[str, str]:
    """What the model says, or has said."""
    load: asking.Loader
    if getattr(given, "toyland", None) is not None:
        from imgdiff.evaluation import toyland

        load = toyland.load_picture
    elif given.images is None and given.model:
        raise RefusedError("give --images FOLDER")
    else:
        load = asking.from_folder(given.images or Path())
    settings = {"kept": given.answers, "batch_size": given.batch_size}
    settings["max_new_tokens"] = given.max_new_tokens
    if not given.model:
        return asking.ask(None, asked, load, **settings)
    named = named_model(given.model, "mllm", {"embedded": "mllm"}, given.trust)
    from imgdiff.models.loading import loading

    with closing(Models({"mllm": named})) as models:
        with loading(named.name):
            mllm = models.mllm()
        return asking.ask(mllm.answer, asked, load, **settings)
