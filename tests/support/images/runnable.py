# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image that runs: busybox as all of its programs. For tests of what starts an unpacked tree."""

from __future__ import annotations

import typing as t

import pytest

from . import images
from .busybox import busybox_entries

PASSWD: t.Final = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:Web:/var/www:/bin/false\n"
GROUP: t.Final = b"root:x:0:\nwww:x:34:\nadm:x:4:syslog,web\n"

_PROGRAMS: t.Final = ("sh", "id", "cat", "env", "rm", "sleep", "stat", "touch")


def runnable_image(**config: t.Any) -> images.Image:
    """Make an image whose sh and id work; config are members of its config. Skips the test by name without busybox."""
    return images.image([runnable_layer()], config_members={"config": {"Env": ["PATH=/bin"], **config}})


def runnable_layer() -> images.Layer:
    """Make a layer with busybox, users, and the directories that runtimes mount something at."""
    try:
        entries = busybox_entries(*_PROGRAMS)
    except FileNotFoundError as exc:
        pytest.skip(str(exc))
    return images.layer(
        [
            *entries,
            *(images.directory(name) for name in ("data", "mnt", "var/www")),
            images.file("data/seed", b"seed\n"),
            images.file("etc/group", GROUP),
            images.file("etc/passwd", PASSWD),
        ]
    )


__all__ = ("GROUP", "PASSWD", "runnable_image", "runnable_layer")
