# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords (RFC 7617) are checked in equal time for all users and in fair order; rules limit what each user sees."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import pathlib
import threading
import typing as t

import bcrypt
import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.access import passwords
from ansible_collections.attested.registry.plugins.module_utils._server.access.access import RestrictedAccess
from ansible_collections.attested.registry.plugins.module_utils._server.access.htpasswd import (
    PasswordFile,
    parse_htpasswd,
)
from ansible_collections.attested.registry.plugins.module_utils._server.access.passwords import Passwords, parse_basic
from ansible_collections.attested.registry.plugins.module_utils._server.config.rules import Rule
from ansible_collections.attested.registry.plugins.module_utils._server.connections.tls import subject_of
from ansible_collections.attested.registry.plugins.module_utils._server.errors import PasswordFileError, Refusal
from ansible_collections.attested.registry.plugins.module_utils._server.identity import Identity, Peer
from hypothesis import given
from hypothesis import strategies as st


def hashed(password: bytes) -> bytes:
    return bcrypt.hashpw(password, bcrypt.gensalt(4))


HASH = hashed(b"secret")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_file_of_htpasswd() -> None:
    value = HASH.decode()
    found = parse_htpasswd(f"# people\n\njoe:{value}\nj\u00f6rg:{value.replace('$2b$', '$2y$')}\n".encode())
    assert list(found) == ["joe", "j\u00f6rg"]
    file = PasswordFile(found)
    for user in found:
        assert file.is_right(user, b"secret")
        assert not file.is_right(user, b"Secret")
        assert not file.is_right(user, b"")
        assert not file.is_right(user, b"secret\0")
    assert not file.is_right("nobody", b"secret")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "has no users"),
        (b"joe\n", "line 1"),
        (b":" + HASH, "line 1"),
        (b"joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "bcrypt"),
        (b"joe:$apr1$x$y\n", "bcrypt"),
        (b"joe:" + HASH[:-1], "line 1"),
        (b"joe:" + HASH.replace(b"$04$", b"$31$"), "cost"),
        (b"joe:" + HASH + b"\njoe:" + HASH, "repeats the user"),
        (b"\xff:" + HASH, "UTF-8"),
    ],
    ids=[
        "empty",
        "no hash",
        "no user",
        "sha",
        "md5",
        "short",
        "costly",
        "twice",
        "encoding",
    ],  # hashes differ each time
)
def test_bad_files_are_refused_without_their_hashes(tmp_path: pathlib.Path, data: bytes, why: str) -> None:
    (tmp_path / "h").write_bytes(data)
    with pytest.raises(PasswordFileError) as caught:
        PasswordFile.read(str(tmp_path / "h"))
    assert why in caught.value.message
    assert "$" not in caught.value.message


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(PasswordFileError):
        PasswordFile.read(str(tmp_path / "h"))


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert parse_htpasswd(data)


@given(
    st.one_of(
        st.none(), st.text(max_size=100), st.binary(max_size=60).map(lambda b: "Basic " + base64.b64encode(b).decode())
    )
)
def test_any_header_is_read_or_ignored(header: str | None) -> None:
    found = parse_basic(header)
    assert found is None or ":" not in found.user


def test_credentials() -> None:
    assert parse_basic(basic("joe", "a:b")) == ("joe", b"a:b")
    assert parse_basic("basic " + basic("joe", "x")[6:]) == ("joe", b"x")
    for header in ("", "Basic", "Basic ?", "Basic am9l", "Bearer x", "Basic " + "A" * 5000):
        assert parse_basic(header) is None


class CountingFile(PasswordFile):
    """Counts how often a password is looked at."""

    asked = 0

    def is_right(self, user: str, password: bytes) -> bool:
        self.asked += 1
        return super().is_right(user, password)


@pytest.fixture
def file() -> CountingFile:
    return CountingFile({"joe": HASH})


def run(work: t.Coroutine[t.Any, t.Any, t.Any]) -> t.Any:
    return asyncio.run(work)


