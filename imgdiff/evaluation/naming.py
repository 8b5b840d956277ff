"""The model that a command line names."""

from collections.abc import Mapping

import yaml

from imgdiff.errors import RefusedError
from imgdiff.models.revisions import at_commit
from imgdiff.models.trust import Trust
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, Binding, bind


def named_model(name: str, role: str, embedded: Mapping[str, str], trust: Trust) -> Binding:
    """What `--model` says: a folder, a Hub name, or fields of a checkpoint or an endpoint.

    Args:
        embedded: word -> the role of the embedded model that it stands for.

    Raises:
        RefusedError: there is no such model, or none that is loaded.
    """
    if name in embedded:
        name = str(EMBEDDED_WEIGHTS / embedded[name])
    try:
        bound = bind({role: yaml.safe_load(name)})[role]
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise RefusedError(f"--model {name}: {error}") from None
    if problem := bound.problem() or trust.problem(bound):
        raise RefusedError(f"--model: {problem}")
    try:
        return trust.applied(at_commit(bound))
    except RefusedError as refusal:
        raise RefusedError(f"--model: {refusal}") from None
