"""`imgdiff VERB`, the same as `python -m imgdiff VERB`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from imgdiff import run
from imgdiff.check import check
from imgdiff.engines.survey import surveyed_rows
from imgdiff.errors import RefusedError
from imgdiff.evaluation import command
from imgdiff.export.formats import FORMATS, export, print_exports
from imgdiff.files import write_atomic
from imgdiff.input import Demand, Input
from imgdiff.language.coverage import measure, print_coverage
from imgdiff.language.lexicon import DEFAULT_LEXICON, LEXICON_NAMES, load_lexicon
from imgdiff.language.objects import ObjectStatistics, known_objects, print_objects
from imgdiff.operator import registry
from imgdiff.operator_listing import described
from imgdiff.progress import make_console
from imgdiff.readers import find
from imgdiff.recipe import LARGEST_VALIDATION, did_you_mean, hub_name
from imgdiff.rows import INPUT_FIELDS
from imgdiff.run_dir import open_complete, open_finished
from imgdiff.shard_files import to_json
from imgdiff.summary import build_report
from imgdiff.training import command as training
from imgdiff.training.check import check_training, is_training

NOT_CAPTIONS = frozenset(INPUT_FIELDS) - {"caption_a"}


def check_recipes(arguments: argparse.Namespace) -> int:
    """Report every problem of every recipe."""
    code = run.COMPLETE
    for path in arguments.recipes:
        try:
            print("\n  ".join(_checked(path)))
        except RefusedError as problem:
            print(problem, file=sys.stderr)
            code = run.REFUSED
    return code


def _checked(path: str) -> list[str]:
    """What a recipe without problems is, in words, and what may not be meant."""
    if not is_training(path):
        plan = check(path)
        return [f"{path}: fine, {len(plan.operators)} operators", *plan.advice]
    trained = check_training(path)
    facts = [f"trains by {trained.recipe.method}", *map(str, trained.missing)]
    return [f"{path}: fine, {'; '.join(facts)}"]


def push_run(arguments: argparse.Namespace) -> int:
    """Push the dataset of a finished run to the Hub."""
    try:
        repo = hub_name(arguments.repo)
    except ValueError as problem:
        raise RefusedError(str(problem)) from None
    with open_finished(Path(arguments.folder)) as folder:
        return run.push(make_console(), folder, repo, arguments.private)


def list_operators(arguments: argparse.Namespace) -> int:
    """Describe one operator, or all."""
    known = registry()
    if arguments.name and arguments.name not in known:
        hint = did_you_mean(arguments.name, known)
        print(f"{arguments.name}: unknown operator.{hint}", file=sys.stderr)
        return run.REFUSED
    names = [arguments.name] if arguments.name else sorted(known)
    print("\n\n".join(described(known[name]) for name in names))
    return run.COMPLETE


def export_run(arguments: argparse.Namespace) -> int:
    """Write a finished run in other formats."""
    path, console = Path(arguments.run), make_console()
    try:
        _refuse_arguments(arguments)
        folder = open_complete(path)
        folder.report = build_report(folder)
        fraction = arguments.validation_fraction
        if fraction is None:
            fraction = folder.info["recipe"].get("export", {}).get("validation_fraction", 0.0)
        output = Path(arguments.output) if arguments.output else path / "export"
        exports = [
            export(folder, name, output / name, fraction, console)
            for name in dict.fromkeys(arguments.format)
        ]
    except OSError as error:
        print(f"stopped: {error.filename or path}: {error.strerror}", file=sys.stderr)
        return run.STOPPED
    print_exports(console, exports)
    return run.COMPLETE


def _refuse_arguments(arguments: argparse.Namespace) -> None:
    for name in arguments.format:
        if name not in FORMATS:
            text = f"{name} is not one of {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}"
            raise RefusedError(f"--format: {text}")
    fraction = arguments.validation_fraction
    if fraction is not None and not 0 <= fraction <= LARGEST_VALIDATION:
        raise RefusedError(f"--validation-fraction: {fraction} is not 0 to {LARGEST_VALIDATION}")


def analyze_run(arguments: argparse.Namespace) -> int:
    """Show what each threshold of a run keeps."""
    from imgdiff.report.analysis import analyze

    return analyze(arguments)


def compare_runs(arguments: argparse.Namespace) -> int:
    """Show how two runs differ."""
    from imgdiff.compare import compare

    return compare(*arguments.runs)


def show_coverage(arguments: argparse.Namespace) -> int:
    """Print how much of a caption file a lexicon knows."""
    demand = Demand(seed=0, max_pixels=0, needed=frozenset(("caption_a",)), made=NOT_CAPTIONS)
    source = Input(find(arguments.file))
    rows = source.part(0, len(source)).rows(demand)
    unread = [row for row in rows if not row.ok]
    if unread:
        print(f"{len(unread)} of {len(rows)} rows not read: {unread[0].message}", file=sys.stderr)
    captions = (row["caption_a"] for row in rows if row.ok)
    coverage = measure(captions, load_lexicon(arguments.lexicon))
    print_coverage(make_console(), coverage, arguments.words)
    return run.COMPLETE


def count_objects(arguments: argparse.Namespace) -> int:
    """Count the objects of an input, alone and in pairs, for object_negatives_mapper."""
    lexicon, source = load_lexicon(arguments.lexicon), Input(find(arguments.file))
    shown = [
        known_objects(row.values.get("objects"), row.values.get("caption_a", ""), lexicon)
        for row in surveyed_rows(source)
    ]
    counted = ObjectStatistics.count(shown, lexicon)
    print_objects(make_console(), counted, arguments.most)
    if arguments.json:
        write_atomic(Path(arguments.json), to_json(counted.as_json()))
    return run.COMPLETE


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["run"]:  # parsed there: under a verb, options may not stand between overrides
        return run.main(given[1:], prog="imgdiff run")
    if given[:1] == ["train"]:
        return training.main(given[1:])
    parser = argparse.ArgumentParser(prog="imgdiff", description="Contrastive image-pair data.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("run", help="run a recipe; the same command resumes it")
    verbs.add_parser("train", help="train a model as a recipe says; the same command resumes it")
    checking = verbs.add_parser("check", help="report every problem of recipes, without running")
    checking.add_argument("recipes", nargs="+", metavar="RECIPE")
    checking.set_defaults(verb=check_recipes)
    listing = verbs.add_parser("operators", help="list operators, their settings and fields")
    listing.add_argument("name", nargs="?", help="one operator only")
    listing.set_defaults(verb=list_operators)
    exporting = verbs.add_parser("export", help="write a finished run as trainers read it")
    exporting.add_argument("run", metavar="RUN_FOLDER")
    exporting.add_argument(
        "--format", action="append", required=True, metavar="FORMAT", help=", ".join(FORMATS)
    )
    exporting.add_argument(
        "--output", metavar="DIR", help="a folder for the formats' folders; else RUN_FOLDER/export"
    )
    exporting.add_argument(
        "--validation-fraction",
        type=float,
        metavar="F",
        help="of the source captions; else as the recipe says",
    )
    exporting.set_defaults(verb=export_run)
    covering = verbs.add_parser("lexicon", help="how many captions of a file a lexicon can edit")
    covering.add_argument("file", metavar="FILE", help="captions, as for a recipe")
    covering.add_argument("--lexicon", choices=LEXICON_NAMES, default=DEFAULT_LEXICON)
    covering.add_argument("--words", type=int, default=20, help="unknown words shown, default 20")
    covering.set_defaults(verb=show_coverage)
    counting = verbs.add_parser("objects", help="count what images show, alone and together")
    counting.add_argument("file", help="rows with objects, or with captions that name some")
    counting.add_argument("--lexicon", choices=LEXICON_NAMES, default=DEFAULT_LEXICON)
    counting.add_argument("--most", type=int, default=20, help="objects shown, default 20")
    counting.add_argument("--json", metavar="FILE", help="for object_negatives_mapper: statistics")
    counting.set_defaults(verb=count_objects)
    pushing = verbs.add_parser("push", help="push the dataset of a finished run to the Hub")
    pushing.add_argument("folder", metavar="RUN_FOLDER")
    pushing.add_argument("repo", metavar="OWNER/NAME", help="made if it is not there")
    pushing.add_argument("--private", action="store_true", help="only its owner may see it")
    pushing.set_defaults(verb=push_run)
    evaluating = verbs.add_parser("evaluate", help="POPE, CHAIR, pairs, captions, OHD")
    command.add_arguments(evaluating)
    evaluating.set_defaults(verb=command.run)
    analyzing = verbs.add_parser("analyze", help="show what each threshold keeps, without a model")
    analyzing.add_argument("run", metavar="RUN", help="a run folder, for example outputs/replace")
    analyzing.add_argument("--review", metavar="FILE", help="ratings saved from the report page")
    analyzing.add_argument(
        "--pair", nargs=2, metavar="THRESHOLD", help="two to move together, as operator.setting"
    )
    analyzing.set_defaults(verb=analyze_run)
    comparing = verbs.add_parser("diff", help="compare two runs")
    comparing.add_argument("runs", nargs=2, metavar="RUN", help="a run folder")
    comparing.set_defaults(verb=compare_runs)
    parsed = parser.parse_args(given)
    try:
        code: int = parsed.verb(parsed)
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return run.REFUSED
    return code


if __name__ == "__main__":
    sys.exit(main())
