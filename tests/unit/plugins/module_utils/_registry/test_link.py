# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Link headers (RFC 8288) give the next page."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.link import LinkInvalid, next_link
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ([], None),
        ([""], None),
        (['</v2/a/tags/list?n=2&last=b>; rel="next"'], "/v2/a/tags/list?n=2&last=b"),
        (["</x>;rel=next"], "/x"),
        (["</x> ; REL = NEXT"], "/x"),
        (['</x>; rel="prev next"'], "/x"),
        (['</a>; rel="prev", </b>; rel="next"'], "/b"),
        (['</a>; rel="prev"', '</b>; rel="next"'], "/b"),
        (['</a,b;c>; title="x, y; rel=next", </d>; rel=next'], "/d"),
        (['</a>; title="\\"<\\">"; rel="next"'], "/a"),
        (['</a>; rel="first"; rel="next"'], None),
        (["</a>"], "/a"),
        (["</a>; next"], "/a"),
        (["</a>; title=x, </b>"], "/a"),
        (["</a>, </b>; rel=next"], "/b"),
        (["</a>; rel=prev, </b>"], "/b"),
        (["</a>; rel=last"], None),
        # what breaks the grammar
        (["/v2/a/tags/list?n=2&last=b; rel=next"], "/v2/a/tags/list?n=2&last=b"),
        (['/x?a=b,c; rel="next"'], "/x?a=b,c"),
        (["/x"], "/x"),
        (["/x; rel=prev"], None),
        (["</x; rel=next"], "/x"),
        (["</x; rel='prev'"], None),
        (['</x>; rel="next'], "/x"),
        (["</x> rel=next"], "/x"),
        (["https://a/x?y; rel=next"], "https://a/x?y"),
        (["?last=a; rel=next"], "?last=a"),
        ([" , </a>; rel=next ,"], "/a"),
        (["<>; rel=next"], ""),
    ],
)
def test_next(headers: list[str], target: str | None) -> None:
    assert next_link(headers) == target


@pytest.mark.parametrize("text", ["<" * 50, "x" * 40000, "x; rel=next", "ftp://x; rel=next", "<>x", "rel=next"])
def test_refused(text: str) -> None:
    with pytest.raises(LinkInvalid):
        next_link([text])


@given(st.lists(st.text('</x>;rel="next, \\\t'), max_size=3) | st.lists(st.text(), max_size=2))
def test_total(headers: list[str]) -> None:
    try:
        target = next_link(headers)
    except LinkInvalid:
        return
    assert target is None or any(target in header for header in headers)
