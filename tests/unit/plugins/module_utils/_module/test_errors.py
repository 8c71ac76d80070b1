# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every exception becomes a failed result with a kind and a message; a missing library is named with its remedies."""

from __future__ import annotations

import platform
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError, DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import DigestMismatch
from ansible_collections.attested.registry.plugins.module_utils._unpack import errors as unpack_errors


class Failed(Exception):
    """Raised by fail_json, with its arguments."""

    def __init__(self, results: dict[str, t.Any]) -> None:
        super().__init__(results)
        self.results = results


class Module:
    """An AnsibleModule whose failure can be looked at."""

    def fail_json(self, **results: t.Any) -> t.NoReturn:
        raise Failed(results)


def report(error: BaseException) -> dict[str, t.Any]:
    with pytest.raises(Failed) as caught, reported_errors(t.cast(t.Any, Module()), doing="trying it"):
        raise error
    return caught.value.results


def test_an_error_of_the_collection_says_itself_what_it_is() -> None:
    found = report(DigestMismatch("It is wrong.", expected="a", actual="b"))
    assert found == {"msg": "It is wrong.", "error": {"kind": "digest_mismatch", "expected": "a", "actual": "b"}}


MISSING = [
    (
        DependencyMissing("requests is missing; install it.", library="requests >= 2.25.0"),
        "requests>=2.25.0",
    ),
    (
        DependencyMissing("cryptography is old; upgrade it.", library="cryptography >= 45"),
        "cryptography>=45",
    ),
    (unpack_errors.CompressionUnavailable("Needs zstandard.", library="zstandard"), "zstandard"),
    (DependencyMissing("Needs jmespath.", library="jmespath >= 0.10.0"), "jmespath>=0.10.0"),
]


@pytest.mark.parametrize(("error", "wanted"), MISSING)
def test_a_missing_library_is_located_and_both_remedies_are_named(error: CollectionError, wanted: str) -> None:
    found = report(error)
    assert found["error"] == {"kind": "dependency_missing", "library": error.fields["library"]}
    assert found["msg"].startswith(error.message.rstrip("."))
    assert f"the Python of this task is {sys.executable} on {platform.node()}" in found["msg"]
    assert f"{sys.executable} -m pip install '{wanted}'" in found["msg"]
    assert "ansible_python_interpreter" in found["msg"]


def test_a_missing_module_of_the_standard_library_asks_for_another_python() -> None:
    found = report(unpack_errors.CompressionUnavailable("Needs lzma.", module="lzma"))
    assert found["error"] == {"kind": "dependency_missing", "module": "lzma"}
    assert sys.executable in found["msg"]
    assert "ansible_python_interpreter" in found["msg"]
    assert "pip install" not in found["msg"]


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (PermissionError(13, "Permission denied", "/root/x"), {"errno": "EACCES", "path": "/root/x"}),
        (OSError(28, "No space left on device"), {"errno": "ENOSPC"}),
        (OSError("odd"), {}),
    ],
)
def test_errors_of_the_system(error: OSError, facts: dict[str, str]) -> None:
    found = report(error)
    assert found["error"] == {"kind": "filesystem", **facts}
    assert found["msg"].startswith("While trying it: ")


def test_no_memory() -> None:
    found = report(MemoryError())
    assert found["error"] == {"kind": "memory"}
    assert "memory" in found["msg"]


def test_an_unexpected_error_asks_for_a_report() -> None:
    found = report(KeyError("x" * 1000))
    assert found["error"] == {"kind": "internal", "exception": "KeyError"}
    assert "please report" in found["msg"]
    assert len(found["msg"]) < 600


def test_the_end_of_the_program_is_not_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), reported_errors(t.cast(t.Any, Module()), doing="trying it"):
        raise KeyboardInterrupt
