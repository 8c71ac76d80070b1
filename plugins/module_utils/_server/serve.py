# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Command of an installed server: python3 -m ...module_utils._server.serve. Galaxy does not take __main__.py."""

from __future__ import annotations

import sys

from .main import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

__all__ = ("main",)
