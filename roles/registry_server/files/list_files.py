# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the regular files below a directory and what tells whether they are the same, as JSON; {} without it.

That is the size of a blob, whose name is its digest, and the digest of any other file.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys


def listing(top: str) -> dict[str, str]:
    """What tells whether a file is the same, by its path below top."""
    found = {}
    for directory, dummy, names in os.walk(top):
        blobs = os.path.basename(os.path.dirname(directory)) == "blobs"
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = str(os.stat(path).st_size) if blobs else digest(path)
    return found


def digest(path: str) -> str:
    """The SHA-256 of a file's content."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            whole.update(part)
    return whole.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(listing(sys.argv[1])) + "\n")
