# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validate a configuration, YAML on standard input, with the code of the server, and print the error, if any.

Usage on the controller, before the host is changed: check_settings.py DIR, the parent of ansible_collections. The exit
code is 6 if the Python of the controller lacks a library of the server; then only the host can validate.
"""

from __future__ import annotations

import sys


def problem(data: bytes) -> str:
    """Return the error in a configuration, or "". Files that it names are not read. Exits if a library is missing."""
    from ansible_collections.attested.registry.plugins.module_utils._server.config.config_file import parse_config
    from ansible_collections.attested.registry.plugins.module_utils._server.config.conflicts import conflict
    from ansible_collections.attested.registry.plugins.module_utils._server.errors import DependencyMissing

    try:
        return conflict(parse_config(data))
    except DependencyMissing as exc:
        raise SystemExit(exc.exit_code) from None
    except ValueError as exc:
        return str(exc)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.stdout.write(problem(sys.stdin.buffer.read()))
