# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oldest versions of cryptography are refused, whether or not they can be imported."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base import crypto
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing


@pytest.mark.parametrize("version", ["38.0.0", "43.0.3", "50.0.2", "100"])
def test_newer_ones_will_do(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    crypto.require_cryptography()


def test_an_old_library_that_cannot_be_imported_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "IMPORT_ERROR", "Traceback")
    monkeypatch.setattr(crypto, "_found_version", "2.5")
    with pytest.raises(DependencyMissing, match="and 2.5 was found; upgrade it") as caught:
        crypto.require_cryptography()
    assert caught.value.traceback is None


@pytest.mark.parametrize("version", ["45.0.0", "46.0.7", "50.0.2", "100.0.0"])
def test_newer_ones_can_check_a_server(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_found_version", version)
    crypto.require_cryptography(crypto.MINIMUM_CRYPTOGRAPHY)
