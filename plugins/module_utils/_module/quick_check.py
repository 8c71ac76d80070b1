# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from .child_result import ChildResult
from .image_tree import Report

if t.TYPE_CHECKING:
    from .._registry.manifests import ManifestHead
    from .image_lookup import Question
    from .image_tree import DesiredTree, TreePlace
    from .sources import ImageSource
    from .stopwatch import Stopwatch

Json = dict[str, t.Any]


class QuickCheck:
    """The answer to the most frequent question, whether there is anything to do at all, from two processes at once.

    One compares the tree with its record while this one, in ask(), asks the registry for the digest. It never says that
    nothing is to do where ensure_present would do something; where it says nothing, that has to find out. A context
    manager: it begins with entering it.
    """

    def __init__(self, place: TreePlace, question: Question, desired: DesiredTree, watch: Stopwatch) -> None:
        self._question = question
        self._child = ChildResult(lambda: _look(place, question, desired)) if _may_be_there(place.dest) else None
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
        """Return the report that nothing has changed, if that is so; what the registry said stays in head.

        A digest in the reference leads to itself, so that the registry is not asked.

        Raises RegistryError.
        """
        if self._child is None or not self._child.is_running:
            return None
        digest = self._question.selector.digest
        if digest is None:
            with self._watch.stage("resolve"):
                self.head = source.head_manifest(self._question.repository, self._question.selector)
            digest = self.head.digest
        tree = self._child.result()  # in any case, so that nobody holds the lock any more
        if tree is None or digest is None or str(digest) not in tree["digests"]:
            return None
        from .image_lookup import is_for_platform, shown_as

        if not is_for_platform(tree["image"], source, self._question, digest=str(digest), warn=self._warn):
            return None
        shown = shown_as(tree["image"], source, self._question, digest=str(digest))
        described = self._desired.describe(shown)
        report = Report(changed=False, before=described, after=described, image=shown)
        return replace(report, previous_digest=tree["image"]["digest"], generation=tree["generation"])


def _may_be_there(dest: str) -> bool:
    head, name = os.path.split(dest.rstrip("/"))
    return os.path.isdir(os.path.join(head, f".{name}.oci"))


def _look(place: TreePlace, question: Question, desired: DesiredTree) -> Json | None:
    """What the tree was unpacked from, if it is as wished for; None if it is not, or if there is anything to say."""
    warnings: list[str] = []
    with replace(place, warn=warnings.append, lock_timeout=0.0).open(create=False) as view:
        stamp = view.current
        if stamp is None or not view.exists or not desired.fits(stamp) or stamp.platform != str(question.platform):
            return None
        if view.drift(desired.drift) or warnings:
            return None
        digests = [str(digest) for digest in (stamp.digest, stamp.index_digest) if digest is not None]
        return {"digests": digests, "image": stamp.image, "generation": view.current_generation}


__all__ = ("QuickCheck",)
