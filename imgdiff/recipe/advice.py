"""What a recipe may say, but hardly means: told by `imgdiff check`, and where a run begins."""

from collections.abc import Mapping, Sequence

from imgdiff.models.zoo import Binding, Endpoint
from imgdiff.operator import Operator
from imgdiff.recipe.known_words import embedded_roles
from imgdiff.recipe.schema import Recipe
from imgdiff.recipe.source import Key, Source

TOYLAND = "toyland"  # the lexicon whose words the embedded models know


def advice(
    source: Source,
    recipe: Recipe,
    steps: Sequence[tuple[Key, Operator]],
    models: Mapping[str, Binding],
) -> tuple[str, ...]:
    """A line for each, with the place in the recipe.

    steps: the recipe's operators, and where their settings stand. models: of these operators.
    """
    noted = Source(source.path, lines=source.lines)
    lexicons = {
        (*key, "lexicon"): operator
        for key, operator in steps
        if "lexicon" in type(operator.params).model_fields
    }
    _lexicons_that_differ(noted, recipe.lexicon, lexicons)
    found = (role for _, operator in steps for role in embedded_roles(operator, models))
    _words_unknown_to_models(noted, lexicons, list(dict.fromkeys(found)))
    _keys_that_stay(noted, models)
    return tuple(map(str, noted.problems))


def _keys_that_stay(noted: Source, models: Mapping[str, Binding]) -> None:
    """A key is set, but nothing allows to send it to the server."""
    for role, model in models.items():
        if isinstance(model, Endpoint) and model.keeps_key:
            noted.add(("models", role), model.key_note)


def _lexicons_that_differ(noted: Source, common: str, lexicons: Mapping[Key, Operator]) -> None:
    """An operator finds no word of another one's lexicon that its own does not have."""
    for key, operator in lexicons.items():
        own = operator.params.lexicon
        others = [each for each in lexicons.values() if each.params.lexicon != own]
        if own != common and others:
            text = f"{own}, but {others[0].name} has {others[0].params.lexicon}, and"
            text = f"{text} neither finds all words of the other. One lexicon: for the whole recipe"
            noted.add(key, f"{text} gives all operators the same.")


def _words_unknown_to_models(
    noted: Source, lexicons: Mapping[Key, Operator], embedded: Sequence[str]
) -> None:
    """The embedded models draw a toy for every word that they do not know.

    embedded: roles that they play."""
    for key, operator in lexicons.items():
        if embedded and operator.params.lexicon != TOYLAND:
            text = f"{operator.params.lexicon}, but the embedded models ({', '.join(embedded)})"
            text = f"{text} know the words of {TOYLAND} alone. Bind models: that know more."
            noted.add(key, text)
            return
