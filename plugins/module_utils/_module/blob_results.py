# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The results of modules that write verified content to a file: attributes and diff.

Called for oci_blob, oci_manifest, oci_artifact and oci_runtime_config.
"""

from __future__ import annotations

import typing as t

from .._base.text import path_text
from .._oci.digest import Verifier
from .blob_file import Content

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._oci.digest import Digest
    from .blob_file import BlobFile, Download, OpenStream
    from .registry.sources import ImageSource


def place(module: AnsibleModule, file: BlobFile, open_stream: OpenStream, *, before: Content | None) -> Download:
    """Download the content to the file; a new file gets the SELinux context of the policy. Raises as download()."""

    def label(partial: str) -> None:
        if before is None and module.selinux_enabled():
            module.set_context_if_different(partial, module.selinux_default_context(file.path), False)

    return file.download(open_stream, prepare=label)


def rest_of(data: bytes, digest: Digest, offset: int, state: t.Any) -> t.Iterator[bytes]:
    """Yield bytes with this digest from an offset on. Raises OciError if the bytes in state are not those before it."""
    rest = data[offset:]
    verifier = Verifier(digest, len(data), what="the unfinished file", state=state, received=offset)
    verifier.update(rest)
    verifier.finish()
    yield rest


def file_results(module: AnsibleModule, file: BlobFile, *, before: Content | None, done: Download) -> dict[str, t.Any]:
    """Set the attributes of the file by the options of the task; return the results changed and diff."""
    after = Content(file.digest, done.size)
    diff = _diff(file.path, before=before if done.changed else after, after=after)
    attributes = module.load_file_common_arguments(module.params)
    with file.reached() as path:
        changed = module.set_fs_attributes_if_different({**attributes, "path": path}, done.changed, diff)
    return {"changed": changed, "diff": diff}


def _diff(path: str, *, before: Content | None, after: Content) -> dict[str, t.Any]:
    """Return the diff of the file for a blob."""
    return {
        "before_header": path_text(path),
        "after_header": path_text(path),
        "before": {"digest": None} if before is None else {"digest": str(before.digest), "size": before.size},
        "after": {"digest": str(after.digest), "size": after.size},
    }


def blob_size(source: ImageSource, repository: str, digest: Digest) -> int:
    """Return the size of a blob in the registry. Raises NotFound, and what ImageSource.head_blob raises."""
    size = source.head_blob(repository, digest)
    if size is None:
        from .._registry.errors import NotFound

        raise NotFound(
            f"The registry {source.name} has no blob {digest} in {repository}; check the digest and the repository.",
            registry=source.name,
            repository=repository,
            reference=str(digest),
        )
    return size


__all__ = ("blob_size", "file_results", "place", "rest_of")
