# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WWW-Authenticate headers (RFC 9110, 11.6.1) are parsed, also those that registries write wrongly."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.challenge import (
    MAX_CHALLENGES,
    Challenge,
    parse_challenges,
)
from hypothesis import given
from hypothesis import strategies as st


def C(scheme: str, **parameters: str) -> Challenge:  # noqa: N802
    return Challenge(scheme, parameters)


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
        (["Negotiate YWJj==, Basic realm=x"], [C("negotiate", ywjj="="), C("basic", realm="x")]),
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
    ("text", "expected"),
    [
        # values that should have been quoted
        ("Basic realm=/", [C("basic", realm="/")]),
        ("Basic realm=Registry Realm", [C("basic", realm="Registry Realm")]),
        ("Basic realm=My own  registry, charset=UTF-8", [C("basic", realm="My own registry", charset="UTF-8")]),
        ("Basic realm=The Bearer", [C("basic", realm="The Bearer")]),
        ("Basic realm=", [C("basic", realm="")]),
        ("Basic realm=,charset=x", [C("basic", realm="", charset="x")]),
        ("Basic realm=a=b&c=d", [C("basic", realm="a=b&c=d")]),
        (
            "Bearer realm=https://h:5/t?a=b,service=r.example:5000,scope=repository:a/b:pull",
            [C("bearer", realm="https://h:5/t?a=b", service="r.example:5000", scope="repository:a/b:pull")],
        ),
        ("Basic realm='single quotes', x=1", [C("basic", realm="single quotes", x="1")]),
        # quotes that do not end
        ('Basic realm="open', [C("basic", realm="open")]),
        ('Basic realm="', [C("basic", realm="")]),
        ('Basic realm="\\', [C("basic", realm="")]),
        ('Bearer realm="https://h/t",service="r', [C("bearer", realm="https://h/t", service="r")]),
        # other things between parameters than commas
        ('Bearer realm="a" service="b" scope="c"', [C("bearer", realm="a", service="b", scope="c")]),
        ("Bearer realm=a service=b", [C("bearer", realm="a", service="b")]),
        ('Bearer realm="a";service="b" ; scope="c"', [C("bearer", realm="a", service="b", scope="c")]),
        ('Basic realm="a"charset="b"', [C("basic", realm="a", charset="b")]),
        ("Basic\trealm=a,\r\n charset=b", [C("basic", realm="a", charset="b")]),
        # the last one counts, and scopes add up
        ('Basic realm="a", REALM=b', [C("basic", realm="b")]),
        ('Bearer scope="a b",scope="c"', [C("bearer", scope="a b c")]),
        # several challenges
        ('Bearer realm="a" Basic realm="b"', [C("bearer", realm="a"), C("basic", realm="b")]),
        ("Bearer realm=a Basic realm=b", [C("bearer", realm="a"), C("basic", realm="b")]),
        ('Negotiate; Basic realm="b"', [C("negotiate"), C("basic", realm="b")]),
        ('X-Odd ??? {}, bAsIc realm="b"', [C("x-odd"), C("basic", realm="b")]),
        ("NTLM TlRMTVNTUAAB, Basic realm=b", [C("ntlm"), C("basic", realm="b")]),
        ("Negotiate TlRM/+a=, Basic realm=b", [C("negotiate", **{"tlrm/+a": ""}), C("basic", realm="b")]),
        # what makes no sense is passed over
        ('"Basic", =, Basic realm=a', [C("basic", realm="a")]),
        ('Basic "x" = realm="a"', [C("basic", realm="a")]),
        ("Basic realm=a\x00\x07 charset=b", [C("basic", realm="a", charset="b")]),
    ],
)
def test_leniently(text: str, expected: list[Challenge]) -> None:
    """Headers that skopeo can read are read as well; parameters that are not needed may be malformed."""
    assert list(parse_challenges([text])) == expected


def test_the_number_and_size_of_challenges_are_bounded() -> None:
    many = parse_challenges([", ".join(f"S{number}" for number in range(40)), "Basic"])
    assert len(many) == MAX_CHALLENGES
    assert len(parse_challenges(["Basic realm=" + "a" * 40000])[0].parameters["realm"]) < 40000
    crowded = parse_challenges(["Basic " + ", ".join(f"p{number}=1" for number in range(1000))])
    assert len(crowded[0].parameters) <= 64


@given(st.lists(st.text() | st.text("Bb aR=,;\"\\'\t", max_size=60), max_size=3))
def test_total(headers: list[str]) -> None:
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower() != ""
        assert all(name == name.lower() != "" for name in challenge.parameters)


_token = st.text("abcXYZ09!#$%&'*+.^_`|~-", min_size=1, max_size=8).filter(lambda text: text.lower() != "scope")
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
