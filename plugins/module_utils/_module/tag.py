# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_tag: find what the tags lead to, point them to another manifest of the repository, or remove them.

No content is moved: a tag is written by pushing the bytes of a manifest that the repository has already.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._oci.digest import Digest
from .._oci.names import check_tag
from .._oci.reference import Reference, Selector
from .._registry.errors import NotOffered
from .._registry.push.pusher import Pusher
from .options.given import given_options
from .options.ranges import OptionInvalid
from .registry.attestation import attestation_results
from .registry.connection import opened_registry
from .registry.digests import find_digest

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._registry.client import Registry

Results = dict[str, t.Any]

# tags that are looked up to find those that a deletion takes along
_MAX_LOOKED_UP: t.Final = 500
_NAMED: t.Final = 10


@dataclass(frozen=True)
class _Change:
    """A tag and the digests that it leads to before and after the task; None if there is no such tag."""

    tag: str
    before: Digest | None
    after: Digest | None


@dataclass(frozen=True)
class _Work:
    """A task: its module, the client of its registry, and the tags, each once and in the order of the option."""

    module: AnsibleModule
    registry: Registry
    repository: str
    tags: tuple[str, ...]

    def digest_of(self, selector: Selector) -> Digest | None:
        """Return the digest that a reference leads to, None if it is missing."""
        return find_digest(self.registry, self.repository, selector)


def run_tag(module: AnsibleModule) -> Results:
    """Bring the tags to the requested state and return the results of oci_tag. Raises CollectionError."""
    params = module.params
    tags = tuple(dict.fromkeys(check_tag(tag) for tag in params["tags"]))
    if not tags:
        raise OptionInvalid("The option tags is empty; name at least one tag.")
    is_absent = params["state"] == "absent"
    if is_absent:
        _refuse_reference(params)
    with opened_registry(module) as registry:
        work = _Work(module, registry, params["repository"], tags)
        results = _remove(work) if is_absent else _set(work)
        return {**results, **attestation_results(registry)}


def _refuse_reference(params: t.Mapping[str, t.Any]) -> None:
    """Refuse a reference, which a user could take for a condition."""
    given = given_options()
    named = [option for option in ("reference", "tag", "digest") if given.get(option) is not None]
    if given.get("image") is not None:
        whole = Reference.parse(given["image"], default_tag=None)
        named += ["a tag or digest in image"] if (whole.tag, whole.digest) != (None, None) else []
    if named:
        raise OptionInvalid(
            f"With state=absent, {named[0]} has no meaning: the tags in the option tags are removed, whatever they "
            f"lead to; leave it out."
        )


# --- present ---


def _set(work: _Work) -> Results:
    selector = Selector.parse(work.module.params["reference"])
    wanted = selector.digest if selector.tag is None else work.digest_of(selector)
    if wanted is None:
        wanted = work.registry.manifest(work.repository, selector).digest  # raises the reason
    before = {tag: work.digest_of(Selector(tag, None)) for tag in work.tags}
    if all(found == wanted for found in before.values()):
        return _results([_Change(tag, found, found) for tag, found in before.items()], digest=wanted)
    if not work.module.check_mode:
        return _push(work, selector, before)
    if selector.tag is None:
        work.registry.look_up(work.repository, selector)
    return _results([_Change(tag, found, wanted) for tag, found in before.items()], digest=wanted)


def _push(work: _Work, selector: Selector, before: t.Mapping[str, Digest | None]) -> Results:
    """Push the manifest to the tags that do not lead to it."""
    fetched = work.registry.manifest(work.repository, selector)
    content, pusher = fetched.document.raw, Pusher(work.registry, work.repository)
    changes = []
    for tag, found in before.items():
        # a registry may state a digest of another algorithm
        is_right = found is not None and Digest.of(content, found.algorithm) == found
        if not is_right:
            pusher.push_manifest(content, fetched.document.media_type, tag)
        changes.append(_Change(tag, found, found if is_right else fetched.digest))
    return _results(changes, digest=fetched.digest)


# --- absent ---


def _remove(work: _Work) -> Results:
    before = {tag: work.digest_of(Selector(tag, None)) for tag in work.tags}
    there = {tag: digest for tag, digest in before.items() if digest is not None}
    deleted: tuple[Digest, ...] = ()
    if there and not work.module.check_mode:
        deleted = _delete(work, there)
    changes = [_Change(tag, found, None) for tag, found in before.items()]
    return {**_results(changes), "deleted_manifests": [str(digest) for digest in deleted]}


def _delete(work: _Work, there: t.Mapping[str, Digest]) -> tuple[Digest, ...]:
    """Delete tags; return the manifests that were deleted in their place. Raises NotOffered, see _by_digest_error()."""
    pusher, waiting = Pusher(work.registry, work.repository), list(there)
    refusal: NotOffered | None = None
    while waiting and refusal is None:
        try:
            pusher.delete_manifest(waiting[0])
            waiting.pop(0)
        except NotOffered as exc:
            refusal = exc
    digests = tuple(dict.fromkeys(there[tag] for tag in waiting))
    for digest in digests:
        others = _describe_others(work, digest)
        if not work.module.params["delete_manifest"]:
            raise _by_digest_error(work, waiting[0], digest, others, t.cast("NotOffered", refusal))
        if others:
            work.module.warn(f"The manifest {digest} of {work.repository} is deleted with its other tags: {others}.")
    for digest in digests:
        pusher.delete_manifest(digest)
    return digests


def _by_digest_error(work: _Work, tag: str, digest: Digest, others: str, refusal: NotOffered) -> NotOffered:
    taken = f"which has other tags as well: {others}" if others else "which has no other tag"
    error = NotOffered(
        f"Cannot remove the tag {tag} of {work.repository} from {work.registry.name}: {refusal.why}, so it is "
        f"read-only, or deletes manifests by digest alone; set delete_manifest to true to delete {digest}, {taken}."
    )
    return error.add_context(**refusal.fields)


def _describe_others(work: _Work, digest: Digest) -> str:
    """Return the other tags of a manifest as text, "" if there are none."""
    names = [name for name in work.registry.tags(work.repository).names if name not in work.tags]
    looked_up = names[:_MAX_LOOKED_UP]
    others = [name for name in looked_up if work.digest_of(Selector(name, None)) == digest]
    text = ", ".join(others[:_NAMED])
    if len(others) > _NAMED:
        text += f" and {len(others) - _NAMED} more"
    if len(names) > len(looked_up):
        text = f"{text or 'none'} among the first {len(looked_up)} tags, and possibly later ones"
    return text


# --- results ---


def _results(changes: t.Sequence[_Change], *, digest: Digest | None = None) -> Results:
    tags = [{"tag": change.tag, "before": _text(change.before), "after": _text(change.after)} for change in changes]
    diff = {side: {one["tag"]: one[side] for one in tags if one[side] is not None} for side in ("before", "after")}
    return {
        "changed": any(change.before != change.after for change in changes),
        "tags": tags,
        "diff": diff,
        **({} if digest is None else {"digest": str(digest)}),
    }


def _text(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


__all__ = ("run_tag",)
