# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The libraries of the settings: pydantic and PyYAML, imported in this file only.

Every file can be imported without them; require_* raise DependencyMissing when a library is used.
"""

from __future__ import annotations

import types
import typing as t

from ..requirements import numbers, require, require_version

OLDEST_PYDANTIC: t.Final = (2, 10)

try:
    from pydantic import VERSION as PYDANTIC_VERSION
except ImportError:
    PYDANTIC_VERSION = ""

if numbers(PYDANTIC_VERSION) >= OLDEST_PYDANTIC:
    from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
else:

    class _Absent:
        """A stand-in, so that models can be defined without pydantic."""

        def __init__(self, *args: t.Any, **options: t.Any) -> None:
            pass

        def __call__(self, function: t.Any) -> t.Any:
            return function

    AfterValidator = BeforeValidator = ConfigDict = Field = field_validator = _Absent  # type: ignore[assignment,misc]
    BaseModel = object  # type: ignore[assignment,misc]
    ValidationError = ValueError  # type: ignore[assignment,misc]

yaml: types.ModuleType | None
try:
    import yaml
except ImportError:
    yaml = None


def require_pydantic() -> None:
    """Raise DependencyMissing unless a supported pydantic is installed."""
    require_version("pydantic", PYDANTIC_VERSION, OLDEST_PYDANTIC)


def require_yaml() -> t.Any:
    """Return PyYAML. Raises DependencyMissing."""
    return require(yaml, "Reading a configuration file", "PyYAML", "yaml")


__all__ = (
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "Field",
    "ValidationError",
    "field_validator",
    "require_pydantic",
    "require_yaml",
    "yaml",
)
