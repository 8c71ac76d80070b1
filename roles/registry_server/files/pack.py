# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pack the code of the server reproducibly, and print its digest and version as JSON. Runs on the controller.

pack.py --collection DIR --packages NAME,NAME [--output FILE]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
import typing as t
from pathlib import Path

PREFIX: t.Final = "ansible_collections/attested/registry/plugins/module_utils"


def sources(collection: Path, packages: t.Sequence[str]) -> dict[str, bytes]:
    """Return the files of these packages of module_utils by their path in the archive, sorted."""
    top = collection / "plugins" / "module_utils"
    found: dict[str, bytes] = {}
    for package in packages:
        files = sorted((top / package).rglob("*.py"))
        if not files:
            sys.exit(
                f"error: packing the registry server failed: {top / package} has no code; reinstall the collection."
            )
        found.update({f"{PREFIX}/{path.relative_to(top).as_posix()}": path.read_bytes() for path in files})
    return dict(sorted(found.items()))


def digest(files: t.Mapping[str, bytes]) -> str:
    """Return the SHA-256 digest of names and contents."""
    whole = hashlib.sha256()
    for name, content in files.items():
        whole.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def archive(files: t.Mapping[str, bytes]) -> bytes:
    """Return a compressed tar archive without data of the machine that made it."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def version(collection: Path) -> str:
    """Return the version of the collection: from galaxy.yml in a checkout, from MANIFEST.json when installed."""
    manifest = collection / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    found = re.search(r"^version:\s*(\S+)", (collection / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else "0"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--collection", type=Path, required=True)
    parser.add_argument("--packages", required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    files = sources(options.collection, options.packages.split(","))
    if options.output:
        options.output.write_bytes(archive(files))
    sys.stdout.write(json.dumps({"version": version(options.collection), "digest": digest(files)}) + "\n")


if __name__ == "__main__":
    main()
