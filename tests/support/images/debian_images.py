# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of a real Debian root filesystem, made by mmdebstrap and umoci, for the integration tests and benchmarks.

What is made is kept and used again until its recipe changes or a month has passed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..servers.peers import DockerRegistry, run, skopeo_copy
from . import images
from .tar_entries import directory, fifo, file, hardlink, opaque, symlink, tar, whiteout

SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
CREATED = "2026-01-02T03:04:05Z"

# cap_net_raw+ep, as setcap writes it.
_CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def mirror() -> str:
    """The Debian mirror that this machine's apt uses, or the default one."""
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = re.search(r"^(?:deb .*?|URIs:\s*)(https?://\S+/debian)/?(?=\s)", path.read_text(), re.MULTILINE)
            if found:
                return found.group(1)
    return DEFAULT_MIRROR


def make_root_tar(path: Path, packages: t.Sequence[str]) -> None:
    """The root filesystem of a minimal Debian with these packages. Needs root."""
    partial = path.with_suffix(".partial.tar")
    options = ["--variant=minbase", "--mode=root", "--format=tar", "--quiet", "--dpkgopt=force-unsafe-io"]
    # The mirrors of test machines are often snapshots, and their clocks are not always right.
    options += ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Check-Date "false"']
    options += ['--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"']
    if packages:
        options.append(f"--include={','.join(packages)}")
    run("mmdebstrap", *options, SUITE, partial, f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main")
    partial.rename(path)


def change_layer() -> bytes:
    """The files that the second release of the test image adds, replaces and removes."""
    return tar(
        [
            file("etc/debian_version", b"replaced\n", mtime=1_700_000_000.123456789),
            whiteout("etc/issue.net"),
            whiteout("usr/share/perl5"),
            directory("usr/share/doc", mtime=1_700_000_001),
            opaque("usr/share/doc"),
            file("usr/share/doc/README", b"all the rest is gone\n"),
            directory("opt/app", mode=0o2775, uid=1001, gid=1002, mtime=1_700_000_002.5),
            file("opt/app/run", b"#!/bin/sh\nexit 0\n", mode=0o4755, uid=1001, gid=1002),
            hardlink("opt/app/run-too", "opt/app/run"),
            file("opt/app/raw", b"raw", mode=0o755, xattrs={"security.capability": _CAPABILITY, "user.note": b"a=b"}),
            file("opt/app/name with space, \u00fc and \n newline", b""),
            symlink("opt/app/latest", "/opt/app/run", mtime=1_700_000_003.25),
            symlink("opt/app/dangling", "../../nowhere"),
            fifo("opt/app/queue", mode=0o620, gid=5),
            # Through usr-merge: bin is a symbolic link to usr/bin.
            file("bin/app", b"#!/bin/sh\n", mode=0o755),
            file("var/lib/implied/parents/file", b"implied"),
        ]
    )


@dataclass(frozen=True)
class TestImages:
    """An OCI layout with the tags 1.0, 2.0 and multi, a registry's storage of them, and the trees that umoci makes."""

    directory: Path

    @property
    def layout(self) -> Path:
        return self.directory / "layout"

    @property
    def storage(self) -> Path:
        """The storage directory of a registry that holds the images."""
        return self.directory / "storage"

    def expected(self, tag: str) -> Path:
        """The tree that umoci unpacks the tag to."""
        return self.directory / "expected" / tag

    def fill_storage(self) -> None:
        """Puts all images into the storage: debian (1.0, 2.0, stable), debian-zstd, debian-multi."""
        for name, tag, source, options in (
            ("debian", "1.0", "1.0", ()),
            ("debian", "stable", "1.0", ()),
            ("debian", "2.0", "2.0", ()),
            ("debian-multi", "1.0", "multi", ("--all",)),
            ("debian-zstd", "1.0", "1.0", ("--dest-compress-format=zstd",)),
        ):
            # A registry each: skopeo remembers which blobs an address has, and would mount gzip layers for zstd ones.
            with DockerRegistry(self.storage, self.directory).running() as address:
                destination = f"docker://{address}/{name}:{tag}"
                skopeo_copy(f"oci:{self.layout}:{source}", destination, "--dest-tls-verify=false", *options)


def recipe(*parts: str | bytes | t.Sequence[str]) -> str:
    """A short name for a recipe: it changes when any part does, when this file does, and every month."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for part in (*parts, time.strftime("%Y-%m")):
        digest.update(repr(part).encode())
    return digest.hexdigest()[:12]


def made_once(final: Path, fill: t.Callable[[Path], None]) -> Path:
    """Calls fill with an empty directory, which becomes final when that succeeds; does nothing when final is there.

    final is named PREFIX-RECIPE; those with the same prefix and another recipe are removed.
    """
    if not final.exists():
        prefix = final.name.rpartition("-")[0]
        for old in final.parent.glob(f"{prefix}-*"):
            shutil.rmtree(old)
        partial = final.parent / f"{prefix}-partial"
        partial.mkdir(parents=True)
        fill(partial)
        partial.rename(final)
    return final


def test_images(parent: Path) -> TestImages:
    """The images of the integration tests below this directory, made when they are not there. Needs root."""
    final = parent.resolve() / f"debian-{recipe(change_layer())}"
    return TestImages(made_once(final, lambda place: _fill(TestImages(place))))


def _fill(made: TestImages) -> None:
    base, changes = made.directory / "base.tar", made.directory / "changes.tar"
    make_root_tar(base, ["iputils-ping"])
    changes.write_bytes(change_layer())
    new_layout(made.layout)
    add_image(made.layout, "1.0", [base])
    run("umoci", "raw", "add-layer", "--image", f"{made.layout}:1.0", "--tag", "2.0", changes)
    describe(made.layout, "2.0", version="2.0")
    _add_index(made.layout)
    made.expected("1.0").parent.mkdir()
    for tag in ("1.0", "2.0"):
        run("umoci", "raw", "unpack", "--image", f"{made.layout}:{tag}", made.expected(tag))
    base.unlink()
    made.fill_storage()


def new_layout(layout: Path) -> None:
    """An OCI layout without images."""
    run("umoci", "init", "--layout", layout)


def add_image(layout: Path, tag: str, layers: t.Sequence[Path]) -> None:
    """An image for linux/amd64 of these uncompressed tar files; umoci compresses them with gzip."""
    image = f"{layout}:{tag}"
    run("umoci", "new", "--image", image)
    for layer in layers:
        run("umoci", "raw", "add-layer", "--image", image, layer)
    describe(layout, tag, version=tag)


def describe(layout: Path, tag: str, *, version: str) -> None:
    """Gives an image the config and annotations of an ordinary one."""
    options = ["--os=linux", "--architecture=amd64", f"--created={CREATED}", "--no-history", "--config.cmd=/bin/bash"]
    options += ["--config.env=PATH=/usr/bin:/bin", f"--config.label=org.example.version={version}"]
    options += [f"--manifest.annotation=org.opencontainers.image.version={version}"]
    run("umoci", "config", "--image", f"{layout}:{tag}", *options)


def _add_index(layout: Path) -> None:
    """Adds the tag multi: an index of 1.0 for amd64 and of a small image for arm64."""
    top = json.loads((layout / "index.json").read_bytes())
    by_tag = {entry["annotations"][images.REF_NAME]: entry for entry in top["manifests"]}
    arm = images.image([images.layer([file("etc/architecture", b"arm64\n")])], platform="linux/arm64")
    amd = {key: by_tag["1.0"][key] for key in ("mediaType", "digest", "size")}
    amd["platform"] = {"os": "linux", "architecture": "amd64"}
    arm_descriptor = arm.descriptor(platform={"os": "linux", "architecture": "arm64", "variant": "v8"})
    document = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [arm_descriptor, amd]}
    index = images.Content(images.to_json(document), images.OCI_INDEX)
    for digest, data in {**arm.blobs(), index.digest: index.data}.items():
        images.write_blob(layout, digest, data)
    top["manifests"].append(index.descriptor(annotations={images.REF_NAME: "multi"}))
    (layout / "index.json").write_bytes(images.to_json(top))
