# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Version of the server, for --version and metrics."""

from __future__ import annotations

import typing as t

# equal to the version in galaxy.yml, which is not installed on the hosts that run the server
VERSION: t.Final = "0.3.0"

__all__ = ("VERSION",)
