# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damaged and hostile archives: each is refused with an error of the collection, and nothing outside of it is read."""

from __future__ import annotations

import errno
import functools
import json
import os
import pathlib
import tarfile
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._archive import docker_save, tar_file
from ansible_collections.attested.registry.plugins.module_utils._archive.opening import opened_images
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._layout.errors import LayoutError
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack import limits
from ansible_collections.attested.registry.plugins.module_utils._unpack.pipeline import decompress
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.images import tar_bytes as tb

IMAGE = images.image([images.layer([images.file("it", b"content")])])
OTHER = images.image([images.layer([images.file("other", b"")])])
FILES = archives.layout_files({"1": IMAGE})
BLOB = f"blobs/{IMAGE.config.digest.replace(':', '/')}"
PLAIN = b"".join(tb.member(name.encode(), data) for name, data in FILES.items())


class Read(t.NamedTuple):
    """What was read from an archive: the digests of its images, and the config of IMAGE."""

    digests: list[str]
    config: bytes


@pytest.fixture
def read(tmp_path: pathlib.Path) -> t.Callable[..., Read]:
    def run(data: bytes, **options: t.Any) -> Read:
        path = tmp_path / "images.tar"
        path.write_bytes(data)
        with opened_images(str(path), folder=lambda: str(tmp_path), **options) as files:
            with files.opened(Digest.parse(IMAGE.config.digest)) as content:
                config = b"".join(content.pieces())
            return Read([str(image.descriptor.digest) for image in files.images], config)

    return run


def refused(read: t.Any, data: bytes) -> CollectionError:
    with pytest.raises(CollectionError) as caught:
        read(data)
    assert str(caught.value.fields.get("path", "images.tar")).endswith("images.tar")
    return caught.value


GOOD = Read([IMAGE.digest], IMAGE.config.data)


def test_the_archive_is_read_when_nothing_is_wrong(read: t.Any) -> None:
    assert read(PLAIN + tb.END) == GOOD


def test_the_end_may_be_missing_or_padded(read: t.Any) -> None:
    assert read(PLAIN) == GOOD
    assert read(PLAIN + tb.END + bytes(10240)) == GOOD


def test_names_have_several_forms(read: t.Any) -> None:
    """With ./ in front, as tar -C LAYOUT . writes it, and long ones in extended headers."""
    dotted = b"".join(tb.member(b"./" + name.encode(), data) for name, data in FILES.items())
    assert read(tb.member(b"./", typeflag=b"5") + dotted + tb.END) == GOOD
    gnu = b"".join(tb.long_name(name.encode()) + tb.member(b"x", data) for name, data in FILES.items())
    assert read(gnu + tb.END) == GOOD
    pax = b"".join(tb.pax({b"path": name.encode()}) + tb.member(b"x", data) for name, data in FILES.items())
    assert read(pax + tb.END) == GOOD


def test_the_size_in_an_extended_header_counts(read: t.Any) -> None:
    sized = b"".join(
        tb.pax({b"size": b"%d" % len(data)}) + tb.header(name.encode(), size=0) + tb.padded(data)
        for name, data in FILES.items()
    )
    assert read(sized + tb.END) == GOOD


@pytest.mark.parametrize("name", [BLOB, "index.json", "oci-layout"])
def test_a_doubled_member_is_refused(read: t.Any, name: str) -> None:
    for doubled in (name.encode(), b"./" + name.encode(), name.replace("/", "//").encode()):
        error = refused(read, PLAIN + tb.member(doubled, FILES[name]) + tb.END)
        assert (error.kind, "more than once" in error.message) == ("archive_invalid", True)


@pytest.mark.parametrize("typeflag", [b"1", b"2"], ids=["hard link", "symbolic link"])
@pytest.mark.parametrize("target", ["/etc/hostname", "../../etc/hostname", "elsewhere"])
@pytest.mark.parametrize("name", [BLOB, "index.json", "oci-layout"])
def test_a_link_is_refused(read: t.Any, name: str, target: str, typeflag: bytes) -> None:
    files = {key: data for key, data in FILES.items() if key != name}
    link = tb.header(name.encode(), typeflag=typeflag, linkname=target.encode())
    rest = b"".join(tb.member(key.encode(), data) for key, data in files.items())
    error = refused(read, rest + tb.member(b"elsewhere", FILES[name]) + link + tb.END)
    assert (error.kind, "links are not followed" in error.message) == ("archive_invalid", True)


@pytest.mark.parametrize("typeflag", [b"3", b"4", b"6"])
def test_a_special_file_is_refused(read: t.Any, typeflag: bytes) -> None:
    rest = b"".join(tb.member(key.encode(), data) for key, data in FILES.items() if key != BLOB)
    assert refused(read, rest + tb.header(BLOB.encode(), typeflag=typeflag) + tb.END).kind == "archive_invalid"


