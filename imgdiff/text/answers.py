"""What a model said: whether it is an answer at all, and how it is quoted."""

import re

from imgdiff.errors import RowError

THINKS, THOUGHT = "<think>", "</think>"
_REFUSAL = re.compile(
    r"^\s*(i('?m| am) (sorry|unable)|sorry\b|i (can't|cannot)|as an ai\b|unfortunately, i\b)",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"[\W_]*+(?:(?:the\s+)?(?:final\s+|correct\s+)?answer\b[\W_]*+(?:is\b[\W_]*+)?)?"
    r"(?:(?:(?P<yes>yes)|no)(?![^\W_]|['\u2019-])(?!\W*(?:or|and|/)\W*(?:yes|no)\b)"
    r"|not\s+(?:that\s+i|really|at\s+all)\b)",
    re.IGNORECASE,
)
_NOT_PROSE = re.compile(r"https?://|</?\|?[a-z_]+\|?>|\b(USER|ASSISTANT):", re.IGNORECASE)


def without_thoughts(answer: str) -> str:
    """What a model says behind its last thought. The tag that begins thoughts may be missing, for
    some prompts end with it.

    Raises:
        RowError: only_thoughts, since nothing comes behind them.
    """
    _, end, said = answer.rpartition(THOUGHT)
    begun = said.lstrip().startswith(THINKS)
    if begun or (end and not said.strip()):
        way_out = "raise max_new_tokens, or say family: or extra_body: of a server's binding"
        text = f"the model thought and did not answer; {way_out}"
        raise RowError("only_thoughts", text)
    return said.strip()


def is_refusal(answer: str) -> bool:
    """True for an empty answer, an apology, or one that holds a link or chat-template tokens."""
    plain = answer.replace("\u2019", "'")
    return not plain.strip() or bool(_REFUSAL.search(plain) or _NOT_PROSE.search(plain))


def read_yes_no(answer: str) -> bool | None:
    """Whether an answer says yes (True) or no (False), by the word that it begins with.

    Case, blanks, quotes, markup and `The answer is` before it do not count: `**Yes**`, `"no"`.
    What follows does not either: `Yes, but it is small` says yes. `Not that I can see`, `Not
    really` and `Not at all` say no. None where an answer begins otherwise (`I cannot tell`, `Not
    sure`, `There is no car`, `Nothing`), and for `yes or no` and `yes and no`.
    """
    found = _YES_NO.match(answer)
    return found["yes"] is not None if found else None


def as_phrase(caption: str) -> str:
    """`A red car.` -> `a red car`, to stand within a sentence; capitals of names and acronyms
    stay."""
    phrase = caption.strip().rstrip(".")
    first, _, rest = phrase.partition(" ")
    return (
        f"{first.lower()} {rest}".strip()
        if first in ("A", "An", "The", "Nothing", "Two", "Some")
        else phrase
    )
