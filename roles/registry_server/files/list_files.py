# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the files below a directory with values that identify their content, as JSON; {} if it does not exist.

The value of a blob, whose name is its digest, is its size; that of any other file is its digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys


def listing(top: str) -> dict[str, str]:
    """Return the size or digest of each file by its path relative to top."""
    found = {}
    for directory, dummy, names in os.walk(top):
        blobs = os.path.basename(os.path.dirname(directory)) == "blobs"
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, top)] = str(os.stat(path).st_size) if blobs else digest(path)
    return found


def digest(path: str) -> str:
    """Return the SHA-256 digest of a file."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        for part in iter(lambda: file.read(1 << 20), b""):
            whole.update(part)
    return whole.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(listing(sys.argv[1])) + "\n")
