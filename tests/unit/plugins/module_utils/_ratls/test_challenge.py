# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A challenge is random, valid for one answer, and read only from a well-formed list of authorities."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.challenge import (
    Challenge,
    challenge_of,
    check_answer,
    realm_challenge,
)
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import ChallengeInvalid, TokenUntrusted
from hypothesis import given
from hypothesis import strategies as st

SPKI = b"the DER of a key"


def test_the_client_reads_what_the_server_sends() -> None:
    challenge = Challenge()
    value = challenge_of([challenge.authority])
    assert (len(value), len(challenge.authority), challenge.authority[-2:]) == (64, 88, b"==")
    assert challenge.answer_for(SPKI) == hashlib.sha512(value + SPKI).digest() == realm_challenge(value, SPKI)


def test_each_connection_has_its_own() -> None:
    assert len({Challenge().authority for dummy in range(100)}) == 100


def test_a_challenge_is_good_for_one_answer() -> None:
    challenge = Challenge()
    challenge.answer_for(SPKI)
    with pytest.raises(ChallengeInvalid, match="was used before; connect again"):
        challenge.answer_for(SPKI)


def test_a_challenge_does_not_show_itself() -> None:
    challenge = Challenge()
    assert challenge.authority.decode() not in repr(challenge)
    assert repr(challenge) == "<Challenge, not used yet>"


def test_the_answer_belongs_to_the_key() -> None:
    challenge = Challenge()
    other = realm_challenge(challenge_of([challenge.authority]), b"the DER of another key")
    with pytest.raises(TokenUntrusted, match="made for another connection") as caught:
        check_answer(challenge.answer_for(SPKI), other)
    assert caught.value.as_result() == {"kind": "token_untrusted", "check": "challenge"}
    assert other.hex() not in caught.value.message


def test_the_right_answer_passes() -> None:
    check_answer(b"x" * 64, b"x" * 64)


def test_an_answer_of_another_length_does_not_pass() -> None:
    with pytest.raises(TokenUntrusted):
        check_answer(b"x" * 64, b"")


GOOD = base64.b64encode(bytes(64))


@pytest.mark.parametrize(
    "authorities",
    [
        [],
        [GOOD, GOOD],
        [b""],
        [GOOD[:-1]],
        [GOOD[:-2]],
        [GOOD + b"\n"],
        [b"\n" + GOOD[:-1]],
        [base64.b64encode(bytes(63))],
        [base64.b64encode(bytes(65))],
        [base64.b64encode(bytes(66))],
        [GOOD[:-3] + b"B=="],  # bits that the decoder would drop
        [b"-" + GOOD[1:]],
        [b"\xff" + GOOD[1:]],
        [b"0\x81\x870\x0f1\r0\x0b\x06\x03U\x04\x03\x0c\x04test"],
    ],
)
def test_anything_else_is_no_challenge(authorities: list[bytes]) -> None:
    with pytest.raises(ChallengeInvalid, match="check that the server speaks RA-TLS"):
        challenge_of(authorities)


@given(st.lists(st.binary(max_size=100), max_size=3) | st.tuples(st.binary(min_size=88, max_size=88)).map(list))
def test_reading_a_challenge_is_total(authorities: list[bytes]) -> None:
    try:
        value = challenge_of(authorities)
    except ChallengeInvalid:
        return
    assert base64.b64encode(value) == authorities[0]


@given(st.binary(min_size=64, max_size=64))
def test_every_challenge_survives_the_way(value: bytes) -> None:
    assert challenge_of([base64.b64encode(value)]) == value
