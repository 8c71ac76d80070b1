# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The repositories of a FaultyRegistry, and how they answer: reads, uploads, mounts, pushed manifests, deletions.

A manifest with a subject is answered with OCI-Subject. Uploads are sessions as in distribution-spec: POST, PATCH with
Content-Range, PUT, GET and DELETE.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import unquote

from .registry_replies import Reply, Request, error

if t.TYPE_CHECKING:
    import threading


@dataclass
class Repository:
    """The content of one repository. ``uploads`` has the bytes of the sessions that have begun."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    begun: int = 0

    def manifest(self, reference: str) -> Reply:
        """Return the answer to a GET of a manifest."""
        digest = self.tags.get(reference, reference)
        if digest not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        data, media_type = self.manifests[digest]
        return Reply(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def referrers(self, subject: str) -> list[dict[str, t.Any]]:
        """Return the descriptors of the manifests with this subject, each with its artifact type and annotations."""
        found = []
        for digest, (data, media_type) in self.manifests.items():
            document = json.loads(data) if subject.encode() in data else {}
            if document.get("subject", {}).get("digest") != subject:
                continue
            item = {"mediaType": media_type, "digest": digest, "size": len(data)}
            artifact_type = document.get("artifactType") or document.get("config", {}).get("mediaType")
            optional = {"artifactType": artifact_type, "annotations": document.get("annotations")}
            found.append({**item, **{name: value for name, value in optional.items() if value}})
        return found

    def blob(self, digest: str, request: Request, ranges: bool) -> Reply:
        """Return the answer to a GET of a blob."""
        if digest not in self.blobs:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = self.blobs[digest]
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "ETag": f'"{digest}"',
            "Accept-Ranges": "bytes",
        }
        match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", request.header("Range") or "")
        condition = request.header("If-Range")
        if match is None or not ranges or condition not in (None, headers["ETag"]):
            return Reply(200, data, headers)
        first, last = match.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        end = min(int(last) if first and last else len(data), len(data) - 1)
        if start > end:
            return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return Reply(206, data[start : end + 1], headers)


def is_write(request: Request) -> bool:
    """Tell whether a request belongs to an upload or changes something."""
    return request.method not in ("GET", "HEAD") or "/blobs/uploads/" in request.path


def answer_write(repositories: dict[str, Repository], request: Request, *, name: str, lock: threading.Lock) -> Reply:
    """Return the answer to a write, after doing it."""
    with lock:
        writes = _Writes(repositories, repositories.setdefault(name, Repository()), name)
        kind, dummy, reference = request.path.rpartition(f"/{name}/")[2].partition("/")
        if kind == "manifests":
            return writes.manifest(request, unquote(reference))
        if reference.startswith("uploads/"):
            return writes.upload(request, reference.partition("/")[2])
        return writes.delete_blob(unquote(reference))


@dataclass
class _Writes:
    repositories: dict[str, Repository]
    repository: Repository
    name: str

    def manifest(self, request: Request, reference: str) -> Reply:
        if request.method == "DELETE":
            return self._delete_manifest(reference)
        algorithm = reference.partition(":")[0] if ":" in reference else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, request.body).hexdigest()}"
        if ":" in reference and digest != reference:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.repository.manifests[digest] = (request.body, request.header("Content-Type") or "")
        if ":" not in reference:
            self.repository.tags[reference] = digest
        headers = {"Location": f"/v2/{self.name}/manifests/{digest}", "Docker-Content-Digest": digest}
        subject = json.loads(request.body).get("subject")
        if subject is not None:
            headers["OCI-Subject"] = subject["digest"]
        return Reply(201, b"", headers)

    def _delete_manifest(self, reference: str) -> Reply:
        tags, manifests = self.repository.tags, self.repository.manifests
        if reference not in tags and reference not in manifests:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        tags.pop(reference, None)
        manifests.pop(reference, None)
        for tag in [tag for tag, digest in tags.items() if digest == reference]:
            del tags[tag]
        return Reply(202, b"")

    def delete_blob(self, digest: str) -> Reply:
        if self.repository.blobs.pop(digest, None) is None:
            return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return Reply(202, b"")

    def upload(self, request: Request, session: str) -> Reply:
        if request.method == "POST":
            return self._begin(request)
        if session not in self.repository.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if request.method == "DELETE":
            del self.repository.uploads[session]
            return Reply(204, b"")
        if request.method in ("PATCH", "PUT"):
            return self._receive(request, session)
        return self._status(session, 204)

    def _begin(self, request: Request) -> Reply:
        mount, source = (request.query.get(name, [""])[0] for name in ("mount", "from"))
        data = self.repositories.get(source, Repository()).blobs.get(mount)
        if data is not None:
            self.repository.blobs[mount] = data
            return Reply(201, b"", {"Location": f"/v2/{self.name}/blobs/{mount}", "Docker-Content-Digest": mount})
        self.repository.begun += 1
        session = f"session-{self.repository.begun}"
        self.repository.uploads[session] = b""
        return self._status(session, 202)

    def _receive(self, request: Request, session: str) -> Reply:
        have = self.repository.uploads[session]
        stated = request.header("Content-Range")
        if stated is not None and int(stated.partition("-")[0]) != len(have):
            return self._status(session, 416)
        self.repository.uploads[session] = have + request.body
        if request.method == "PATCH" or not request.complete:
            return self._status(session, 202)
        wanted = request.query["digest"][0]
        data = self.repository.uploads.pop(session)
        digest = f"{wanted.partition(':')[0]}:{hashlib.new(wanted.partition(':')[0], data).hexdigest()}"
        if digest != wanted:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.repository.blobs[digest] = data
        return Reply(201, b"", {"Location": f"/v2/{self.name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _status(self, session: str, status: int) -> Reply:
        size = len(self.repository.uploads[session])
        location = f"/v2/{self.name}/blobs/uploads/{session}?_state={session}-{size}"
        return Reply(status, b"", {"Location": location, "Range": f"0-{max(0, size - 1)}"})


__all__ = ("Repository", "answer_write", "is_write")
