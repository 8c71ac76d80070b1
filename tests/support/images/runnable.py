# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image that runs: busybox as all of its programs. For tests of what starts an unpacked tree."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest

from . import images

PASSWD: t.Final = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:Web:/var/www:/bin/false\n"
GROUP: t.Final = b"root:x:0:\nwww:x:34:\nadm:x:4:syslog,web\n"

_PROGRAMS: t.Final = ("sh", "id", "cat", "env", "rm", "sleep", "stat", "touch")


def runnable_image(**config: t.Any) -> images.Image:
    """Make an image whose sh and id work; config are members of its config. Skips the test by name without busybox."""
    return images.image([runnable_layer()], config_members={"config": {"Env": ["PATH=/bin"], **config}})


def runnable_layer() -> images.Layer:
    """Make a layer with busybox, users, and the directories that runtimes mount something at."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("busybox is not installed")
    data = pathlib.Path(program).read_bytes()
    if b"/ld-linux" in data:
        pytest.skip("busybox needs shared libraries here (Debian: busybox-static)")
    directories = (
        "bin",
        "data",
        "dev",
        "etc",
        "mnt",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var",
        "var/tmp",
        "var/www",
    )
    return images.layer(
        [
            *(images.directory(name) for name in directories),
            images.file("bin/busybox", data, mode=0o755),
            *(images.symlink(f"bin/{name}", "busybox") for name in _PROGRAMS),
            images.file("data/seed", b"seed\n"),
            images.file("etc/group", GROUP),
            images.file("etc/passwd", PASSWD),
        ]
    )


__all__ = ("GROUP", "PASSWD", "runnable_image", "runnable_layer")
