# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options that name an image: image alone, or registry, repository and reference, tag or digest.

Called by registry_module. The outcome is in the parameters registry, repository and reference.
"""

from __future__ import annotations

import typing as t

from ..._base.text import quote
from ..._oci.errors import ReferenceInvalid
from ..._oci.names import is_tag
from ..._oci.reference import Reference, Selector

Params = dict[str, t.Any]
Spec = t.Mapping[str, t.Mapping[str, t.Any]]

_PARTS: t.Final[tuple[str, ...]] = ("registry", "repository", "reference", "tag", "digest")
_TAGS: t.Final = ("reference", "tag", "digest", "dest_tag", "dest_name", "last")


def settle_names(params: Params, given: t.Mapping[str, t.Any], spec: Spec) -> None:
    """Set the parameters registry, repository and reference from image, tag and digest. Raises ReferenceInvalid.

    given are the options that the task sets, under the names used there; spec is the argument spec of the module.
    """
    names = {option: _given_name(option, given, spec) for option in _PARTS if option in spec}
    if "image" in spec and given.get("image") is not None:
        _take_image(params, [name for name in names.values() if name is not None])
        return
    if names.get("repository") is not None:
        _check_repository(params["repository"], option=str(names["repository"]))
    if "tag" not in spec:
        return
    for option in ("tag", "digest"):
        if names.get("reference") is not None and names.get(option) is not None:
            raise ReferenceInvalid(
                f"The options {names['reference']} and {option} are mutually exclusive: give tag and digest, or a "
                "reference of the form tag@digest."
            )
    parts = [params[option] for option in ("tag", "digest") if names.get(option) is not None]
    if parts:
        params["reference"] = "@".join(parts)
    for option in ("reference", "tag", "digest"):
        if names.get(option) is not None and params.get("layout") is None:
            _check_reference(params[option], option=option)


def settle_layout(params: Params, given: t.Mapping[str, t.Any], spec: Spec) -> None:
    """With the option layout, refuse the options for another image; without a reference, set it to None.

    The options of the connection to a registry are not used then. They are not refused, because module_defaults often
    sets them for all tasks of a play. Raises ReferenceInvalid.
    """
    if params.get("layout") is None:
        return
    for option in ("image", "repository", "foreign_layers"):
        name = _given_name(option, given, spec) if option in spec else None
        if name is not None:
            raise ReferenceInvalid(
                f"The options layout and {name} are mutually exclusive, even if module_defaults set {name}: with "
                f"layout the image is not taken from a registry; leave out {name}, or leave out layout."
            )
    if not any(_given_name(option, given, spec) for option in ("reference", "tag", "digest")):
        params["reference"] = None


def conversion_warnings(params: Params, given: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Yield a warning for each tag that YAML read as a float or boolean: 1.10 without quotes is 1.1, on is true."""
    for option, value, read in _given_tags(params, given):
        if isinstance(value, (float, bool)):
            kind = "a number" if isinstance(value, float) else "a boolean"
            yield (
                f"The option {option} is {kind}, not a string, and is read as {quote(read)}: YAML reads 1.10 "
                "without quotes as the number 1.1; put the value in quotes."
            )


def _given_tags(params: t.Any, given: t.Any, place: str = "") -> t.Iterator[tuple[str, object, t.Any]]:
    """Yield the name of each option for a tag, its value as the task gives it, and as Ansible has converted it."""
    if not (isinstance(given, dict) and isinstance(params, dict)):
        return
    for option in _TAGS:
        yield place + option, given.get(option), params.get(option)
    for option in ("tags", "manifests"):
        if isinstance(given.get(option), list) and isinstance(params.get(option), list):
            for number, (value, read) in enumerate(zip(given[option], params[option])):
                yield f"{place}{option}[{number}]", value, read
                yield from _given_tags(read, value, f"{place}{option}[{number}].")
    yield from _given_tags(params.get("target"), given.get("target"), f"{place}target.")


def _given_name(option: str, given: t.Mapping[str, t.Any], spec: Spec) -> str | None:
    """Return the name or alias under which the task sets an option, None if it does not set it."""
    return next((name for name in (option, *spec[option].get("aliases", ())) if given.get(name) is not None), None)


def _take_image(params: Params, others: t.Sequence[str]) -> None:
    if others:
        raise ReferenceInvalid(
            f"The options image and {others[0]} are mutually exclusive, even if module_defaults set one of them: image "
            f"contains registry, repository and reference; leave out {others[0]}, or leave out image."
        )
    reference = Reference.parse(params["image"])
    params["registry"], params["repository"] = reference.registry, reference.repository
    params["reference"] = str(Selector(reference.tag, reference.digest))


def _check_repository(text: str, *, option: str) -> None:
    if "://" not in text and (":" in text or "@" in text):
        _refuse_whole(text, option=option, kind="a repository")


def _check_reference(text: str, *, option: str) -> None:
    name, dummy, tag = text.partition(":")
    if "/" in text or (is_tag(name) and is_tag(tag) and not name.startswith("sha")):
        _refuse_whole(text, option=option, kind="a tag or a digest")


def _refuse_whole(text: str, *, option: str, kind: str) -> None:
    """Raise ReferenceInvalid with the options for the parts of an image name. Return if text is not an image name."""
    try:
        whole = Reference.parse(text, default_tag=None)
    except ReferenceInvalid:
        return
    named = text.startswith(whole.registry + "/")
    repository = whole.repository if named else text.partition("@")[0].partition(":")[0]
    parts = [f"registry: {whole.registry}"] if named else []
    parts.append(f"repository: {repository}")
    if whole.tag is not None or whole.digest is not None:
        parts.append(f"reference: {Selector(whole.tag, whole.digest)}")
    raise ReferenceInvalid(
        f"The option {option} is {quote(text)}, which is the full name of an image, not {kind}: give "
        f"{', '.join(parts)}{', or the full name as image' if named else ''}."
    )


__all__ = ("conversion_warnings", "settle_layout", "settle_names")
