# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations


def none_match(header: str, digest: str) -> bool:
    """Whether If-None-Match names the entity tag of this digest, so that 304 is the answer (RFC 9110, 13.1.2).

    The comparison is weak. Clients that leave out the quotes are understood too.
    """
    for part in header.split(","):
        tag = part.strip(" \t")
        if tag == "*" or tag[2 if tag.startswith("W/") else 0 :].strip('"') == digest:
            return True
    return False


def if_range(header: str | None, digest: str) -> bool:
    """Whether a Range counts: there is no If-Range, or it is the strong entity tag of this digest (RFC 9110, 13.1.5).

    A date never matches, because no Last-Modified is ever sent.
    """
    return header is None or header.strip(" \t") == entity_tag(digest)


def entity_tag(digest: str) -> str:
    """The ETag of the content with this digest."""
    return f'"{digest}"'


__all__ = ("entity_tag", "if_range", "none_match")
