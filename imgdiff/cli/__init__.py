"""`imgdiff VERB`: a module per verb, each a parser and a call, imported when its verb is given."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from imgdiff import __version__
from imgdiff.errors import COMPLETE, REFUSED, STOPPED, RefusedError, StoppedError
from imgdiff.models.trust import Grant, Trust, grant

VERBS = {
    "run": "run a recipe; the same command resumes it",
    "train": "train a model as a recipe says; the same command resumes it",
    "check": "report every problem of recipes, without running",
    "doctor": "say whether this machine can run a recipe, and what it takes",
    "rehearse": "try every step of a recipe on miniatures of its models, on a CPU",
    "operators": "list operators, their settings and fields",
    "export": "write a finished run as trainers read it",
    "lexicon": "how many captions of a file a lexicon can edit",
    "objects": "count what images show, alone and together",
    "hashes": "note what pictures look like, to keep them out of other runs",
    "push": "push the dataset of a finished run to the Hub",
    "evaluate": "POPE, CHAIR, pairs, captions, OHD",
    "analyze": "show what each threshold keeps, without a model",
    "calibrate": "set limits for a wished precision, by some 60 ratings",
    "diff": "compare two runs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the verb says; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    if not given:
        parser.print_help()
        return COMPLETE
    if given[0] not in VERBS:
        parser.parse_args(given[:1])  # ends with help, the version or what is wrong
    verb = importlib.import_module(f"imgdiff.cli.{given[0]}")
    parsed = verb.parse(given[1:])
    return ended(lambda: verb.call(parsed))


def ended(call: Callable[[], int]) -> int:
    """The exit code of a call; what was refused, or stopped it, is said in a line."""
    try:
        code = call()
        sys.stdout.flush()
    except RefusedError as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except StoppedError as reason:
        print(f"stopped: {reason}", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # who reads it, `head` for one, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is written last
        return STOPPED
    return code


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """A parser of what follows a verb, without arguments yet."""
    text = VERBS[verb]
    return argparse.ArgumentParser(
        prog=f"imgdiff {verb}", description=f"{text[0].upper()}{text[1:]}."
    )


def add_recipe(parser: argparse.ArgumentParser, example: str, settings: str) -> None:
    """Let it take a recipe and overrides. example: of a recipe. settings: two of `key=value`."""
    parser.add_argument("recipe", help=f"a YAML file, for example {example}")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help=f"a setting of the recipe: {settings}; @FILE: those of a file, one a line",
    )


def add_trust(parser: argparse.ArgumentParser, keys: bool = True, files: bool = True) -> None:
    """Let it say what a recipe may do beyond being read. keys: whether servers are asked. files:
    whether operators may come from files."""
    parser.set_defaults(allow_key=[], no_operator_files=False)
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="models that say so in the recipe may run the code that comes with them",
    )
    if keys:
        parser.add_argument(
            "--allow-key",
            action="append",
            type=_grant,
            metavar="NAME=HOST",
            help="the key in this environment variable may be sent to that host",
        )
    if files:
        parser.add_argument(
            "--no-operator-files",
            action="store_true",
            help="do not execute the Python files that the recipe names",
        )


def trust_of(given: argparse.Namespace) -> Trust:
    """What the arguments of `add_trust` allow."""
    return Trust(given.trust_remote_code, not given.no_operator_files, frozenset(given.allow_key))


def _grant(text: str) -> Grant:
    try:
        return grant(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="imgdiff", description="Contrastive image-pair data.")
    version = f"%(prog)s {__version__}"
    parser.add_argument("-V", "--version", action="version", version=version)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, text in VERBS.items():
        verbs.add_parser(verb, help=text)
    return parser
