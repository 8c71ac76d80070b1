# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Lists of the distribution API: tags, catalog and referrers, with pagination. Called by app.py."""

from __future__ import annotations

import bisect
import itertools
import typing as t
import urllib.parse

from ..._oci.media_type import OCI_INDEX
from .answers import json_answer
from .lookup import check_digest

if t.TYPE_CHECKING:
    from ..content.snapshot import Referrer, Repository
    from ..libraries import web
    from .lookup import MaySee
    from .target import Page


def tags_answer(repository: Repository, page: Page, *, cache: str) -> web.Response:
    """Make the response for a page of tags, with a Link to the next page (distribution-spec, "Listing Tags")."""
    shown, headers = _take_page(repository.tag_names, page, f"/v2/{repository.name}/tags/list")
    return json_answer({"name": repository.name, "tags": shown}, cache=cache, headers=headers)


def catalog_answer(names: t.Sequence[str], may_see: MaySee, page: Page, *, cache: str) -> web.Response:
    """Make the response for a page of the repositories that the client may see. names are all, sorted."""
    shown, headers = _take_page(names, page, "/v2/_catalog", may_see)
    return json_answer({"repositories": shown}, cache=cache, headers=headers)


def _take_page(
    names: t.Sequence[str], page: Page, path: str, shown: MaySee | None = None
) -> tuple[list[str], dict[str, str]]:
    start = 0 if page.last is None else bisect.bisect_right(names, page.last)
    rest: t.Iterable[str] = itertools.islice(names, start, None)
    if shown is not None:
        rest = filter(shown, rest)
    if page.n is None:
        return list(rest), {}
    # one more item than the page has tells whether there is a next page
    found = list(itertools.islice(rest, page.n + 1))
    if page.n == 0 or len(found) <= page.n:
        return found[: page.n], {}
    query = urllib.parse.urlencode({"n": page.n, "last": found[page.n - 1]})
    return found[: page.n], {"Link": f'<{path}?{query}>; rel="next"'}


def referrers_answer(
    repository: Repository, subject: str, artifact_types: t.Collection[str], *, cache: str
) -> web.Response:
    """Make the response for the manifests that have this subject, an index (distribution-spec, "Listing Referrers").

    artifact_types filters them, unless it is empty. Raises Refusal when subject is not a digest.
    """
    check_digest(subject)
    found = repository.referrers.get(subject, ())
    headers = {"Content-Type": OCI_INDEX}
    if artifact_types:
        found = tuple(item for item in found if item.artifact_type in artifact_types)
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(item) for item in found]}
    return json_answer(index, cache=cache, headers=headers)


def _descriptor(referrer: Referrer) -> dict[str, t.Any]:
    descriptor: dict[str, t.Any] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type is not None:
        descriptor["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        descriptor["annotations"] = dict(referrer.annotations)
    return descriptor


__all__ = ("catalog_answer", "referrers_answer", "tags_answer")
