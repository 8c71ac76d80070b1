# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of the server is that of the collection."""

from __future__ import annotations

import pathlib

from ansible_collections.attested.registry.plugins.module_utils._server.version import VERSION


def test_the_version_is_that_of_the_collection() -> None:
    galaxy = pathlib.Path(__file__).parents[5] / "galaxy.yml"
    assert f"version: {VERSION}\n" in galaxy.read_text()
