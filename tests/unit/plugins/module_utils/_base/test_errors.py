# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every error class has a kind of its own, keeps its fields as a module result, and survives pickling."""

from __future__ import annotations

import errno
import pickle

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import errors as base
from ansible_collections.attested.registry.plugins.module_utils._oci import errors

KINDS = {
    "CollectionError": "error",
    "OciError": "oci",
    "DigestError": "digest_invalid",
    "DigestMismatch": "digest_mismatch",
    "SizeMismatch": "size_mismatch",
    "ReferenceInvalid": "reference_invalid",
    "JsonInvalid": "json_invalid",
    "DependencyMissing": "dependency_missing",
    "DocumentInvalid": "manifest_invalid",
    "Unsupported": "unsupported",
    "PlatformNotFound": "platform_not_found",
}


def test_every_error_is_in_the_table() -> None:
    names = {*base.__all__, *errors.__all__} - {"FULL", "errno_name", "errno_remedy"}
    assert names == set(KINDS)


@pytest.mark.parametrize(("name", "kind"), sorted(KINDS.items()))
def test_result_has_kind_and_fields(name: str, kind: str) -> None:
    error = getattr(base if name in base.__all__ else errors, name)("What failed.", registry="r", status=404, code=None)
    assert str(error) == error.message == "What failed."
    assert error.as_result() == {"kind": kind, "registry": "r", "status": 404}
    assert isinstance(error, base.CollectionError)


def test_context_fills_gaps_only() -> None:
    error = errors.OciError("What failed.", registry="inner")
    assert error.add_context(registry="outer", repository="app", code=None) is error
    assert error.as_result() == {"kind": "oci", "registry": "inner", "repository": "app"}


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(errors.DigestMismatch("What failed.", expected="a", actual="b")))
    assert error.as_result() == {"kind": "digest_mismatch", "expected": "a", "actual": "b"}


def test_remedies_of_the_caller_come_first() -> None:
    assert base.errno_remedy(errno.ENOSPC, {}) == "free some space there, or use a larger file system"
    assert base.errno_remedy(errno.ENOSPC, {errno.ENOSPC: "wait"}) == "wait"
    assert "check the file system" in base.errno_remedy(12345, {})


def test_an_errno_has_its_symbolic_name() -> None:
    assert [base.errno_name(number) for number in (errno.EROFS, 12345)] == ["EROFS", "12345"]
