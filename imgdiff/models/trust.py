"""What the command line, and the user's own file, allow a recipe beyond being read.

A recipe may come from a stranger. So it alone runs no code that comes with a model, and sends keys
to servers on this machine alone.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from imgdiff.errors import RefusedError
from imgdiff.models.zoo import KEY_VARIABLE, Binding, Checkpoint, Endpoint

HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.ASCII)
SECTION = "allow_keys"  # of the user's file: name of a variable -> host, or a list of them

Grant = tuple[str, str]  # environment variable, host (with or without a port) that may get its key


@dataclass(frozen=True)
class Trust:
    """What is allowed.

    remote_code: models whose binding says `trust_remote_code: true` run the code that they come
    with. operator_files: files named under `operators:` are executed. keys: what goes where, by the
    command line.
    """

    remote_code: bool = False
    operator_files: bool = True
    keys: frozenset[Grant] = frozenset()

    def applied(self, binding: Binding) -> Binding:
        """The same binding; one of a server sends its key if that is allowed.

        Raises:
            RefusedError: the user's file cannot be read.
        """
        if not isinstance(binding, Endpoint) or binding.is_local:
            return binding
        if not os.environ.get(binding.key_variable):
            return binding
        granted = {host for name, host in self.keys | _own_grants() if name == binding.key_variable}
        return binding.with_key() if granted & {binding.host, binding.host_and_port} else binding

    def problem(self, binding: Binding) -> str | None:
        """Why a binding asks for more than is allowed; None if it does not."""
        if isinstance(binding, Checkpoint) and binding.trust_remote_code and not self.remote_code:
            way_out = "If you trust it, say --trust-remote-code on the command line"
            return f"{binding.name} would run the code that comes with it. {way_out}"
        return None


NOTHING_MORE = Trust()


def grant(text: str) -> Grant:
    """`OPENAI_API_KEY=api.openai.com`, as the command line has it.

    Raises:
        ValueError: it is something else; the message says what is allowed.
    """
    name, _, host = text.partition("=")
    return _checked(name, host)


def own_file() -> Path:
    """Where a user says what is allowed in all runs."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "imgdiff" / "config.yaml"


def _own_grants() -> frozenset[Grant]:
    path = own_file()
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "not valid YAML"
        raise RefusedError(f"{path}: {reason}") from None
    section = content.get(SECTION, {}) if isinstance(content, Mapping) else content
    if not isinstance(section, Mapping) or set(content) - {SECTION}:
        raise RefusedError(f"{path}: expected {SECTION}, with NAME_API_KEY: host a line")
    try:
        return frozenset(
            _checked(name, host)
            for name, hosts in section.items()
            for host in (hosts if isinstance(hosts, list) else [hosts])
        )
    except ValueError as error:
        raise RefusedError(f"{path}: {SECTION}: {error}") from None


def _checked(name: Any, host: Any) -> Grant:
    if not KEY_VARIABLE.fullmatch(str(name)):
        raise ValueError(f"{name} is no variable that may be sent: its name must end in _API_KEY")
    if not HOST.fullmatch(str(host)):
        raise ValueError(f"{name}={host}: expected a host such as api.openai.com or gpu-03:8000")
    return str(name), str(host).lower()
