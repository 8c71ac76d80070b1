# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Image references are parsed as docker, podman and skopeo do; selectors are a tag, a digest or both."""

from __future__ import annotations

import pytest
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Reference, Selector
from hypothesis import given
from hypothesis import strategies as st

SHA256 = "sha256:" + "f" * 64
SHA512 = "sha512:" + "f" * 128
IMAGE_ID = "0123456789abcdef" * 4
LONG = "/".join(["a"] * 128)

# text -> registry, repository, and what follows the name in the canonical form
READ = [
    ("ubuntu", "docker.io", "library/ubuntu", ":latest"),
    ("ubuntu:22.04", "docker.io", "library/ubuntu", ":22.04"),
    ("library/ubuntu", "docker.io", "library/ubuntu", ":latest"),
    ("docker.io/ubuntu", "docker.io", "library/ubuntu", ":latest"),
    ("docker.io/library/ubuntu", "docker.io", "library/ubuntu", ":latest"),
    ("index.docker.io/ubuntu", "docker.io", "library/ubuntu", ":latest"),
    ("index.docker.io/library/ubuntu:1", "docker.io", "library/ubuntu", ":1"),
    ("index.docker.io/fooo/bar", "docker.io", "fooo/bar", ":latest"),
    ("docker.io/library/foo/bar", "docker.io", "library/foo/bar", ":latest"),
    ("store/foo/bar", "docker.io", "store/foo/bar", ":latest"),
    ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", ":8080"),
    ("test_com", "docker.io", "library/test_com", ":latest"),
    ("test_com/foo", "docker.io", "test_com/foo", ":latest"),
    ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", ":8080"),
    ("dock__er/docker---rules", "docker.io", "dock__er/docker---rules", ":latest"),
    ("d/t", "docker.io", "d/t", ":latest"),
    ("lowercase:Uppercase", "docker.io", "library/lowercase", ":Uppercase"),
    ("ubuntu-12.04-base", "docker.io", "library/ubuntu-12.04-base", ":latest"),
    # one component is never a registry, whatever it looks like
    ("localhost", "docker.io", "library/localhost", ":latest"),
    ("test.com:tag", "docker.io", "library/test.com", ":tag"),
    ("test.com:5000", "docker.io", "library/test.com", ":5000"),
    ("192.168.1.1", "docker.io", "library/192.168.1.1", ":latest"),
    ("192.168.1.1:5000", "docker.io", "library/192.168.1.1", ":5000"),
    # registries
    ("localhost/foo", "localhost", "foo", ":latest"),
    ("localhost:5000/foo", "localhost:5000", "foo", ":latest"),
    ("test:5000/repo", "test:5000", "repo", ":latest"),
    ("test:5000/repo:tag", "test:5000", "repo", ":tag"),
    (f"test:5000/repo@{SHA256}", "test:5000", "repo", f"@{SHA256}"),
    (f"test:5000/repo:tag@{SHA256}", "test:5000", "repo", f":tag@{SHA256}"),
    (f"busybox:latest@{SHA256}", "docker.io", "library/busybox", f":latest@{SHA256}"),
    ("test.com/repo:tag", "test.com", "repo", ":tag"),
    ("test-com:8080/foo", "test-com:8080", "foo", ":latest"),
    ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", ":latest"),
    ("b.gcr.io/test.example.com/my-app:test.example.com", "b.gcr.io", "test.example.com/my-app", ":test.example.com"),
    ("xn--n3h.com:18080/foo", "xn--n3h.com:18080", "foo", ":latest"),
    (f"xn--7o8h.com/app:x@{SHA512}", "xn--7o8h.com", "app", f":x@{SHA512}"),
    ("127.0.0.1:5000/library/debian", "127.0.0.1:5000", "library/debian", ":latest"),
    ("192.168.1.1/repo", "192.168.1.1", "repo", ":latest"),
    ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", ":5050"),
    ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", ":latest"),
    ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", ":tag"),
    ("[::1]:5000/repo", "[::1]:5000", "repo", ":latest"),
    (f"[2001:db8::]:5000/a/b:t@{SHA256}", "[2001:db8::]:5000", "a/b", f":t@{SHA256}"),
    ("foo/bar/baz", "docker.io", "foo/bar/baz", ":latest"),
    ("Docker/docker", "Docker", "docker", ":latest"),
    ("DOCKER/docker", "DOCKER", "docker", ":latest"),
    ("Test.Example.COM:5000/app", "Test.Example.COM:5000", "app", ":latest"),
    # names that look like image ids
    (f"docker.io/{IMAGE_ID}", "docker.io", f"library/{IMAGE_ID}", ":latest"),
    (IMAGE_ID[:-1], "docker.io", f"library/{IMAGE_ID[:-1]}", ":latest"),
    # names at the limit
    (f"{LONG}:tag-beyond", "docker.io", LONG, ":tag-beyond"),
    (f"test.com/{LONG}", "test.com", LONG, ":latest"),
]