def test_a_right_password_is_cached_for_a_while(file: CountingFile) -> None:
    now = 0.0
    checked = Passwords(file, realm="here", clock=lambda: now)

    async def ask() -> str:
        await checked.verify(basic("joe", "secret"))
        return checked.user_of(basic("joe", "secret"))

    async def many() -> list[str]:
        return await asyncio.gather(*(ask() for dummy in range(20)))

    assert run(many()) == ["joe"] * 20
    assert file.asked == 1
    now = 299.0
    assert (run(ask()), file.asked) == ("joe", 1)
    now = 301.0
    assert (run(ask()), file.asked) == ("joe", 2)
    checked.close()


@pytest.mark.parametrize("header", [None, "Basic ?", basic("joe", "wrong"), basic("jim", "secret"), "Bearer x"])
def test_the_challenge(file: CountingFile, header: str | None) -> None:
    checked = Passwords(file, realm='the "best"')
    run(checked.verify(header))
    with pytest.raises(Refusal) as caught:
        checked.user_of(header)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"] == 'Basic realm="the \\"best\\"", charset="UTF-8"'
    checked.close()


def test_unknown_users_take_as_long_as_known_ones(file: CountingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    costs = []

    class Library:
        @staticmethod
        def checkpw(password: bytes, stored: bytes) -> bool:
            costs.append(stored[:7])
            return bcrypt.checkpw(password, stored)

    monkeypatch.setattr(file, "_bcrypt", Library)
    for user in ("joe", "nobody"):
        file.is_right(user, b"wrong")
    assert costs == [HASH[:7]] * 2


@pytest.mark.parametrize("user", ["low", "middle", "high", "nobody", ""])
@pytest.mark.parametrize("password", [b"wrong", b"", b"secret\0", b"x" * 100])
def test_a_wrong_password_costs_the_same_whatever_the_costs_in_the_file(
    monkeypatch: pytest.MonkeyPatch, user: str, password: bytes
) -> None:
    rounds = []

    class Library:
        @staticmethod
        def checkpw(password: bytes, stored: bytes) -> bool:
            rounds.append(2 ** int(stored[4:6]))
            return bcrypt.checkpw(password, stored)

    costs = {"low": 4, "middle": 6, "high": 7}
    file = PasswordFile({name: bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)) for name, cost in costs.items()})
    monkeypatch.setattr(file, "_bcrypt", Library)
    assert not file.is_right(user, password)
    assert sum(rounds) == 2**7
    # one who knows the password learns nothing by the time
    if user in costs:
        rounds.clear()
        assert file.is_right(user, b"secret")
        assert rounds == [2 ** costs[user]]


