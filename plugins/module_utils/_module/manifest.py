# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_manifest: find the manifest, in the file of an earlier run if it is there, and keep it in a file."""

from __future__ import annotations

import contextlib
import typing as t
from base64 import b64encode
from contextlib import nullcontext

from .._base.strict_json import load
from .._oci.digest import Digest
from .._oci.document import parse_document
from .._oci.index import Index
from .._oci.platform import Platform
from .._registry.errors import NotFound
from .._registry.fetched import Fetched
from .._registry.manifests import MAX_BYTES
from .blob_file import BlobFile, Download
from .blob_results import file_results, place, rest_of
from .registry.attestation import attestation_results
from .registry.image_source import opened_image

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._oci.descriptor import Descriptor
    from .._oci.reference import Selector
    from .registry.sources import ImageSource

Results = dict[str, t.Any]


def read_manifest(module: AnsibleModule) -> Results:
    """Return the results of the module. Raises what the source, parse_document() and BlobFile raise."""
    with contextlib.ExitStack() as stack:
        try:
            source, selector = stack.enter_context(opened_image(module))
        except NotFound:
            if module.params["fail_if_missing"]:
                raise
            return _missing()
        return {**_read(module, source, selector), **attestation_results(source)}


def _missing() -> Results:
    return {"changed": False, "exists": False}


def _read(module: AnsibleModule, source: ImageSource, selector: Selector) -> Results:
    params, repository = module.params, module.params["repository"] or ""
    platform = None if params["platform"] is None else Platform.parse(params["platform"])
    try:
        if params["head"]:
            return {"changed": False, **_look_up(source, repository, selector)}
        fetched = _find_kept(params, source, selector) or source.manifest(repository, selector)
    except NotFound:
        if params["fail_if_missing"]:
            raise
        return _missing()
    if platform is not None:
        image = source.resolve(repository, selector, platform=platform, fetched=fetched)
        fetched = Fetched(image.digest, image.manifest)
    kept = {"changed": False} if params["dest"] is None else _keep(module, fetched)
    return {**_describe(fetched), **kept}


def _look_up(source: ImageSource, repository: str, selector: Selector) -> Results:
    head = source.look_up(repository, selector)
    return {"exists": True, "digest": str(head.digest), "media_type": head.media_type, "size": head.size}


def _find_kept(params: t.Mapping[str, t.Any], source: ImageSource, selector: Selector) -> Fetched | None:
    """Return the manifest in the file of an earlier run, if the reference leads to it; a tag is asked for by HEAD."""
    if params["dest"] is None or params["platform"] is not None:
        return None
    digest, media_type = selector.digest, None
    if selector.tag is not None:
        head = source.head_manifest(params["repository"] or "", selector)
        digest, media_type = head.digest, head.media_type
    raw = None if digest is None else _file(params["dest"], digest).read(MAX_BYTES)
    if raw is None:
        return None
    document = parse_document(raw, media_type=media_type, strict=False, what=f"the manifest {digest}")
    return Fetched(selector.digest or Digest.of(raw), document)


def _keep(module: AnsibleModule, fetched: Fetched) -> Results:
    """Bring the file to the bytes of the manifest, and return the results changed and diff."""
    file = _file(module.params["dest"], fetched.digest)
    if file.warning is not None:
        module.warn(file.warning)
    found = file.content()
    if found is not None and found.digest == file.digest:
        done = Download(found.size, 0, changed=False)
    elif module.check_mode:
        done = Download(len(fetched.document.raw), 0)
    else:
        done = place(
            module,
            file,
            lambda offset, state: nullcontext(rest_of(fetched.document.raw, fetched.digest, offset, state)),
            before=found,
        )
    return file_results(module, file, before=found, done=done)


def _file(path: str, digest: Digest) -> BlobFile:
    return BlobFile(path, digest, what="manifest")


def _describe(fetched: Fetched) -> Results:
    document = fetched.document
    return {
        "exists": True,
        "digest": str(fetched.digest),
        "media_type": document.media_type,
        "size": len(document.raw),
        "document": load(document.raw, what=f"the manifest {fetched.digest}"),
        "content": b64encode(document.raw).decode("ascii"),
        "children": [_describe_child(entry) for entry in document.manifests] if isinstance(document, Index) else [],
    }


def _describe_child(entry: Descriptor) -> Results:
    return {
        "digest": str(entry.digest),
        "media_type": entry.media_type,
        "size": entry.size,
        "platform": None if entry.platform is None else str(entry.platform),
        "annotations": dict(entry.annotations),
    }


__all__ = ("read_manifest",)
