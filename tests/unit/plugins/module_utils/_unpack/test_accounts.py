# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user of a process is found in etc/passwd and etc/group of its tree, which may have any content."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._unpack import accounts
from ansible_collections.attested.registry.plugins.module_utils._unpack.accounts import (
    MAX_ID,
    Account,
    AccountError,
    Accounts,
    GroupEntry,
    PasswdEntry,
    parse_group,
    parse_id,
    parse_passwd,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.errors import FilesystemError
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import DIRECTORY
from hypothesis import given
from hypothesis import strategies as st

PASSWD = b"""\
# comment:x:1:1::/:
root:x:0:0:root:/root:/bin/sh
web:x:33:34:Web,,,:/var/www:/bin/false
web:x:99:99:second of that name:/:/bin/false
1000:x:7:7:a name of digits:/seven:/bin/sh
\xff\xfe:x:8:8::/:/bin/sh

+nis:x:5:5::/:
short:x:4
nan:x:abc:0:zero for some parsers:/:/bin/sh
minus:x:-1:0::/:/bin/sh
huge:x:4294967295:0::/:/bin/sh
spaces:x: 6:6::/:/bin/sh
nohome:x:44:45:::/bin/sh
"""
GROUP = b"""\
root:x:0:
www:x:34:
adm:x:4:syslog,web
ssl:x:110:web,,web
ssl:x:110:web
bad:x:zero:web
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(PASSWD)
    (tmp_path / "etc/group").write_bytes(GROUP)
    return tmp_path


def find(tree: Path, user: str) -> Account:
    descriptor = os.open(tree, DIRECTORY)
    try:
        return Accounts(descriptor, str(tree)).find(user)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", Account(0, 0, (), "/root")),
        ("root", Account(0, 0, (), "/root")),
        ("web", Account(33, 34, (4, 110), "/var/www")),
        ("web:adm", Account(33, 4, (), "/var/www")),
        ("web:7000", Account(33, 7000, (), "/var/www")),
        ("33", Account(33, 34, (), "/var/www")),
        ("033", Account(33, 34, (), "/var/www")),
        ("33:ssl", Account(33, 110, (), "/var/www")),
        ("1000", Account(1000, 0, (), None)),
        ("1000:1000", Account(1000, 1000, (), None)),
        ("0:0", Account(0, 0, (), "/root")),
        (f"{MAX_ID}:{MAX_ID}", Account(MAX_ID, MAX_ID, (), None)),
        ("nohome", Account(44, 45, (), None)),
    ],
)
def test_users(tree: Path, user: str, expected: Account) -> None:
    assert find(tree, user) == expected


def test_no_user_is_root_with_group_0(tree: Path) -> None:
    """Whatever group the line of root has; a user who is named root has that group."""
    (tree / "etc/passwd").write_bytes(b"root:x:0:5:root:/root:/bin/sh\n")
    assert find(tree, "") == Account(0, 0, (), "/root")
    assert find(tree, "root") == Account(0, 5, (), "/root")


@pytest.mark.parametrize(
    "user",
    ["nobody", "WEB", "nan", "minus", "huge", "short", "+nis", "spaces", "-1", "4294967295", "99999999999", " 33"],
)
def test_a_user_who_is_missing(tree: Path, user: str) -> None:
    with pytest.raises(AccountError) as caught:
        find(tree, user)
    assert caught.value.fields == {"user": user, "path": f"{tree}/etc/passwd"}
    assert f'"{user}"' in caught.value.message
    assert f"{tree}/etc/passwd has no user" in caught.value.message


@pytest.mark.parametrize("user", ["web:nobody", "33:bad", "0:-1"])
def test_a_group_that_is_missing(tree: Path, user: str) -> None:
    with pytest.raises(AccountError, match="has no group") as caught:
        find(tree, user)
    assert caught.value.fields["path"] == f"{tree}/etc/group"


@pytest.mark.parametrize("user", ["web:", ":", "0:"])
def test_a_group_that_is_empty(tree: Path, user: str) -> None:
    with pytest.raises(AccountError, match="after the colon"):
        find(tree, user)


def test_a_tree_without_users(tmp_path: Path) -> None:
    assert find(tmp_path, "") == Account(0, 0)
    assert find(tmp_path, "5:6") == Account(5, 6)
    with pytest.raises(AccountError, match="has no user"):
        find(tmp_path, "web")


def test_users_outside_of_the_tree_are_not_found(tree: Path) -> None:
    (tree / "root/etc").mkdir(parents=True)
    (tree / "root/etc/passwd").symlink_to("../../etc/passwd")
    with pytest.raises(FilesystemError):
        find(tree / "root", "web")


def test_a_file_that_is_too_long(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MAX_BYTES", len(PASSWD) - 1)
    with pytest.raises(AccountError, match="has more than"):
        find(tree, "web")
    monkeypatch.setattr(accounts, "MAX_BYTES", len(PASSWD))
    assert find(tree, "web").uid == 33


def test_a_fifo(tree: Path) -> None:
    (tree / "etc/passwd").unlink()
    os.mkfifo(tree / "etc/passwd")
    with pytest.raises(AccountError, match="is not a regular file"):
        find(tree, "web")


def test_a_user_in_too_many_groups(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MAX_GROUPS", 1)
    with pytest.raises(AccountError, match="is in 2 groups"):
        find(tree, "web")


LINES = st.lists(st.binary(max_size=20) | st.sampled_from([b":", b"\n", b"x:", b"0:", b"a,b", b"4294967295:"]))


@given(LINES)
def test_the_parsers_are_total(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for user in parse_passwd(data):
        assert isinstance(user, PasswdEntry)
        assert 0 <= user.uid <= MAX_ID
        assert 0 <= user.gid <= MAX_ID
    for group in parse_group(data):
        assert isinstance(group, GroupEntry)
        assert 0 <= group.gid <= MAX_ID
        assert "" not in group.members


NAMES = st.text(st.characters(blacklist_characters=":\n\r,", blacklist_categories=("Cs",)), min_size=1, max_size=8)
IDS = st.integers(0, MAX_ID)


@given(st.lists(st.tuples(NAMES, IDS, IDS, NAMES), max_size=5))
def test_what_is_written_is_read(users: list[tuple[str, int, int, str]]) -> None:
    data = "".join(f"{name}:x:{uid}:{gid}::{home}:/bin/sh\n" for name, uid, gid, home in users).encode()
    expected = [PasswdEntry(*user) for user in users if user[0][0] not in "+-#"]
    assert list(parse_passwd(data)) == expected


@given(st.text(max_size=12))
def test_ids_are_decimal_numbers(text: str) -> None:
    number: t.Any = parse_id(text)
    assert number is None or (text.isascii() and text.isdigit() and number == int(text) <= MAX_ID)
