"""Articles, plurals and the small words of English, as far as captions need them."""

import re
from collections.abc import Mapping

from imgdiff.text.words import ARTICLES, BOUNDARIES

ONE = frozenset("a an one this that each every another".split())
MANY = frozenset(
    "two three four five six seven eight nine ten eleven twelve several many some few these those "
    "both multiple various".split()
)
DETERMINERS = ONE | MANY | frozenset([*ARTICLES, *"his her its their my our your no any".split()])
PRONOUNS = frozenset("he she they it we you i who".split())
# of a colour: `dark blue` is left alone, for `dark white` says nothing
SHADES = frozenset("dark light bright pale deep".split())
# a noun that one of these follows stands at the end of its phrase
FOLLOWERS = (
    BOUNDARIES
    | DETERMINERS
    | PRONOUNS
    | frozenset(
        "across against along alongside amid among around atop away back before below beneath "
        "beyond down during front off out past through together toward towards underneath up upon "
        "where when has have had can will would could not sat stood lay ran flew swam held wore "
        "ate rode drove hung left made cut sold shown worn built full".split()
    )
)
ENDINGS = ("ing", "ed", "ly", "s")  # of verbs and adverbs: sitting, parked, slowly, stands
SPOKEN_WITH_A_VOWEL = re.compile(r"hour|honest|hono|heir|[aeiou]", re.IGNORECASE)
SPOKEN_WITH_A_CONSONANT = re.compile(r"uni(?![dmn])|us[ae]|ute|uku|eu|ewe|one\b", re.IGNORECASE)
ARTICLE_BEFORE = re.compile(r"\b(a)n?(\s+)$", re.IGNORECASE)


def article(words: str) -> str:
    """`a` or `an`, by how the first word is spoken: a unicorn, an hour."""
    vowel = SPOKEN_WITH_A_VOWEL.match(words) and not SPOKEN_WITH_A_CONSONANT.match(words)
    return "an" if vowel else "a"


def fit_article(before: str, words: str) -> str:
    """`before`, with an article at its end made to fit the words that follow."""
    ending = r"\1n\2" if article(words) == "an" else r"\1\2"
    return ARTICLE_BEFORE.sub(ending, before)


def plural(noun: str, irregular: Mapping[str, str]) -> str:
    """`fire truck` -> `fire trucks`, `berry` -> `berries`; irregular ones are looked up by the last
    word."""
    first, space, last = noun.rpartition(" ")
    if last in irregular:
        return first + space + irregular[last]
    if re.search("(s|x|z|ch|sh)$", last):
        return noun + "es"
    if re.search("[^aeiou]y$", last):
        return noun[:-1] + "ies"
    return noun + "s"


def ends_phrase(word: str) -> bool:
    """Whether the noun before this word can be the last of its phrase: `a dog sits`, not `a dog
    walker`."""
    return word in FOLLOWERS or word.endswith(ENDINGS)
