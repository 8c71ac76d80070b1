# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The option query: a JMESPath expression applied to the results. The only file that imports jmespath."""

from __future__ import annotations

import typing as t

from .._base.errors import CollectionError, DependencyMissing

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

MINIMUM_JMESPATH: t.Final = "0.10.0"

Results = dict[str, t.Any]

# What jmespath raises: its own errors are ValueErrors, the others escape from its functions.
_FAULTS: t.Final = (ValueError, TypeError, ArithmeticError, RecursionError)


class QueryInvalid(CollectionError):
    """The option query is not a JMESPath expression, or cannot be applied to the results; field query."""

    kind = "query_invalid"


class Query:
    """A compiled JMESPath expression; construct it before any work is done, so that a wrong expression fails early.

    If expression is None, the results are not changed. Raises QueryInvalid, DependencyMissing.
    """

    def __init__(self, module: AnsibleModule, expression: str | None) -> None:
        self._expression = expression
        self._compiled = None if expression is None else _compile(expression)
        self._warn = module.warn

    def apply_to(self, results: Results) -> Results:
        """Return the outcome as query_result, with a warning if it is empty. Raises QueryInvalid."""
        if self._compiled is None:
            return results
        try:
            found = self._compiled.search(results)
        except _FAULTS as exc:
            raise _invalid_error(str(self._expression), exc, fault="cannot be applied to the result") from None
        if found is None or found == []:
            self._warn(
                f"The query '{_shorten(str(self._expression))}' finds nothing in the result, whose keys are "
                f"{', '.join(sorted(results))}; run the task without query to see all of it."
            )
        return {"query_result": found}


def _compile(expression: str) -> t.Any:
    try:
        import jmespath
    except ImportError:
        raise _missing_error("and it cannot be imported; install it") from None
    found = str(getattr(jmespath, "__version__", "0"))
    if _release(found) < _release(MINIMUM_JMESPATH):
        raise _missing_error(f"and {found[:20]} was found; upgrade it")
    try:
        return jmespath.compile(expression)
    except _FAULTS as exc:
        raise _invalid_error(expression, exc, fault="is not a JMESPath expression") from None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _missing_error(why: str) -> DependencyMissing:
    wanted = f"jmespath >= {MINIMUM_JMESPATH}"
    return DependencyMissing(f"The option query needs the Python library {wanted} {why}.", library="jmespath")


def _invalid_error(expression: str, error: Exception, *, fault: str) -> QueryInvalid:
    lines = str(error).splitlines() or [type(error).__name__]
    reason = lines[0].split(" for expression:")[0].rstrip(".: ")
    shown = _shorten(expression)
    return QueryInvalid(
        f"The query '{shown}' {fault}: {reason}; see https://jmespath.org for the language.", query=shown
    )


def _shorten(expression: str) -> str:
    return expression if len(expression) <= 200 else expression[:197] + "..."


__all__ = ("MINIMUM_JMESPATH", "Query", "QueryInvalid", "Results")