def test_a_flood_of_passwords_is_refused(file: CountingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_THREADS", 1)
    monkeypatch.setattr(passwords, "_MAX_WAITING", 1)
    checked = Passwords(file, realm="here")

    async def flood() -> list[t.Any]:
        asked = (checked.verify(basic("joe", str(number))) for number in range(5))
        return await asyncio.gather(*asked, return_exceptions=True)

    refused = [item for item in run(flood()) if isinstance(item, Refusal)]
    assert [item.status for item in refused] == [503] * 3
    checked.close()


JOE = Identity("joe", Peer("192.0.2.7", "CN=host1,O=Example"))


@pytest.mark.parametrize(
    ("rule", "repository", "seen"),
    [
        (Rule(), "any/thing", True),
        (Rule(repositories=("team/*",)), "team/app/web", True),
        (Rule(repositories=("team/*",)), "team", False),
        (Rule(repositories=("a", "b?")), "bc", True),
        (Rule(repositories=("A",)), "a", False),
        (Rule(users=("jim", "joe")), "a", True),
        (Rule(users=("jim",)), "a", False),
        (Rule(subjects=("CN=host?,O=Example",)), "a", True),
        (Rule(subjects=("CN=host?",)), "a", False),
        (Rule(networks=("192.0.2.0/29",)), "a", True),
        (Rule(networks=("192.0.2.8/29", "2001:db8::/32")), "a", False),
        (Rule(users=("joe",), networks=("198.51.100.0/24",)), "a", False),
    ],
)
def test_rules(rule: Rule, repository: str, seen: bool) -> None:
    access = RestrictedAccess(passwords=None, rules=(Rule(repositories=("never",)), rule))
    assert access.may_see(JOE, repository) is seen


def test_rules_do_not_match_a_peer_without_the_attribute() -> None:
    nobody = Identity(None, Peer(None, None))
    for rule in (Rule(users=("*",)), Rule(subjects=("*",)), Rule(networks=("0.0.0.0/0", "::/0"))):
        assert not RestrictedAccess(passwords=None, rules=(rule,)).may_see(nobody, "a")
    assert not RestrictedAccess(passwords=None, rules=()).may_see(JOE, "a")
    assert RestrictedAccess(passwords=None, rules=None).may_see(nobody, "a")


def test_without_a_password_file_credentials_are_ignored() -> None:
    assert RestrictedAccess(passwords=None, rules=()).authenticate("Basic x", JOE.peer) == Identity(None, JOE.peer)


def test_subjects() -> None:
    made = {"subject": ((("countryName", "DE"),), (("organizationName", "A, B"),), (("commonName", "host1"),))}
    assert subject_of(made) == "CN=host1,O=A\\, B,C=DE"
    assert subject_of({"subject": ((("commonName", "x,O=Example"),),)}) == "CN=x\\,O\\=Example"
    assert subject_of({"subject": ((("commonName", "#a+b "), ("userId", " c")),)}) == "CN=\\#a\\+b\\ +UID=\\ c"
    assert subject_of(None) is None
    assert subject_of({}) is None


def test_a_flood_from_one_address_does_not_keep_out_the_others(
    file: CountingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_THREADS", 1)
    monkeypatch.setattr(passwords, "_MAX_OF_ONE", 1)
    checked = Passwords(file, realm="here")

    async def flood() -> list[t.Any]:
        wrong = (checked.verify(basic("joe", str(number)), address="192.0.2.1") for number in range(5))
        right = checked.verify(basic("joe", "secret"), address="192.0.2.2")
        return await asyncio.gather(*wrong, right, return_exceptions=True)

    async def again() -> None:
        await checked.verify(basic("joe", "other"), address="192.0.2.1")

    assert [isinstance(item, Refusal) for item in run(flood())] == [False] * 2 + [True] * 3 + [False]
    assert checked.user_of(basic("joe", "secret")) == "joe"
    run(again())
    checked.close()


ATTACKERS = [["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::5"], ["192.0.2.1", None]]


@pytest.mark.parametrize("attackers", ATTACKERS, ids=["IPv4", "IPv6", "unix socket"])
def test_wrong_passwords_of_some_do_not_crowd_out_the_right_one_of_another(
    attackers: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []

    class SlowFile(PasswordFile):
        def is_right(self, user: str, password: bytes) -> bool:
            gate.acquire()
            order.append(password)
            return super().is_right(user, password)

    gate = threading.Semaphore(0)
    monkeypatch.setattr(passwords, "_THREADS", 1)
    checked = Passwords(SlowFile({"joe": HASH}), realm="here")

    async def flood() -> list[t.Any]:
        wrong = [
            asyncio.ensure_future(checked.verify(basic("joe", f"{number} {address}"), address=address))
            for number in range(100)
            for address in attackers
        ]
        await asyncio.sleep(0)
        right = asyncio.ensure_future(checked.verify(basic("joe", "secret"), address="203.0.113.9"))
        await asyncio.sleep(0)
        gate.release(1000)
        return await asyncio.gather(right, *wrong, return_exceptions=True)

    right, *wrong = run(flood())
    assert right is None
    assert checked.user_of(basic("joe", "secret")) == "joe"
    # the one that was under way, and one of each attacker
    assert order.index(b"secret") <= 1 + len(attackers)
    assert {item.status for item in wrong if isinstance(item, Refusal)} == {503}
    checked.close()


def test_a_password_is_not_waited_for_endlessly(file: CountingFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0)
    monkeypatch.setattr(passwords, "_THREADS", 1)
    checked = Passwords(file, realm="here")

    async def two() -> list[t.Any]:
        return await asyncio.gather(
            *(checked.verify(basic("joe", str(number))) for number in range(2)), return_exceptions=True
        )

    assert Refusal in map(type, run(two()))
    checked.close()