def test_a_sparse_file_is_refused(read: t.Any) -> None:
    rest = b"".join(tb.member(key.encode(), data) for key, data in FILES.items() if key != BLOB)
    for make in (tb.sparse_old, tb.sparse_00, tb.sparse_01, tb.sparse_10):
        sparse = make(BLOB.encode(), [(0, FILES[BLOB])], len(FILES[BLOB]))
        assert refused(read, rest + sparse + tb.END).kind == "archive_invalid"


@pytest.mark.parametrize(
    "name", [b"/" + BLOB.encode(), b"../" + BLOB.encode(), b"a/../" + BLOB.encode(), BLOB.encode() + b"\xff"]
)
def test_other_names_are_not_those_of_content(read: t.Any, name: bytes) -> None:
    rest = b"".join(tb.member(key.encode(), data) for key, data in FILES.items() if key != BLOB)
    assert refused(read, rest + tb.member(name, FILES[BLOB]) + tb.END).kind == "blob_missing"


def test_a_nul_in_a_name_is_refused(read: t.Any) -> None:
    hidden = tb.pax({b"path": BLOB.encode() + b"\0.txt"}) + tb.member(b"x", b"")
    assert refused(read, PLAIN + hidden + tb.END).kind == "archive_invalid"


@pytest.mark.parametrize("size", [2**33, 2**62, b"\xff" * 12, b"\x80" + b"\xff" * 11, b"9" * 11 + b"\0"])
def test_an_absurd_size_is_refused(read: t.Any, size: int | bytes) -> None:
    number = tb.base256(size, 12) if isinstance(size, int) else size
    error = refused(read, PLAIN + tb.header(b"huge", size=number))
    assert error.kind == "archive_invalid"


def test_a_truncated_archive_is_refused_wherever_it_ends(read: t.Any) -> None:
    end = len(PLAIN) + tb.BLOCK
    for length in range(0, end, 61):
        if length < len(PLAIN) and length % tb.BLOCK:
            refused(read, PLAIN[:length])


def test_more_headers_than_the_limit_are_refused(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_file, "MAX_HEADER_BYTES", 100 * tb.BLOCK)
    assert read(tb.header(b"d", typeflag=b"5") * 50 + PLAIN + tb.END) == GOOD
    for bomb in (tb.header(b"d", typeflag=b"5") * 101, tb.pax({b"comment": b"x" * 50000}) * 2):
        error = refused(read, bomb + PLAIN + tb.END)
        assert (error.kind, "bytes of tar headers" in error.message) == ("archive_invalid", True)


def test_one_extended_header_is_bounded(read: t.Any) -> None:
    huge = tb.header(b"x", typeflag=b"x", size=tb.base256(2**40, 12))
    assert refused(read, huge + PLAIN + tb.END).kind == "archive_invalid"


def test_an_archive_of_the_directory_above_is_explained(read: t.Any) -> None:
    below = b"".join(tb.member(b"my/app/" + name.encode(), data) for name, data in FILES.items())
    error = refused(read, below + tb.END)
    assert (error.kind, "tar -C my/app" in error.message) == ("archive_invalid", True)


def test_another_archive_is_refused(read: t.Any) -> None:
    error = refused(read, tb.member(b"readme", b"hello") + tb.END)
    assert (error.kind, "oci-layout" in error.message) == ("archive_invalid", True)
    assert refused(read, b"").kind == "archive_invalid"


