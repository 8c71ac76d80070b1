# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Push files to a registry as oras does: push.py REGISTRY REPOSITORY TAG [FILE:MEDIA-TYPE...]; print the digest."""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys
import urllib.parse
import urllib.request
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"


def send(method: str, url: str, data: bytes = b"", media_type: str = "application/octet-stream") -> str:
    """Send a request, which must succeed; return its Location."""
    request = urllib.request.Request(url, data, {"Content-Type": media_type}, method=method)
    with urllib.request.urlopen(request) as response:
        return urllib.parse.urljoin(url, response.headers.get("Location") or "")


def push_blob(base: str, data: bytes, media_type: str) -> dict[str, Any]:
    """Push a blob in one request; return its descriptor."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    location = send("POST", f"{base}/blobs/uploads/")
    send("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def main(registry: str, repository: str, tag: str, *files: str) -> None:
    """Push the files and a manifest that names them."""
    base = f"http://{registry}/v2/{repository}"
    layers = []
    for file in files:
        path, media_type = file.split(":", 1)
        title = {"org.opencontainers.image.title": pathlib.Path(path).name}
        layers.append({**push_blob(base, pathlib.Path(path).read_bytes(), media_type), "annotations": title})
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.files",
        "config": push_blob(base, b"{}", EMPTY),
        "layers": layers,
    }
    data = json.dumps(document).encode()
    send("PUT", f"{base}/manifests/{tag}", data, MANIFEST)
    print(f"sha256:{hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
