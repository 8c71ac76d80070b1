# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""coverage_gate.py COVERAGE.json --minimum PERCENT: print the coverage by package; fail if a pure one is below."""

from __future__ import annotations

import argparse
import json
import sys
import typing as t
from collections import defaultdict
from pathlib import Path, PurePosixPath

PURE = ("_archive", "_base", "_destination", "_layout", "_oci", "_registry", "_server", "_unpack")


def package_of(file_name: str) -> str | None:
    """The module_utils package of a measured file, None for a file outside of them."""
    parts = PurePosixPath(file_name).parts
    if "module_utils" not in parts:
        return None
    return parts[parts.index("module_utils") + 1]


def totals(report: dict[str, t.Any]) -> dict[str, tuple[int, int]]:
    """Covered and all lines plus branches of every package."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, data in report["files"].items():
        package = package_of(name)
        if package is not None:
            summary = data["summary"]
            sums[package][0] += summary["covered_lines"] + summary["covered_branches"]
            sums[package][1] += summary["num_statements"] + summary["num_branches"]
    return {package: (covered, total) for package, (covered, total) in sums.items()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=Path)
    parser.add_argument("--minimum", type=float, required=True)
    options = parser.parse_args()
    low = []
    for package, (covered, total) in sorted(totals(json.loads(options.report.read_text())).items()):
        percent = 100 * covered / total if total else 100.0
        print(f"coverage {package:<10} {percent:5.1f} % of {total} lines and branches")
        if package in PURE and percent < options.minimum:
            low.append(package)
    if low:
        print(f"below {options.minimum:g} %: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
