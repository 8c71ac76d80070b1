# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Reader of the YAML configuration file, with a size limit and without duplicate keys. Called by cli.py."""

from __future__ import annotations

import typing as t

from ..._base.text import quote, visible
from ..errors import ConfigError
from .libraries import ValidationError, require_pydantic, require_yaml
from .problems import first_problem
from .settings import Settings

_MAX_BYTES: t.Final = 1024 * 1024


# what PyYAML raises besides its own errors, for values that do not match their explicit tags
_CONSTRUCTION_ERRORS: t.Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError)


class _DuplicateKey(Exception):
    """A mapping has the same key twice."""


def read_config(path: str) -> Settings:
    """Read the settings of a YAML file and check each of them. Raises ConfigError, DependencyMissing."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "its name is malformed"
        raise _config_error(path, f"{why}", "check the path and that this user may read it") from None
    if len(data) > _MAX_BYTES:
        raise _config_error(path, f"it is longer than {_MAX_BYTES} bytes", "give a configuration file")
    try:
        return parse_config(data)
    except ValueError as exc:
        raise _config_error(path, str(exc), "correct it") from None


def _config_error(path: str, why: str, todo: str) -> ConfigError:
    return ConfigError(f"Reading the configuration file {visible(path)} failed: {why}; {todo}.")


def parse_config(data: bytes) -> Settings:
    """Parse YAML text and check each setting. Raises ValueError with the reason and its place, DependencyMissing."""
    require_pydantic()
    found = _load(data)
    if found is None:
        return Settings()
    if not isinstance(found, dict):
        raise ValueError("it is not a mapping of names to values")
    try:
        return Settings.model_validate(found)
    except ValidationError as exc:
        raise ValueError(first_problem(exc, Settings)) from None


def _load(data: bytes) -> object:
    yaml = require_yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """Refuse duplicate keys in a mapping, which YAML forbids and PyYAML accepts."""

        def construct_mapping(self, node: t.Any, deep: bool = False) -> t.Any:
            """Construct a mapping as SafeLoader does. Raises _DuplicateKey."""
            keys = set()
            for key_node, dummy in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, t.Hashable):
                    if key in keys:
                        line = key_node.start_mark.line + 1
                        raise _DuplicateKey(f"the key {quote(key)} is given twice, again in line {line}")
                    keys.add(key)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(data, Loader)  # noqa: S506 - a SafeLoader with one more check
    except yaml.MarkedYAMLError as exc:
        where = f" in line {exc.problem_mark.line + 1}" if exc.problem_mark else ""
        raise ValueError(f"it is not valid YAML: {visible(exc.problem or 'unknown syntax error')}{where}") from None
    except yaml.YAMLError:
        raise ValueError("it is not valid YAML: it has characters that YAML does not allow") from None
    except _DuplicateKey as exc:
        raise ValueError(str(exc)) from None
    except _CONSTRUCTION_ERRORS:
        raise ValueError("it has a value that does not match its tag") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


__all__ = ("parse_config", "read_config")
