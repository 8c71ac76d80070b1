# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Hints for the messages of registry errors: defaults that the task used, similar tags, misplaced host names.

Called by opened_source. It sends at most one request, and raises no error of its own.
"""

from __future__ import annotations

import difflib
import typing as t

from ..._base.errors import CollectionError
from ..._base.text import visible
from ..._oci.errors import ReferenceInvalid
from ..._oci.names import is_tag, natural_key
from ..._oci.reference import DEFAULT_TAG, Reference
from ..._registry.errors import ConfigurationError, NotFound, RegistryError
from ..options.given import given_options

if t.TYPE_CHECKING:
    from .sources import RegistrySource

Params = t.Mapping[str, t.Any]

_SHOWN: t.Final = 5


def add_hints(error: CollectionError, params: Params, source: RegistrySource) -> None:
    """Append the hints that apply to the message of error, if it is a RegistryError."""
    if not isinstance(error, RegistryError) or isinstance(error, ConfigurationError):
        return
    if error.fields.get("registry", source.name) != source.name:
        return  # it is about the registry that the task writes to
    given = given_options()
    for hint in (*_registry_hints(params, given), *_tag_hints(error, params, given, source)):
        error.message = f"{error.message.rstrip('.?')}; {hint}."


def _registry_hints(params: Params, given: Params) -> t.Iterator[str]:
    if "image" in given:
        return
    if not given.keys() & {"registry", "host"}:
        yield f"{params['registry']} is the default of the option registry, so set registry if you mean another one"
    head, slash, rest = (params.get("repository") or "").partition("/")
    if slash and (head == "localhost" or "." in head):
        yield f"if {visible(head)} is a host, give registry: {visible(head)} and repository: {visible(rest)}"


def _tag_hints(error: CollectionError, params: Params, given: Params, source: RegistrySource) -> t.Iterator[str]:
    if not isinstance(error, NotFound) or "reference" not in params:
        return
    wanted = params["reference"] or DEFAULT_TAG
    if not is_tag(wanted) or error.fields.get("reference") != wanted or error.fields.get("code") == "NAME_UNKNOWN":
        return
    if _is_default_tag(given):
        yield f"{DEFAULT_TAG} is the default of the option reference"
    near = _similar_tags(wanted, source, params["repository"])
    if near:
        yield f"the repository has the tags {near}"


def _is_default_tag(given: Params) -> bool:
    if given.keys() & {"reference", "tag", "digest"}:
        return False
    try:
        whole = Reference.parse(given["image"], default_tag=None) if "image" in given else None
    except ReferenceInvalid:
        return False
    return whole is None or (whole.tag, whole.digest) == (None, None)


def _similar_tags(wanted: str, source: RegistrySource, repository: str) -> str:
    try:
        tags = source.first_tags(repository)
    except CollectionError:
        return ""
    close = difflib.get_close_matches(wanted, tags, n=_SHOWN)
    shown = [*close, *(tag for tag in sorted(tags, key=natural_key, reverse=True) if tag not in close)][:_SHOWN]
    return ", ".join(shown) + (" and others" if len(tags) > len(shown) else "")


__all__ = ("add_hints",)
