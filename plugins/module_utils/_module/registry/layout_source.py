# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""An ImageSource for images in files: a layout, an OCI archive or an archive of docker save (option layout).

It sends no request, and verifies everything as from a registry. Called by the modules that have the option.
"""

from __future__ import annotations

import contextlib
import typing as t
from functools import cached_property

from ..._archive.content import read_all
from ..._archive.entries import LayoutReference
from ..._archive.errors import ImageNotFound
from ..._archive.opening import opened_images
from ..._base.errors import CollectionError
from ..._base.text import path_text
from ..._layout.errors import BlobMissing, DocumentRefused
from ..._oci.descriptor import Descriptor
from ..._oci.digest import Digest, Verifier
from ..._oci.document import parse_document
from ..._oci.errors import DigestMismatch
from ..._oci.reference import Selector
from ..._registry.errors import NotFound, Operation
from ..._registry.fetched import Fetched, ManifestHead
from ..._unpack.limits import DEFAULT_LIMITS, Limits

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._archive.entries import StoredImage
    from ..._archive.layouts import ImageFiles
    from ..._base.text import Warn
    from ..._oci.image import Image
    from ..._oci.platform import Platform


@contextlib.contextmanager
def opened_layout(module: AnsibleModule) -> t.Iterator[LayoutSource]:
    """Yield the LayoutSource of the options layout and reference. Nothing is read before the first call."""
    params = module.params
    reference = LayoutReference.parse(params["reference"])
    source = LayoutSource(
        params["layout"], reference, folder=lambda: str(module.tmpdir), limits=_limits(params), warn=module.warn
    )
    try:
        yield source
    finally:
        source.close()


class LayoutSource:
    """The images at the path of a layout or archive, which is opened when it is needed.

    selector is the selector of the option reference, with its digest: a caller that has that image already reads
    nothing more. The arguments repository are not used: the repository is the path.
    """

    name: t.Final = ""
    requests: t.Final = 0
    downloaded: t.Final = 0
    attestation: t.Final = None

    def __init__(
        self,
        path: str,
        reference: LayoutReference,
        *,
        folder: t.Callable[[], str],
        limits: Limits,
        warn: Warn,
    ) -> None:
        self._path, self._reference, self._folder, self._warn = path, reference, folder, warn
        self._limits = limits
        self._stack = contextlib.ExitStack()

    @cached_property
    def selector(self) -> Selector:
        """The selector of the option reference; with a digest in it, no file is read. Raises NotFound, LayoutError."""
        reference = self._reference
        if reference.digest is None:
            return self._find(reference)
        return Selector(reference.tag, reference.digest)

    @cached_property
    def _files(self) -> ImageFiles:
        return self._stack.enter_context(opened_images(self._path, folder=self._folder, limits=self._limits))

    @property
    def images(self) -> tuple[StoredImage, ...]:
        """The entries of index.json, or the images of an archive of docker save. Raises LayoutError."""
        return self._files.images

    def full_name(self, selector: Selector) -> str | None:
        """Return the full name of an image, with its tag; None if it has none, or several.

        With a digest in the option reference, only that option is looked at. Raises LayoutError.
        """
        if self._reference.digest is not None:
            return self._reference.full
        names = {
            name
            for image in self._files.images
            if image.descriptor.digest == selector.digest and (selector.tag is None or selector.tag in image.tags)
            for name in image.full_names
        }
        return names.pop() if len(names) == 1 else None

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def repository(self, name: str) -> str:
        """Return the path."""
        return path_text(self._path)

    def head_manifest(self, repository: str, selector: Selector) -> ManifestHead:
        """Return the digest of the selector, which selector always has."""
        return ManifestHead(selector.digest, None)

    def look_up(self, repository: str, selector: Selector) -> ManifestHead:
        """Return digest, media type and size of a manifest, which is verified. Raises what manifest() raises."""
        fetched = self.manifest(repository, selector)
        return ManifestHead(fetched.digest, fetched.document.media_type, len(fetched.document.raw))

    @property
    def requested_name(self) -> str | None:
        """The registry with the repository in the option reference, None if that has none."""
        full = self._reference.full
        return None if full is None else full.rpartition(":")[0]

    def manifest(self, repository: str, selector: Selector, *, attached: bool = False) -> Fetched:
        """Return the manifest or index of a selector; its tag must lead to its digest. Raises LayoutError, OciError."""
        operation, digest = self._operation(selector), t.cast(Digest, selector.digest)
        if selector.tag is not None and self._reference.digest is not None:
            self._check_tag(operation, selector.tag, digest)
        known = [image.descriptor for image in self._files.images if image.descriptor.digest == digest]
        if known:
            return self.get_child(operation, known[0])
        data = self._document(operation, digest, None)
        document = parse_document(data, media_type=None, strict=False, what=f"the manifest {digest}")
        return Fetched(digest, document)

    def resolve(
        self, repository: str, selector: Selector, *, platform: Platform, fetched: Fetched | None = None
    ) -> Image:
        """Return the image for a platform. Raises LayoutError, RegistryError, OciError."""
        from ..._registry.resolver import ImageResolver

        if fetched is None:
            fetched = self.manifest(repository, selector)
        operation = self._operation(selector)
        resolver = ImageResolver(
            operation,
            self,
            lambda descriptor: self._content_of(operation, descriptor),
            platform,
            self._warn,
        )
        return resolver.resolve(fetched, registry=self.name, repository=path_text(self._path), selector=selector)

    def get_child(self, operation: Operation, descriptor: Descriptor) -> Fetched:
        """Return the target of an entry. Raises NotFound if it is not there, OciError if it is not what it says."""
        data = self._content_of(operation, descriptor)
        what = f"the manifest {descriptor.digest}"
        return Fetched(descriptor.digest, parse_document(data, media_type=descriptor.media_type, what=what))

    def child(self, descriptor: Descriptor) -> Fetched:
        """Return the target of an entry, as get_child() does."""
        return self.get_child(self._operation(Selector(None, descriptor.digest)), descriptor)

    @contextlib.contextmanager
    def blob(
        self,
        repository: str,
        descriptor: Descriptor | Digest,
        *,
        offset: int = 0,
        digest_state: t.Any = None,
        attached: bool = False,
    ) -> t.Iterator[t.Iterator[bytes]]:
        """Yield an iterator over the bytes of a blob, which raises an error at its end if they are wrong."""
        digest = descriptor.digest if isinstance(descriptor, Descriptor) else descriptor
        size = descriptor.size if isinstance(descriptor, Descriptor) else None
        with self._files.opened(digest) as content:
            verifier = Verifier(digest, size, what=f"the blob {digest}", state=digest_state, received=offset)
            yield _verified(content.pieces(offset), verifier)

    def head_blob(self, repository: str, digest: Digest) -> int | None:
        """Return the size of a blob, None if it is not there."""
        try:
            with self._files.opened(digest) as content:
                return content.size
        except BlobMissing:
            return None

    def _find(self, reference: LayoutReference) -> Selector:
        try:
            return reference.find(self._files.images, path=self._path)
        except ImageNotFound as exc:
            raise NotFound(exc.message, **exc.fields) from None

    def _check_tag(self, operation: Operation, tag: str, digest: Digest) -> None:
        leads_to = self._find(LayoutReference(tag, self._reference.full)).digest
        if leads_to != digest:
            message = operation.sentence(
                f"the tag {tag} leads to {leads_to}, not to {digest}",
                "give the tag alone, the digest alone, or the digest of the tag",
            )
            raise DigestMismatch(message, expected=str(digest), actual=str(leads_to))

    def _content_of(self, operation: Operation, descriptor: Descriptor) -> bytes:
        if descriptor.data is not None:
            return descriptor.data
        return self._document(operation, descriptor.digest, descriptor.size)

    def _document(self, operation: Operation, digest: Digest, size: int | None) -> bytes:
        """Return the verified bytes of a document. Raises NotFound, DocumentRefused, OciError."""
        try:
            with self._files.opened(digest) as content:
                data = read_all(content, what=str(digest))
        except BlobMissing:
            raise operation.error(NotFound, f"{digest} is not there", "save or copy the image again") from None
        except DocumentRefused as exc:
            raise exc.add_context(layout=path_text(self._path)) from None
        verifier = Verifier(digest, size, what=str(digest))
        verifier.update(data)
        verifier.finish()
        return data

    def _operation(self, selector: Selector) -> Operation:
        path = path_text(self._path)
        return _LayoutOperation(f"read the image {selector} from {path}", path, str(selector), str(selector))


class _LayoutOperation(Operation):
    """An operation on a layout, which registry is the path of."""

    def annotate(self, error: CollectionError) -> None:
        """Add the fields that every error of this operation has."""
        error.add_context(layout=self.registry, reference=self.reference)


def _limits(params: t.Mapping[str, t.Any]) -> Limits:
    """Return the limits for the content of a compressed archive; only some modules have options for them."""
    return Limits(
        unpacked_bytes=params.get("max_unpacked_bytes", DEFAULT_LIMITS.unpacked_bytes),
        ratio=params.get("max_ratio", DEFAULT_LIMITS.ratio),
    )


def _verified(pieces: t.Iterator[bytes], verifier: Verifier) -> t.Iterator[bytes]:
    for piece in pieces:
        verifier.update(piece)
        yield piece
    verifier.finish()


__all__ = ("LayoutSource", "opened_layout")
