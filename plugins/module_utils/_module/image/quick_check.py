# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The quick check of oci_image_unpack for the most frequent case, nothing to change. Called by unpack.py."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from .child_result import ChildResult
from .tree import Report

if t.TYPE_CHECKING:
    from ..._base.strict_json import Json
    from ..._registry.fetched import ManifestHead
    from ..registry.sources import ImageSource
    from ..stopwatch import Stopwatch
    from .lookup import ImageRequest
    from .tree import DesiredTree, TreePlace


class QuickCheck:
    """The check whether the tree is up to date, in two processes at once. A context manager, which starts the check.

    A child process compares the tree with its record, while ask() requests the digest from the registry. The check
    never reports "unchanged" where ensure_present would change something. If it reports nothing, ensure_present
    decides.
    """

    def __init__(self, place: TreePlace, request: ImageRequest, desired: DesiredTree, watch: Stopwatch) -> None:
        self._request = request
        self._child = (
            ChildResult(lambda: _inspect_tree(place, request, desired)) if _has_state_directory(place) else None
        )
        self._desired, self._warn = desired, place.warn
        self._watch = watch
        self.head: ManifestHead | None = None

    def __enter__(self) -> QuickCheck:
        if self._child is not None:
            self._child.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        if self._child is not None:
            self._child.__exit__(*details)

    def ask(self, source: ImageSource) -> Report | None:
        """Return the report of an unchanged tree, None if a change may be needed. head keeps the registry's response.

        No request is sent if the reference has a digest, or with missing_only if the stamp has the tag. Raises
        RegistryError.
        """
        if self._child is None or not self._child.is_running:
            return None
        request, digest = self._request, self._request.selector.digest
        tree = self._child.result() if request.missing_only else None
        if tree is not None and digest is None:
            from .lookup import kept_digest

            digest = kept_digest(tree["image"], source, request)
        if digest is None:
            with self._watch.stage("resolve"):
                self.head = source.head_manifest(request.repository, request.selector)
            digest = self.head.digest
        if not request.missing_only:
            tree = self._child.result()  # in any case, so that the child releases its lock
        if tree is None or digest is None or str(digest) not in tree["digests"]:
            return None
        from .lookup import is_for_platform, shown_as

        signature = self._recorded_signature(source, tree)
        if request.signature is not None and signature is None:
            return None
        if not is_for_platform(tree["image"], source, request, digest=str(digest), warn=self._warn):
            return None
        shown = shown_as(tree["image"], source, request, digest=str(digest))
        described = self._desired.describe(shown, signature=signature)
        report = Report(changed=False, before=described, after=described, image=shown, signature=signature)
        return replace(report, previous_digest=tree["image"]["digest"], generation=tree["generation"])

    def _recorded_signature(self, source: ImageSource, tree: Json) -> Json | None:
        if self._request.signature is None:
            return None
        from .signed import recorded_signature

        return recorded_signature(source, self._request, tree["signature"], digests=tree["digests"])


def _has_state_directory(place: TreePlace) -> bool:
    head, name = os.path.split(place.dest.rstrip("/"))
    return os.path.isdir(place.state_dir or os.path.join(head, f".{name}.oci"))


def _inspect_tree(place: TreePlace, request: ImageRequest, desired: DesiredTree) -> Json | None:
    """Return what the tree was unpacked from, None if it is not the desired tree or if there is a warning."""
    warnings: list[str] = []
    with replace(place, warn=warnings.append, lock_timeout=0.0).open(create=False) as view:
        stamp = view.current
        if stamp is None or not view.exists or not desired.fits(stamp) or stamp.platform != str(request.platform):
            return None
        if view.drift(desired.drift) or warnings:
            return None
        kept = {"image": stamp.image, "signature": stamp.signature}
        return {"digests": [str(digest) for digest in stamp.digests], "generation": view.current_generation, **kept}


__all__ = ("QuickCheck",)
