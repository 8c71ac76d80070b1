# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""call_module.py MODULE OPTIONS [--without LIBRARY]...: run a module of the collection in this process.

The options are JSON. Prints the module's result. A library named after --without cannot be imported, as if it were
not installed. The options are passed as to a module that is run by hand for debugging: ansible.module_utils.testing
would import unittest.mock, which takes 45 ms that no host needs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("options", type=json.loads)
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    for library in arguments.without:
        sys.modules[library] = None  # type: ignore[assignment]
    sys.argv = [arguments.module, json.dumps({"ANSIBLE_MODULE_ARGS": arguments.options})]
    importlib.import_module(f"ansible_collections.attested.registry.plugins.modules.{arguments.module}").main()


if __name__ == "__main__":
    main()
