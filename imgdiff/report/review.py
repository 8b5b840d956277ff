"""What a person said of regions: `review.json`, saved from the report page."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from imgdiff.errors import RefusedError

REVIEW = "review.json"  # in the run folder
RUBRICS = ("box", "content", "difference")
GRADES = ("high", "medium", "low")

Ratings = Mapping[str, Mapping[str, str]]  # id of a region -> rubric -> grade


def read_review(path: Path, run: str) -> Ratings:
    """The ratings of a file {"run": ..., "ratings": {"<region id>": {"box": "high", ...}}}.

    Raises:
        RefusedError: the file cannot be read, is of another form, or of a run of another name.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise RefusedError(f"{path}: not valid JSON") from None
    ratings = content.get("ratings") if isinstance(content, dict) else None
    if not isinstance(ratings, dict):
        raise RefusedError(f"{path}: expected ratings, by the ids of regions")
    if content.get("run", run) != run:
        raise RefusedError(f"{path}: ratings of the run {content['run']}, expected of {run}")
    for region, given in ratings.items():
        allowed = f"expected {', '.join(RUBRICS)} as {', '.join(GRADES)}"
        if not isinstance(given, dict) or not set(given) <= set(RUBRICS):
            raise RefusedError(f"{path}: {region}: {allowed}")
        if wrong := [grade for grade in given.values() if grade not in GRADES]:
            raise RefusedError(f"{path}: {region}: {wrong[0]} is no grade, {allowed}")
    return ratings


def graded(ratings: Ratings, kept: Collection[str]) -> dict[str, Counter[str]]:
    """Rubric -> grade -> how many of the regions `kept` got it."""
    return {
        rubric: Counter(
            given[rubric] for region, given in ratings.items() if region in kept and rubric in given
        )
        for rubric in RUBRICS
    }


def judged(ratings: Ratings, questions: Collection[str], least: str) -> dict[str, bool]:
    """Region -> whether it is right: all questions are answered by `least` or better. One that is
    not answered whole counts only where an answer is worse."""
    good = GRADES[: GRADES.index(least) + 1]
    found = {}
    for region, given in ratings.items():
        answers = [given[question] for question in questions if question in given]
        wrong = any(answer not in good for answer in answers)
        if wrong or len(answers) == len(questions):
            found[region] = not wrong
    return found
