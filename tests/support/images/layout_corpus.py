# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A corpus of OCI layouts for the tests of _layout and of the server: valid ones, and one for each defect.

    write_corpus(tmp_path / "registry")          # a registry directory with one layout a case
    for case in CORPUS:
        case.write(tmp_path / case.name)         # or one by one

The first seven cases are those of an earlier server's tests, under the same names.
"""

from __future__ import annotations

import os
import pathlib
import typing as t
from dataclasses import dataclass

from . import images

Write = t.Callable[[pathlib.Path], object]
Path = pathlib.Path

BASE: t.Final = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n")])
TOP: t.Final = images.layer([images.whiteout("etc/motd")], compression="none")
IMAGE: t.Final = images.image([BASE, TOP], annotations={"org.example.name": "image"})
ARM: t.Final = images.image([BASE], platform="linux/arm64")
MANY: t.Final = images.index([IMAGE, ARM])
NESTED: t.Final = images.index([MANY])
FOREIGN: t.Final = images.layer([images.file("a")], nondistributable=True, stored=False)
SIGNATURE: t.Final = images.artifact(
    "application/vnd.example.signature",
    [images.Content(b"signed", "text/plain")],
    changes={"subject": IMAGE.descriptor(), "annotations": {"org.example.by": "somebody"}},
)
# Without an artifactType, the media type of the config counts.
ATTACHED: t.Final = images.image([TOP], changes={"subject": IMAGE.descriptor()})
ATTACHED_INDEX: t.Final = images.index([ARM], changes={"subject": IMAGE.descriptor()})

MISSING: t.Final = "The requested digest doesn't exist:"
SIZE: t.Final = "Wrong file length:"
DIGEST: t.Final = "SHA failed for:"


@dataclass(frozen=True)
class Case:
    """One layout. kind is that of its first problem, None for a sound one; words is the message of the earlier server.

    For a sound layout: tags are its tags, referrers is the number of referrers of IMAGE, absent the number of missing
    layers that may be missing.
    """

    name: str
    write: Write
    kind: str | None = None
    words: str = ""
    tags: tuple[str, ...] = ("1.0",)
    referrers: int = 0
    absent: int = 0
    warnings: int = 0


def write_corpus(root: Path) -> Path:
    """Write a registry directory with every case under its name."""
    for case in CORPUS:
        case.write(root / case.name)
    return root


# --- make layouts and make them invalid -----------------------------------------------------------------------------


def _layout(tagged: t.Mapping[str, images.Content] | None = None, **more: t.Any) -> Write:
    return lambda path: images.write_layout(path, {"1.0": IMAGE} if tagged is None else tagged, **more)


def _with_changes(write: Write, *changes: Write) -> Write:
    def both(path: Path) -> None:
        for step in (write, *changes):
            step(path)

    return both


def missing(digest: str) -> Write:
    """Return a change that removes the blob."""
    return lambda layout: images.blob_path(layout, digest).unlink()


def append(digest: str, more: bytes = b" ") -> Write:
    """Return a change that makes the blob longer."""
    return lambda layout: images.write_blob(layout, digest, images.blob_path(layout, digest).read_bytes() + more)


def flip(digest: str) -> Write:
    """Return a change of one bit of the blob, which keeps its length."""

    def change(layout: Path) -> None:
        data = bytearray(images.blob_path(layout, digest).read_bytes())
        data[-1] ^= 1
        images.write_blob(layout, digest, bytes(data))

    return change


def linked(name: str) -> Write:
    """Return a change that moves a file or directory out of the layout and links to it from its place."""

    def change(layout: Path) -> None:
        outside = layout.parent / f".{layout.name}-outside"
        (layout / name).rename(outside)
        (layout / name).symlink_to(outside)

    return change


def _linked_inside(layout: Path) -> None:
    path = images.blob_path(layout, BASE.digest)
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def _fifo(layout: Path) -> None:
    path = images.blob_path(layout, BASE.digest)
    path.unlink()
    os.mkfifo(path)


def _directory(layout: Path) -> None:
    path = images.blob_path(layout, BASE.digest)
    path.unlink()
    path.mkdir()


def _index(*descriptors: images.Json, **changes: t.Any) -> Write:
    return lambda layout: images.write_index(layout, descriptors, changes=changes)


def _named(*names: str) -> Write:
    return _index(*(IMAGE.descriptor(annotations={images.REF_NAME: name}) for name in names))


def _file(name: str, data: bytes) -> Write:
    return lambda layout: (layout / name).write_bytes(data)


def _nested(depth: int) -> images.Content:
    content: images.Content = IMAGE
    for dummy in range(depth):
        content = images.index([content])
    return content


def _raw_manifest(data: bytes) -> Write:
    return _layout({"1.0": images.Content(data, images.OCI_MANIFEST)})


def _changed(**changes: t.Any) -> Write:
    return _layout({"1.0": images.image([BASE, TOP], changes=changes)})


def _names_itself(layout: Path) -> None:
    fake = images.digest_of(b"anything")
    document = {"schemaVersion": 2, "mediaType": images.OCI_INDEX}
    entry = IMAGE.descriptor(digest=fake, mediaType=images.OCI_INDEX, size=0)
    for dummy in range(3):
        data = images.to_json({**document, "manifests": [entry]})
        entry = {**entry, "size": len(data)}
    images.write_blob(layout, fake, images.to_json({**document, "manifests": [entry]}))
    images.write_index(layout, [entry])


def _orphans(layout: Path) -> None:
    images.write_blob(layout, images.digest_of(b"orphan"), b"orphan")
    images.write_blob(layout, "sha512:short", b"")


_SHA512: t.Final = images.Content(b"other digest", "text/plain", algorithm="sha512")
_MIXED: t.Final = images.document_of({**IMAGE.document(), "manifests": []}, IMAGE)
_TWICE: t.Final = IMAGE.data.replace(b'{"schemaVersion":2,', b'{"schemaVersion":2,"schemaVersion":2,')
_ATTESTED: t.Final = images.index(
    [IMAGE, images.artifact("application/vnd.example", [])],
    changes={
        "manifests": [
            IMAGE.descriptor(),
            images.artifact("application/vnd.example", []).descriptor(
                platform={"os": "unknown", "architecture": "unknown"}
            ),
        ]
    },
)

OLD: t.Final = (
    Case("correct", _layout()),
    Case("missing_blob", _with_changes(_layout(), missing(TOP.digest)), "blob_missing", MISSING),
    Case("missing_config", _with_changes(_layout(), missing(IMAGE.config.digest)), "config_missing", MISSING),
    Case(
        "missing_index",
        _with_changes(_layout(), lambda layout: (layout / "index.json").unlink()),
        "index_missing",
        "Error importing:",
    ),
    Case("missing_manifest", _with_changes(_layout(), missing(IMAGE.digest)), "manifest_missing", MISSING),
    Case("wrong_manifest_digest", _with_changes(_layout(), flip(IMAGE.digest)), "wrong_digest", DIGEST),
    Case("wrong_manifest_size", _with_changes(_layout(), append(IMAGE.digest)), "wrong_size", SIZE),
)
SOUND: t.Final = (
    Case("empty", _layout({}), tags=()),
    Case(
        "no_media_types",
        _layout({"1.0": images.image([BASE], changes={"mediaType": None})}, changes={"mediaType": None}),
    ),
    Case("docker_image", _layout({"1.0": images.image([images.layer([images.file("a")], docker=True)], docker=True)})),
    Case("docker_list", _layout({"1.0": images.index([images.image([BASE], docker=True)], docker=True)})),
    Case("artifact", _layout({"1.0": images.artifact("a/b", [images.Content(b"x", "text/plain")])})),
    Case("sha512", _layout({"1.0": images.artifact("a/b", [_SHA512])})),
    Case("subject_absent", _layout({"1.0": SIGNATURE}), referrers=1),
    Case("referrers", _layout(untagged=[SIGNATURE, ATTACHED, ATTACHED_INDEX]), referrers=3),
    Case(
        "nondistributable",
        _layout({"1.0": images.index([images.image([BASE, FOREIGN]), images.image([FOREIGN])])}),
        absent=1,
        warnings=1,
    ),
    Case(
        "full_references",
        _with_changes(_layout(), _named("registry.example:5000/team/app:1.0", "docker.io/app:2")),
        tags=("1.0", "2"),
    ),
    Case(
        "same_tag_twice",
        _with_changes(
            _layout(untagged=[ARM]),
            _index(
                IMAGE.descriptor(annotations={images.REF_NAME: "1.0"}),
                ARM.descriptor(annotations={images.REF_NAME: "1.0"}),
            ),
        ),
        warnings=1,
    ),
    Case("names_without_a_tag", _with_changes(_layout(), _named("not a tag", "1.0")), warnings=1),
    Case(
        "several_tags", _layout({"1.0": IMAGE, "latest": IMAGE, "A": MANY, "a": ARM}), tags=("1.0", "A", "a", "latest")
    ),
    Case("untagged", _layout({}, untagged=[IMAGE, MANY]), tags=()),
    Case("attestations", _layout({"1.0": _ATTESTED})),
    Case("nested_indexes", _layout({"1.0": _nested(8)})),
    Case("sparse_index", _with_changes(_layout({"1.0": MANY}), missing(ARM.digest)), warnings=2),
    Case("nested_sparse_index", _with_changes(_layout({"1.0": NESTED}), missing(ARM.digest)), warnings=2),
    Case("nested_missing_index", _with_changes(_layout({"1.0": NESTED}), missing(MANY.digest)), warnings=2),
    Case("unknown_entry_type", _layout(untagged=[images.Content(b"a thing", "application/vnd.example.thing")])),
    Case("unknown_files", _with_changes(_layout(), _file("manifest.json", b"[]"))),
    Case("orphans", _with_changes(_layout(), _orphans), warnings=1),
)
BAD: t.Final = (
    Case("wrong_config_digest", _with_changes(_layout(), flip(IMAGE.config.digest)), "wrong_digest", DIGEST),
    Case("wrong_config_size", _with_changes(_layout(), append(IMAGE.config.digest)), "wrong_size", SIZE),
    Case("wrong_layer_digest", _with_changes(_layout(), flip(BASE.digest)), "wrong_digest", DIGEST),
    Case("wrong_layer_size", _with_changes(_layout(), append(BASE.digest)), "wrong_size", SIZE),
    Case("nested_wrong_index", _with_changes(_layout({"1.0": NESTED}), flip(MANY.digest)), "wrong_digest", DIGEST),
    Case("nested_wrong_manifest", _with_changes(_layout({"1.0": NESTED}), flip(ARM.digest)), "wrong_digest", DIGEST),
    Case("nested_wrong_layer", _with_changes(_layout({"1.0": NESTED}), flip(TOP.digest)), "wrong_digest", DIGEST),
    Case("nested_too_deep", _layout({"1.0": _nested(9)}), "document_invalid"),
    Case("wrong_subject", _with_changes(_layout(untagged=[SIGNATURE]), flip(IMAGE.digest)), "wrong_digest", DIGEST),
    Case("index_names_itself", _with_changes(_layout(), _names_itself), "wrong_digest", DIGEST),
    Case("linked_index", _with_changes(_layout(), linked("index.json")), "file_refused"),
    Case("linked_version", _with_changes(_layout(), linked("oci-layout")), "file_refused"),
    Case("linked_blobs", _with_changes(_layout(), linked("blobs")), "file_refused"),
    Case("linked_algorithm", _with_changes(_layout(), linked("blobs/sha256")), "file_refused"),
    Case("linked_blob", _with_changes(_layout(), linked(f"blobs/sha256/{BASE.digest[7:]}")), "file_refused"),
    Case("linked_inside", _with_changes(_layout(), _linked_inside), "file_refused"),
    Case("fifo", _with_changes(_layout(), _fifo), "file_refused"),
    Case("directory", _with_changes(_layout(), _directory), "file_refused"),
    Case("no_version", _with_changes(_layout(), lambda layout: (layout / "oci-layout").unlink()), "layout_invalid"),
    Case("empty_version", _with_changes(_layout(), _file("oci-layout", b"")), "layout_invalid"),
    Case(
        "other_version",
        _with_changes(_layout(), _file("oci-layout", b'{"imageLayoutVersion":"2.0.0"}')),
        "layout_invalid",
    ),
    Case("no_json", _with_changes(_layout(), _file("index.json", b"{")), "document_invalid"),
    Case("index_is_a_manifest", _with_changes(_layout(), _file("index.json", IMAGE.data)), "document_invalid"),
    Case("huge_index", _with_changes(_layout(), _index(annotations={"a": "x" * (4 << 20)})), "document_invalid"),
    Case(
        "upper_case",
        _with_changes(_layout(), _index(IMAGE.descriptor(digest="sha256:" + IMAGE.digest[7:].upper()))),
        "document_invalid",
    ),
    Case(
        "traversal",
        _with_changes(_layout(), _index(IMAGE.descriptor(digest="sha256:../../../etc/passwd"))),
        "document_invalid",
    ),
    Case(
        "unknown_algorithm",
        _with_changes(_layout(), _index(IMAGE.descriptor(digest="blake3:" + IMAGE.digest[7:]))),
        "document_invalid",
    ),
    Case("negative_size", _with_changes(_layout(), _index(IMAGE.descriptor(size=-1))), "document_invalid"),
    Case("no_manifest", _raw_manifest(b"{}"), "document_invalid"),
    Case("name_given_twice", _raw_manifest(_TWICE), "document_invalid"),
    Case("manifest_and_index", _layout({"1.0": _MIXED}), "document_invalid"),
    Case("schema_version_1", _changed(schemaVersion=1), "document_invalid"),
    Case("other_media_type", _changed(mediaType=images.DOCKER_MANIFEST), "document_invalid"),
    Case("media_type_of_an_index", _changed(mediaType=images.OCI_INDEX), "document_invalid"),
)
CORPUS: t.Final = (*OLD, *SOUND, *BAD)

__all__ = (
    "ARM",
    "ATTACHED",
    "ATTACHED_INDEX",
    "BAD",
    "BASE",
    "CORPUS",
    "FOREIGN",
    "IMAGE",
    "MANY",
    "NESTED",
    "OLD",
    "SIGNATURE",
    "SOUND",
    "TOP",
    "Case",
    "append",
    "flip",
    "linked",
    "missing",
    "write_corpus",
)
