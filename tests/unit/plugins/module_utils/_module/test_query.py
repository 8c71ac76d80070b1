# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option query needs a recent jmespath; without the option no library is needed."""

from __future__ import annotations

import sys
import types
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.query import Query


class Failed(Exception):
    """Raised by fail_json."""


class Module:
    """The part of AnsibleModule that a query uses."""

    def fail_json(self, **result: t.Any) -> t.NoReturn:
        raise Failed(result)

    def warn(self, text: str) -> None:
        pass


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (types.SimpleNamespace(__version__="0.9.5"), "needs the Python library jmespath >= 0.10.0 and 0.9.5 was found"),
        (None, "needs the Python library jmespath >= 0.10.0 and it cannot be imported; install it"),
    ],
)
def test_a_library_that_is_old_or_missing(library: t.Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", library)
    module = t.cast(t.Any, Module())
    with pytest.raises(Failed) as caught, reported_errors(module, doing="trying it"):
        Query(module, "a")
    result = caught.value.args[0]
    assert message in result["msg"]
    assert ("import" in result["msg"]) == (library is None)
    assert f"the Python of this task is {sys.executable}" in result["msg"]
    assert result["error"] == {"kind": "dependency_missing", "library": "jmespath"}


def test_no_query_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    assert Query(t.cast(t.Any, Module()), None).apply_to({"a": 1}) == {"a": 1}
