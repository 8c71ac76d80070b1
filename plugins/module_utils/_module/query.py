# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import traceback
import typing as t

from ansible.module_utils.basic import missing_required_lib

from .._oci.errors import CollectionError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

MINIMUM_JMESPATH: t.Final = "0.10.0"

Results = dict[str, t.Any]

_FAULTS: t.Final = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What the library raises for expressions: its own errors are ValueErrors, the others escape from its functions."""


class QueryInvalid(CollectionError):
    """The option C(query) is not an expression, or cannot be applied to the result; field C(query)."""

    kind = "query_invalid"


class Query:
    """A JMESPath expression, checked before any work is done.

    C(expression) may be None: then nothing is added to the results. Raises L(QueryInvalid); fails the module where the
    library is missing.
    """

    def __init__(self, module: AnsibleModule, expression: t.Optional[str]) -> None:
        self._expression = expression
        self._compiled = None if expression is None else _compile(module, expression)

    def add_to(self, results: Results) -> Results:
        """Returns C(results) with C(query_result) added. Raises L(QueryInvalid)."""
        if self._compiled is None:
            return results
        try:
            return {**results, "query_result": self._compiled.search(results)}
        except _FAULTS as error:
            raise _invalid(str(self._expression), error, fault="cannot be applied to the result") from None


def _compile(module: AnsibleModule, expression: str) -> t.Any:
    try:
        import jmespath
    except ImportError:
        missing = missing_required_lib(f"jmespath >= {MINIMUM_JMESPATH}", reason="for the option query")
        module.fail_json(
            msg=missing, exception=traceback.format_exc(), error={"kind": "dependency_missing", "library": "jmespath"}
        )
    found = str(getattr(jmespath, "__version__", "0"))
    if _release(found) < _release(MINIMUM_JMESPATH):
        module.fail_json(
            msg=f"The option query needs the Python library jmespath >= {MINIMUM_JMESPATH} and {found[:20]} was found; "
            "upgrade it.",
            error={"kind": "dependency_missing", "library": "jmespath"},
        )
    try:
        return jmespath.compile(expression)
    except _FAULTS as error:
        raise _invalid(expression, error, fault="is not a JMESPath expression") from None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _invalid(expression: str, error: Exception, *, fault: str) -> QueryInvalid:
    lines = str(error).splitlines() or [type(error).__name__]
    reason = lines[0].split(" for expression:")[0].rstrip(".: ")
    shown = expression if len(expression) <= 200 else expression[:197] + "..."
    return QueryInvalid(
        f"The query '{shown}' {fault}: {reason}; see https://jmespath.org for the language.", query=shown
    )


__all__ = ("MINIMUM_JMESPATH", "Query", "QueryInvalid", "Results")