def test_a_layout_of_another_version_is_refused(read: t.Any) -> None:
    files = {**FILES, "oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}
    assert refused(read, archives.tar_of(files)).kind == "layout_invalid"


def test_an_archive_without_an_index_is_refused(read: t.Any) -> None:
    files = {name: data for name, data in FILES.items() if name != "index.json"}
    assert refused(read, archives.tar_of(files)).kind == "index_missing"


def test_a_document_is_bounded(read: t.Any) -> None:
    files = {**FILES, "index.json": b" " * (4 * 1024 * 1024 + 1)}
    assert refused(read, archives.tar_of(files)).kind == "document_invalid"


# --- compressed archives ---


def test_damaged_compression_is_refused(read: t.Any) -> None:
    data = archives.oci_archive({"1": IMAGE}, compression="gzip")
    for damaged in (data[:-1], data[: len(data) // 2], data + b"more", data[:30] + b"\xff" * 20 + data[50:]):
        assert refused(read, damaged).kind == "archive_invalid"


def test_a_compressed_archive_is_bounded(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archives.oci_archive({"1": IMAGE}, compression="gzip")
    small = functools.partial(read, limits=limits.Limits(unpacked_bytes=len(PLAIN) // 2))
    error = refused(small, data)
    assert (error.kind, "max_unpacked_bytes" in error.message) == ("limit_exceeded", True)
    monkeypatch.setattr(limits, "RATIO_FLOOR", 1000)
    dense = functools.partial(read, limits=limits.Limits(ratio=2))
    assert refused(dense, archives.gzipped(PLAIN + bytes(10**6))).kind == "limit_exceeded"


def test_a_compressed_archive_in_a_compressed_one_is_refused(read: t.Any) -> None:
    assert (
        refused(read, archives.gzipped(archives.oci_archive({"1": IMAGE}, compression="gzip"))).kind
        == "archive_invalid"
    )


def test_zstd_without_its_library_says_what_to_install(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archives.oci_archive({"1": IMAGE}, compression="zstd")
    monkeypatch.setattr(decompress, "zstandard", None)
    monkeypatch.setattr(decompress, "standard_zstd", None)
    error = refused(read, data)
    assert (error.kind, error.fields["library"]) == ("dependency_missing", "zstandard")


@pytest.mark.parametrize(("compression", "module"), [("bzip2", "_bz2"), ("xz", "_lzma")])
def test_bzip2_and_xz_are_read_by_a_python_that_has_their_modules(
    read: t.Any, monkeypatch: pytest.MonkeyPatch, compression: archives.Compression, module: str
) -> None:
    data = archives.oci_archive({"1": IMAGE}, compression=compression)
    assert read(data) == GOOD
    assert refused(read, data[:-1]).kind == "archive_invalid"
    monkeypatch.setattr(decompress, module, None)
    error = refused(read, data)
    assert (error.kind, error.fields["module"]) == ("dependency_missing", module[1:])


def test_a_missing_temporary_directory_is_explained(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(archives.oci_archive({"1": IMAGE}, compression="gzip"))
    with pytest.raises(LayoutError) as caught, opened_images(str(path), folder=lambda: str(tmp_path / "none")):
        pass
    assert (caught.value.kind, "remote_tmp" in caught.value.message) == ("limit_exceeded", True)


# --- docker save ---


def old(changes: t.Mapping[str, bytes | str | None], names: archives.Names | None = None) -> bytes:
    """An archive of docker save, old shape, with files changed, or left out if None."""
    files = {**archives.docker_save_old_files(names or {"app:1": IMAGE}), **changes}
    return archives.tar_of({name: data for name, data in files.items() if data is not None})


def listing(names: archives.Names | None = None) -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = json.loads(
        archives.docker_save_old_files(names or {"app:1": IMAGE})["manifest.json"]
    )
    return found


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b"[{}]",
        b'[{"Config": 1}]',
        b'[{"Config": "none.json", "Layers": []}]',
        b'[{"Config": "../x", "Layers": []}]',
        b'[{"Config": "repositories", "Layers": []}]',
        b"[" * 100,
    ],
)
def test_a_malformed_listing_is_refused(read: t.Any, document: bytes) -> None:
    assert refused(read, old({"manifest.json": document})).kind in ("document_invalid", "archive_invalid")


def test_the_number_of_images_is_bounded(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_save, "MAX_IMAGES", 2)
    one = listing()
    assert read(old({"manifest.json": images.to_json(one * 2)})).config == IMAGE.config.data
    assert refused(read, old({"manifest.json": images.to_json(one * 3)})).kind == "document_invalid"


def test_the_layers_of_all_images_are_bounded(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_save, "MAX_ALL_LAYERS", 3)
    one = listing()
    assert read(old({"manifest.json": images.to_json(one * 3)})).config == IMAGE.config.data
    assert refused(read, old({"manifest.json": images.to_json(one * 4)})).kind == "document_invalid"


def test_the_configs_of_all_images_are_bounded(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1024 of 4 MiB, which compress well, would take hours to parse."""
    one, name, config = listing()[0], "other.json", IMAGE.config.data + b" "
    data = old({name: config, "manifest.json": images.to_json([one, {**one, "Config": name}])})
    monkeypatch.setattr(docker_save, "MAX_ALL_CONFIG_BYTES", 2 * len(config))
    assert len(read(data).digests) == 2
    monkeypatch.setattr(docker_save, "MAX_ALL_CONFIG_BYTES", 2 * len(config) - 2)
    error = refused(read, data)
    assert (error.kind, "bytes of configs" in error.message) == ("document_invalid", True)


def test_a_compressed_layer_is_hashed_once(read: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images claim other diff_ids for it."""
    layer, hashed, look = IMAGE.layers[0], [], docker_save._look_at_layer
    monkeypatch.setattr(docker_save, "_look_at_layer", lambda content: hashed.append(content) or look(content))
    lying = images.image([images.layer([images.file("it", b"lie")])])
    path = listing()[0]["Layers"][0]
    name = f"{lying.config.digest.partition(':')[2]}.json"
    entries = [*listing(), {"Config": name, "RepoTags": ["lie:1"], "Layers": [path]}] * 3
    found = read(old({path: layer.data, name: lying.config.data, "manifest.json": images.to_json(entries)}))
    assert (len(found.digests), len(hashed)) == (6, 1)


def test_a_config_has_the_digest_in_its_name(read: t.Any) -> None:
    name = listing()[0]["Config"]
    assert refused(read, old({name: OTHER.config.data})).kind == "wrong_digest"


def test_layers_are_those_of_the_config(read: t.Any) -> None:
    one = listing()[0]
    for layers in ([], one["Layers"] * 2):
        assert (
            refused(read, old({"manifest.json": images.to_json([{**one, "Layers": layers}])})).kind
            == "document_invalid"
        )
    assert refused(read, old({one["Layers"][0]: None})).kind == "archive_invalid"


def test_a_layer_stored_again_is_a_link(read: t.Any) -> None:
    """Which is not followed: the layer with the same diff_id is used, in whichever image it is."""
    twice = images.image([IMAGE.layers[0], OTHER.layers[0], IMAGE.layers[0]])
    names = {"app:1": IMAGE, "app:2": twice}
    data = archives.docker_save_old(names)
    assert len(read(data).digests) == 2
    path = listing(names)[1]["Layers"][0]
    assert refused(read, old({path: None}, names)).kind in ("archive_invalid", "blob_missing")


def test_a_link_to_no_layer_is_refused(read: t.Any) -> None:
    error = refused(read, old({listing()[0]["Layers"][0]: "/etc/hostname"}))
    assert (error.kind, "links are not followed" in error.message) == ("archive_invalid", True)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "bzip2", "xz"])
def test_compressed_layers_get_their_own_digest_and_media_type(
    read: t.Any, tmp_path: pathlib.Path, compression: archives.Compression
) -> None:
    """As kaniko and bazel write them."""
    layer = images.layer(IMAGE.layers[0].tar, compression=compression)
    path = tmp_path / "images.tar"
    path.write_bytes(old({listing()[0]["Layers"][0]: layer.data}))
    with opened_images(str(path), folder=lambda: "") as files:
        with files.opened(Digest.parse(layer.digest)) as content:
            assert b"".join(content.pieces()) == layer.data
        with files.opened(files.images[0].descriptor.digest) as content:
            assert json.loads(b"".join(content.pieces()))["layers"][0]["mediaType"] == layer.media_type


def test_an_archive_of_docker_before_manifests_is_refused(read: t.Any) -> None:
    assert refused(read, old({"manifest.json": None})).kind == "archive_invalid"


# --- files that change ---


def test_a_read_error_names_the_file() -> None:
    """No process has memory at the address 0, so the system refuses to read this file."""
    with pytest.raises(LayoutError) as caught, opened_images("/proc/self/mem", folder=lambda: ""):
        pass
    assert (caught.value.kind, caught.value.fields["path"]) == ("unreadable", "/proc/self/mem")


def test_a_read_error_in_the_headers_names_the_file(
    read: t.Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int, size: int, offset: int) -> bytes:
        if offset >= tb.BLOCK:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, size, offset)

    pread = os.pread
    monkeypatch.setattr(os, "pread", fail)
    error = refused(read, PLAIN + tb.END)
    assert (error.kind, error.fields["path"]) == ("unreadable", str(tmp_path / "images.tar"))


def test_an_archive_that_becomes_shorter_is_an_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "images.tar"
    path.write_bytes(PLAIN + tb.END)
    with opened_images(str(path), folder=lambda: "") as files:
        path.write_bytes(b"")
        with pytest.raises(LayoutError) as caught, files.opened(Digest.parse(IMAGE.config.digest)) as content:
            list(content.pieces())
    assert caught.value.kind == "unreadable"


def test_members_agree_with_another_reader(tmp_path: pathlib.Path) -> None:
    """Python's tarfile finds the same content at the same places."""
    path = tmp_path / "images.tar"
    path.write_bytes(archives.docker_save_old({"app:1": IMAGE, "app:2": OTHER}))
    with path.open("rb") as file, tarfile.open(path) as archive:
        ours = tar_file.TarFile(file.fileno(), path=str(path)).members
        theirs = {item.name: (item.offset_data, item.size) for item in archive.getmembers() if item.isreg()}
    assert {name: (member.offset, member.size) for name, member in ours.items() if not member.fault} == theirs
