# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attach an SBOM and a signature to an image: attach.py REGISTRY REPOSITORY TAG; print the three digests as JSON.

The SBOM is a referrer, in the referrers tag too if the registry does not offer the API, as oras attach does it. The
signature has a tag of cosign. Neither is a real one.
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.parse
import urllib.request
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SBOM = "application/spdx+json"

Json = dict[str, Any]


def send(method: str, url: str, data: bytes | None = None, media_type: str = MANIFEST) -> tuple[Any, bytes]:
    """Send a request, which must succeed; return the headers and the body of the answer."""
    headers = {"Accept": f"{MANIFEST}, {INDEX}", "Content-Type": media_type}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as response:
        return response.headers, response.read()


def digest_of(data: bytes) -> str:
    """Return the digest of data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_blob(base: str, data: bytes, media_type: str) -> Json:
    """Push a blob in one request; return its descriptor."""
    url = f"{base}/blobs/uploads/"
    location = urllib.parse.urljoin(url, send("POST", url, b"")[0]["Location"])
    separator = "&" if "?" in location else "?"
    send("PUT", f"{location}{separator}digest={digest_of(data)}", data, "application/octet-stream")
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def push_manifest(base: str, document: Json, tag: str | None = None) -> tuple[Any, Json]:
    """Push a manifest or index; return the headers of the answer, and its descriptor."""
    data = json.dumps({"schemaVersion": 2, **document}).encode()
    descriptor = {"mediaType": document["mediaType"], "digest": digest_of(data), "size": len(data)}
    url = f"{base}/manifests/{tag or descriptor['digest']}"
    return send("PUT", url, data, document["mediaType"])[0], descriptor


def main(registry: str, repository: str, tag: str) -> None:
    """Push what is attached."""
    base = f"http://{registry}/v2/{repository}"
    headers, body = send("GET", f"{base}/manifests/{tag}")
    subject = {"mediaType": headers["Content-Type"], "digest": digest_of(body), "size": len(body)}
    manifest = {"mediaType": MANIFEST, "config": push_blob(base, b"{}", EMPTY)}
    sbom = {**manifest, "artifactType": SBOM, "layers": [push_blob(base, b'{"sbom": 1}', SBOM)], "subject": subject}
    answer, pushed = push_manifest(base, sbom)
    name = subject["digest"].replace(":", "-")
    if "OCI-Subject" not in answer:
        push_manifest(base, {"mediaType": INDEX, "manifests": [{**pushed, "artifactType": SBOM}]}, name)
    layer = push_blob(base, b"payload", "application/vnd.dev.cosign.simplesigning.v1+json")
    dummy, signature = push_manifest(base, {**manifest, "layers": [layer]}, f"{name}.sig")
    print(json.dumps({"subject": subject["digest"], "sbom": pushed["digest"], "signature": signature["digest"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
