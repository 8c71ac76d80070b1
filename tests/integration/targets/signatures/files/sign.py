# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sign an image with OpenSSL: sign.py REGISTRY REPOSITORY TAG KEY; print the digest that was signed.

The signature is pushed as cosign does it, to the tag sha256-HEX.sig. The signed name is that of the repository.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any

TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def send(method: str, url: str, data: bytes | None = None, media_type: str = TYPES[0]) -> tuple[Any, bytes]:
    """Send a request, which must succeed; return the headers and the body of the answer."""
    headers = {"Accept": ", ".join(TYPES), "Content-Type": media_type}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as response:
        return response.headers, response.read()


def digest_of(data: bytes) -> str:
    """Return the digest of data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def push_blob(base: str, data: bytes, media_type: str) -> dict[str, Any]:
    """Push a blob in one request; return its descriptor."""
    url = f"{base}/blobs/uploads/"
    location = urllib.parse.urljoin(url, send("POST", url, b"")[0]["Location"])
    separator = "&" if "?" in location else "?"
    send("PUT", f"{location}{separator}digest={digest_of(data)}", data, "application/octet-stream")
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def main(registry: str, repository: str, tag: str, key: str) -> None:
    """Sign the digest that the tag leads to, and push the signature."""
    base = f"http://{registry}/v2/{repository}"
    signed = digest_of(send("GET", f"{base}/manifests/{tag}")[1])
    critical = {
        "identity": {"docker-reference": f"{registry}/{repository}"},
        "image": {"docker-manifest-digest": signed},
        "type": "cosign container image signature",
    }
    payload = json.dumps({"critical": critical, "optional": None}).encode()
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    signature = subprocess.run(command, input=payload, stdout=subprocess.PIPE, check=True).stdout
    layer = push_blob(base, payload, "application/vnd.dev.cosign.simplesigning.v1+json")
    layer["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
    config = push_blob(base, b"{}", "application/vnd.oci.image.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": TYPES[0], "config": config, "layers": [layer]}
    send("PUT", f"{base}/manifests/{signed.replace(':', '-')}.sig", json.dumps(manifest).encode())
    print(signed)


if __name__ == "__main__":
    main(*sys.argv[1:])