@pytest.mark.parametrize(("text", "registry", "repository", "suffix"), READ)
def test_parse(text: str, registry: str, repository: str, suffix: str) -> None:
    reference = Reference.parse(text)
    assert (reference.registry, reference.repository) == (registry, repository)
    assert str(reference) == f"{registry}/{repository}{suffix}"
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/ubuntu", "ubuntu:latest"),
        ("index.docker.io/fooo/bar:1", "fooo/bar:1"),
        ("docker.io/library/foo/bar", "library/foo/bar:latest"),
        (f"library/busybox:1@{SHA256}", f"busybox:1@{SHA256}"),
        ("127.0.0.1:8000/private/moonbase", "127.0.0.1:8000/private/moonbase:latest"),
        ("Foo/bar", "Foo/bar:latest"),
        # where the short form would be another reference
        ("docker.io/a.b/c", "docker.io/a.b/c:latest"),
        ("docker.io/localhost/c", "docker.io/localhost/c:latest"),
    ],
)
def test_familiar(text: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert reference.familiar == familiar
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        f"@{SHA256}",
        SHA256,
        "repo@sha256:" + "f" * 34,
        "validname@invaliddigest:" + "f" * 64,
        "repo@sha256:" + "F" * 64,
        "repo@",
        "repo:",
        "repo:@" + SHA256,
        f"repo@{SHA256}@{SHA256}",
        f"repo@{SHA256}:tag",
        "repo:tag:tag",
        "Uppercase:tag",
        "Uppercase",
        "test:5000/Uppercase/lowercase:tag",
        "docker/Docker",
        "docker.io/docker/Docker",
        "https://github.com/docker/docker",
        "-docker",
        "-docker/docker",
        "docker-/docker",
        "-docker.io/docker/docker",
        "docker///docker",
        "docker.io/docker///docker",
        "docker/",
        "/docker",
        "docker.io/",
        "localhost/",
        "_docker/_docker",
        "____/____",
        "dock..er/docker",
        "dock_.er/docker",
        "dock-.er/docker",
        "aa/asdf$$^/aa",
        LONG + "/a:tag",
        "a_b" * 90 + "/docker",
        IMAGE_ID,
        "[2001:db8::1]",
        "[2001:db8::1]:5000",
        "[2001:db8::1]:tag",
        "[fe80::1%eth0]:5000/repo",
        "[fe80::1%@invalidzone]:5000/repo",
        "[2001:db8:3:4::192.0.2.33]:5000/debian",
        "[::1/repo",
        "fc00::1:5000/debian",
        "test:99999/repo",
        "test:0/repo",
        "test:/repo",
        "test:٣/repo",
        "test:5000:5000/repo",
        "user:password@test.com/repo",
        "user@test.com/repo",
        "foo bar",
        "ubuntu\n",
        " ubuntu",
        "ubuntu\x00",
        "../etc/passwd",
        "a" * 300 + ".com/repo",
        pytest.param("a" * 100_000, id="huge"),
        None,
        5,
        b"ubuntu",
    ],
)
def test_an_invalid_reference_is_refused(text: object) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        Reference.parse(text)  # type: ignore[arg-type]
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


def test_the_message_shows_what_was_typed() -> None:
    with pytest.raises(ReferenceInvalid, match='"Debian" is invalid.*lower case'):
        Reference.parse("Debian")


