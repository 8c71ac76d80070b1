# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.challenge import (
    Challenge,
    ChallengeInvalid,
    parse_challenges,
)
from hypothesis import given
from hypothesis import strategies as st


def C(scheme: str, token68: str | None = None, **parameters: str) -> Challenge:  # noqa: N802
    return Challenge(scheme, parameters, token68)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        ([" , ,\t"], []),
        (["Basic"], [C("basic")]),
        (["BASIC Realm=simple"], [C("basic", realm="simple")]),
        (['Basic realm="foo", charset="UTF-8"'], [C("basic", realm="foo", charset="UTF-8")]),
        # RFC 9110, 11.6.1
        (
            ['Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'],
            [C("basic", realm="simple"), C("newauth", realm="apps", type="1", title='Login to "apps"')],
        ),
        # what Docker Hub sends
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"'],
            [
                C(
                    "bearer",
                    realm="https://auth.docker.io/token",
                    service="registry.docker.io",
                    scope="repository:a/b:pull",
                )
            ],
        ),
        # a comma inside of a scope is no separator
        (['Bearer realm="r",scope="repository:a:pull,push"'], [C("bearer", realm="r", scope="repository:a:pull,push")]),
        (["Negotiate YWJj==, Basic realm=x"], [C("negotiate", "YWJj=="), C("basic", realm="x")]),
        (["Negotiate", "Basic realm=x"], [C("negotiate"), C("basic", realm="x")]),
        (["Negotiate , Basic realm=x"], [C("negotiate"), C("basic", realm="x")]),
        ([',,Basic ,realm=x , ,Bearer realm = "y" ,'], [C("basic", realm="x"), C("bearer", realm="y")]),
        (['Digest realm="", qop="auth,auth-int"'], [C("digest", realm="", qop="auth,auth-int")]),
        (['Basic realm="\\\\\\"\\a"'], [C("basic", realm='\\"a')]),
        (['Basic realm="ä"'], [C("basic", realm="ä")]),
        (["Bearer error=insufficient_scope"], [C("bearer", error="insufficient_scope")]),
    ],
)
def test_challenges(headers: list[str], expected: list[Challenge]) -> None:
    assert list(parse_challenges(headers)) == expected


@pytest.mark.parametrize(
    "text",
    [
        'Basic realm="open',
        'Basic realm="a" realm2="b"',
        'Basic realm="a", realm="b"',
        'Basic realm="a", REALM=b',
        "Basic realm=",
        "Basic realm=,x=y=z",
        "=x",
        '"Basic"',
        "Basic realm=a\nSet-Cookie: x",
        "Basic realm=a\x00",
        "Basic a=b c=d",
        'Basic realm="\\',
        "B@sic",
        ",".join(f"S{number}" for number in range(17)),
        "Basic realm=" + "a" * 40000,
    ],
)
def test_refused(text: str) -> None:
    if text == "Basic realm=":
        assert parse_challenges([text]) == (C("basic", "realm="),)  # a token68, by the grammar
        return
    with pytest.raises(ChallengeInvalid):
        parse_challenges([text])


@given(st.lists(st.text(), max_size=3))
def test_total(headers: list[str]) -> None:
    with contextlib.suppress(ChallengeInvalid):
        for challenge in parse_challenges(headers):
            assert challenge.scheme == challenge.scheme.lower()


_token = st.text("abcXYZ09!#$%&'*+.^_`|~-", min_size=1, max_size=8)
_value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)


@given(
    st.lists(
        st.tuples(_token, st.dictionaries(_token.map(str.lower), _value, min_size=1, max_size=3)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([", ", ",", " , ,\t"]),
)
def test_what_is_written_is_read(challenges: list[tuple[str, dict[str, str]]], comma: str) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = comma.join(
        f"{scheme} " + comma.join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in challenges
    )
    expected = [Challenge(scheme.lower(), parameters) for scheme, parameters in challenges]
    assert list(parse_challenges([text])) == expected
