"""No traceback for a recipe: mutants are refused with their problems, or they run.

    python benchmarks/recipe_fuzz.py [--quick] [--json FILE] [--seed N] [--keep FOLDER]

20,000 mutants: recipes of light operators, which are run where they are accepted; the shipped
recipes and those of trainings, which are checked; and command lines of `imgdiff evaluate`. None may
crash, or take more than ten seconds of CPU time. --keep takes the texts of those that did.
"""

import json
import logging
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from arguments import benchmark_parser, show_figures
from engine import LIGHT_OPERATORS
from recipe_fuzz_parts import outcomes
from recipe_fuzz_parts.mutants import arguments, mutant
from recipe_fuzz_parts.outcomes import Outcome

ROOT = Path(__file__).parents[1]
TRIED = {"light": 8000, "shipped": 7000, "training": 4000, "evaluate": 1000}
CAPTIONS, RECIPE, SETTINGS = "captions.jsonl", "mine.yaml", "pope.json"
ANSWERS = "answers.jsonl"
LIGHT: dict[str, Any] = {
    "project_name": "try",
    "dataset_path": CAPTIONS,
    "export_path": "run",
    "seed": 3,
    "shard_rows": 2,
    "limit": 3,
    "columns": {"caption_a": "caption"},
    "operators": [str(LIGHT_OPERATORS)],
    "limits": {"max_failed_fraction": 1.0},
    "phases": {"extra": {"num_cpus": 0.5, "concurrency": [1, 2]}},
    "process": [
        {"light_edit_mapper": {"suffix": "!", "seconds": 0.0}},
        "light_image_mapper",
        {"light_length_filter": {"min_score": 0.05, "max_score": 0.9}},
        {"light_areas": {"light_area_filter": {"min_score": 0.1}}},
        "light_conversation_mapper",
        {"light_repeat_selector": {"most": 2}},
    ],
    "export": {"formats": ["llava"], "validation_fraction": 0.1, "private": False},
}
LINES = [{"id": f"cap-{k}", "caption": "a red ball " * (k + 1)} for k in range(4)]
QUESTION = {"question_id": 1, "image": "a.png", "text": "Is there a ball?", "label": "yes"}
EVALUATE = [
    *("evaluate", "pope", "--questions", SETTINGS, "--answers", ANSWERS, "--parser", "official"),
    *("--limit", "1", "--batch-size", "2", "--max-new-tokens", "4"),
]


class Fuzz:
    """Tries mutants in the current folder, which has nothing else in it."""

    def __init__(self) -> None:
        self.write()
        self._shipped = recipes(ROOT / "recipes", ROOT / "recipes" / "sdxl")
        self._training = recipes(ROOT / "recipes" / "train")

    def write(self) -> None:
        """What the mutants read, as it was."""
        write_lines(CAPTIONS, LINES)
        write_lines(SETTINGS, [QUESTION])
        answer = {"id": "pope-1", "question": QUESTION["text"], "answer": "Yes."}
        write_lines(ANSWERS, [answer])

    def try_one(self, kind: str, source: random.Random) -> tuple[Outcome, bytes]:
        """Its outcome, and the mutant's text."""
        self.write()
        if kind == "evaluate":
            words = arguments(source, EVALUATE)
            return outcomes.called(["evaluate", *words[1:]]), "\n".join(words).encode(
                "utf-8", "surrogatepass"
            )
        bases = {"light": [LIGHT], "shipped": self._shipped, "training": self._training}[kind]
        text = mutant(source, source.choice(bases))
        recipe = Path(RECIPE)
        recipe.write_bytes(text)
        if kind == "light":
            return outcomes.run(recipe, (CAPTIONS, RECIPE, SETTINGS, ANSWERS)), text
        return (outcomes.checked if kind == "shipped" else outcomes.trained)(recipe), text


def recipes(*folders: Path) -> list[dict[str, Any]]:
    paths = sorted(path for folder in folders for path in folder.glob("*.yaml"))
    made = [yaml.safe_load(path.read_text("utf-8")) for path in paths]
    for recipe in made:
        if "dataset_path" in recipe:
            recipe["dataset_path"] = str(ROOT / recipe["dataset_path"])
    return made


def write_lines(name: str, records: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))


def main() -> int:
    parser = benchmark_parser(__doc__, quick="400 mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for what crashed")
    given = parser.parse_args()
    keep = given.keep.absolute() if given.keep else None
    logging.disable(logging.CRITICAL)
    source, figures = random.Random(given.seed), dict[str, float]()
    total: Counter[str] = Counter()
    begun = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fuzz = Fuzz()
        for kind, count in TRIED.items():
            found: Counter[str] = Counter()
            for number in range(count // 50 if given.quick else count):
                outcome, text = fuzz.try_one(kind, source)
                found[outcome.what] += 1
                if outcome.what == outcomes.CRASHED:
                    print(f"{kind} {number}: {outcome.text}", file=sys.stderr)
                    _keep(keep, f"{kind}-{number}", text)
            figures |= {f"{kind}_{what}": found[what] for what in sorted(found)}
            total += found
        os.chdir(begun)
    logging.disable(logging.NOTSET)
    figures |= {"tried": total.total(), "crashed": total[outcomes.CRASHED]}
    show_figures("mutants of recipes", figures, given.json)
    return 1 if total[outcomes.CRASHED] else 0


def _keep(folder: Path | None, name: str, text: bytes) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)


if __name__ == "__main__":
    sys.exit(main())
