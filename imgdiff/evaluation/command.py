"""`imgdiff evaluate {pope,chair,pairs,captions,ohd}`: questions to a model, answers, a table."""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from imgdiff.console.progress import make_console
from imgdiff.errors import RefusedError
from imgdiff.evaluation import annotations, asking, captions, chair, ohd_command, pairs, pope
from imgdiff.evaluation.asking import Prompt
from imgdiff.evaluation.naming import named_model
from imgdiff.models import Models
from imgdiff.statistics.estimates import Estimate
from imgdiff.text import prompts

Scores = Mapping[str, Mapping[str, Estimate]]  # row of the table -> metric -> value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tests = parser.add_subparsers(required=True, metavar="TEST")

    test = tests.add_parser("pope", help="is there a cup in the image? yes or no")
    test.add_argument(
        "--questions", type=Path, nargs="+", help="published POPE files (.json lines)"
    )
    test.add_argument("--instances", type=Path, help="COCO instances or .jsonl, to build them from")
    test.add_argument("--toyland", type=int, metavar="N", help="built from N rendered test scenes")
    test.add_argument("--setting", choices=pope.SETTINGS, help="one of them (default: all three)")
    test.add_argument("--count", type=int, default=500, help="images, where questions are built")
    test.add_argument("--parser", choices=pope.PARSERS, default="official", help="how yes is read")
    _add_common(test, max_new_tokens=16)
    test.set_defaults(test=_pope)

    test = tests.add_parser("chair", help="what captions mention that is not there")
    test.add_argument("--instances", type=Path, help="COCO instances or .jsonl")
    test.add_argument("--captions", type=Path, help="COCO captions, which count as truth too")
    test.add_argument("--toyland", type=int, metavar="N", help="N rendered test scenes")
    test.add_argument("--vocabulary", help="coco, toyland, or a file (default: by the images)")
    test.add_argument("--prompt", default=prompts.SCENE)
    _add_common(test, max_new_tokens=64)
    test.set_defaults(test=_chair)

    test = tests.add_parser("pairs", help="MMVP's rule: both questions of a pair right")
    test.add_argument("--questions", type=Path, help="MMVP's Questions.csv")
    test.add_argument("--toyland", type=int, metavar="N", help="N rendered pairs")
    _add_common(test, max_new_tokens=32)
    test.set_defaults(test=_pairs)

    test = tests.add_parser("captions", help="BLEU-4, ROUGE-L and CIDEr-D against references")
    test.add_argument(
        "--references",
        type=Path,
        required=True,
        help='.jsonl: {"id", "image", "references": [...]} a line, perhaps with a "question"',
    )
    test.add_argument("--prompt", default=prompts.SCENE, help="where a line has no question")
    _add_common(test, max_new_tokens=64)
    test.set_defaults(test=_captions)

    test = tests.add_parser("ohd", help="an image's own caption against hard negatives (OHD-Caps)")
    ohd_command.add_arguments(test)
    test.set_defaults(test=ohd_command.evaluate)


def _add_common(test: argparse.ArgumentParser, max_new_tokens: int) -> None:
    test.add_argument(
        "--model",
        help="folder, Hub name, embedded, or an endpoint as {base_url: ..., model: ...}; "
        "not needed where --answers holds all",
    )
    test.add_argument("--images", type=Path, help="folder of the images")
    test.add_argument("--limit", type=int, help="the first images, or pairs, only")
    test.add_argument(
        "--answers", type=Path, help="answers are kept in this .jsonl, and not asked for twice"
    )
    test.add_argument("--batch-size", type=int, default=16)
    test.add_argument("--max-new-tokens", type=int, default=max_new_tokens)
    test.add_argument("--json", type=Path, help="write the figures there too")


def run(given: argparse.Namespace) -> int:
    """Do the test that was asked for, print its table; returns the exit code."""
    scores: Scores = given.test(given)
    _print(make_console(), scores)
    if given.json:
        content = {
            row: {name: asdict(value) for name, value in each.items()}
            for row, each in scores.items()
        }
        given.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _pope(given: argparse.Namespace) -> Scores:
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


def _chair(given: argparse.Namespace) -> Scores:
    shown = _annotated(given)[: given.limit]
    vocabulary = given.vocabulary or ("coco" if given.toyland is None else "toyland")
    words = chair.load_vocabulary(vocabulary)
    answers = _answers(given, [Prompt(each.image, each.image, given.prompt) for each in shown])
    return {"chair": chair.scores(shown, answers, words)}


def _pairs(given: argparse.Namespace) -> Scores:
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


def _captions(given: argparse.Namespace) -> Scores:
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

        load = toyland.load
    elif given.images is None and given.model:
        raise RefusedError("give --images FOLDER")
    else:
        load = asking.from_folder(given.images or Path())
    settings = {"kept": given.answers, "batch_size": given.batch_size}
    settings["max_new_tokens"] = given.max_new_tokens
    if not given.model:
        return asking.ask(None, asked, load, **settings)
    named = named_model(given.model, "mllm", {"embedded": "mllm"})
    with closing(Models({"mllm": named})) as models:
        return asking.ask(models.mllm().answer, asked, load, **settings)


def _print(console: Console, scores: Scores) -> None:
    """A row for each part, a column for each metric, with 95 % intervals."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for name in next(iter(scores.values())):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("items", justify="right")
    for row, metrics in scores.items():
        items = next(iter(metrics.values())).items
        table.add_row(row, *(str(value) for value in metrics.values()), str(items))
    console.print(table)
    console.print("in brackets: 95 % intervals, by bootstrap")