@pytest.mark.parametrize("text", ["user:hunter2@test.com/app", "https://user:hunter2@test.com/app:1", "hunter2@x"])
def test_a_password_before_an_at_sign_is_not_shown(text: str) -> None:
    for parse in (Reference.parse, Selector.parse):
        with pytest.raises(ReferenceInvalid) as caught:
            parse(text)
        assert "hunter2" not in caught.value.message


def test_the_default_tag_can_be_left_out() -> None:
    reference = Reference.parse("test.com/app", default_tag=None)
    assert (reference.tag, reference.digest) == (None, None)
    assert str(reference) == "test.com/app"
    assert Reference.parse(f"docker.io/{IMAGE_ID}", default_tag=None).familiar == f"library/{IMAGE_ID}"


@pytest.mark.parametrize(
    ("registry", "repository", "tag"),
    [
        ("a/b", "c", None),
        ("http://a", "c", None),
        ("a?b", "c", None),
        ("a@b", "c", None),
        ("", "c", None),
        ("a\n", "c", None),
        (None, "c", None),
        ("a", "../c", None),
        ("a", "c", "x/y"),
    ],
)
def test_no_way_around_the_checks(registry: str, repository: str, tag: str | None) -> None:
    with pytest.raises(ReferenceInvalid):
        Reference(registry, repository, tag)


LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?", fullmatch=True)
REGISTRIES = st.one_of(
    st.just("localhost"),
    st.lists(LABELS, min_size=2, max_size=4).map(".".join),
    st.tuples(LABELS, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
COMPONENTS = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,3}", fullmatch=True)
REPOSITORIES = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
TAGS = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
DIGESTS = st.binary(max_size=8).map(Digest.of)
PIECES = st.sampled_from(["a", "B", ".", ":", "/", "@", SHA256, "5000", "[", "::1", "]", "localhost", "\n"])


@given(REGISTRIES, REPOSITORIES, st.none() | TAGS, st.none() | DIGESTS)
def test_round_trip(registry: str, repository: str, tag: str | None, digest: Digest | None) -> None:
    reference = Reference(registry, repository, tag, digest)
    assert Reference.parse(str(reference), default_tag=None) == reference


@given(st.lists(COMPONENTS, min_size=2, max_size=4).map("/".join), st.none() | TAGS, st.none() | DIGESTS)
def test_familiar_names_read_as_the_same(repository: str, tag: str | None, digest: Digest | None) -> None:
    reference = Reference("docker.io", repository, tag, digest)
    assert Reference.parse(reference.familiar, default_tag=None) == reference


@given(st.text(max_size=100) | st.lists(PIECES, max_size=10).map("".join))
def test_parse_is_total(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ReferenceInvalid:
        return
    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=100) | st.lists(PIECES, max_size=5).map("".join))
def test_selector_is_total(text: str) -> None:
    try:
        selector = Selector.parse(text)
    except ReferenceInvalid:
        return
    assert str(selector) == text
    assert "/" not in selector.path


@pytest.mark.parametrize(
    ("text", "tag", "digest", "path"),
    [
        ("latest", "latest", None, "latest"),
        (IMAGE_ID, IMAGE_ID, None, IMAGE_ID),
        (SHA256, None, SHA256, SHA256),
        (f"1.0@{SHA512}", "1.0", SHA512, SHA512),
    ],
)
def test_selector(text: str, tag: str | None, digest: str | None, path: str) -> None:
    selector = Selector.parse(text)
    assert selector == Selector(tag, None if digest is None else Digest.parse(digest))
    assert selector.path == path
    assert str(selector) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b",
        "..",
        "a:b",
        f"@{SHA256}",
        f"a@{SHA256}@{SHA256}",
        "a@",
        "sha256:abc",
        f"{SHA256}\n",
        "a\n",
        "a?b",
        "a" * 129,
        None,
        1,
    ],
)
def test_an_invalid_selector_is_refused(text: object) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        Selector.parse(text)  # type: ignore[arg-type]
    assert caught.value.message.isprintable()


def test_a_selector_selects_something() -> None:
    with pytest.raises(ReferenceInvalid):
        Selector(None, None)
