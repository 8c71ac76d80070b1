# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three releases of an image that serves a web page, of which the last does not start. For make demo."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._oci.platform import Platform

from . import images
from .busybox import busybox_entries

_PASSWD: t.Final = b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/false\n"
# Release -> the directory of its page. The program looks for it in srv/www.
_PAGES: t.Final = {"1.0": "srv/www", "1.1": "srv/www", "1.2": "srv/web"}


def web_releases() -> dict[str, images.Content]:
    """Make the releases 1.0, 1.1 and the faulty 1.2 for the platform of this machine, by tag.

    They listen on the address in the variable LISTEN. Raises FileNotFoundError without busybox.
    """
    base = images.layer([*busybox_entries("httpd", "sh"), images.file("etc/passwd", _PASSWD)])
    return {version: _release(base, version, pages) for version, pages in _PAGES.items()}


def _release(base: images.Layer, version: str, pages: str) -> images.Content:
    page = images.file(f"{pages}/index.html", f"This is release {version}.\n".encode())
    config = {
        "Entrypoint": ["sh", "-c", 'exec httpd -f -p "$LISTEN" -h /srv/www'],
        "Env": ["PATH=/bin", "LISTEN=127.0.0.1:8080"],
        "Labels": {"org.opencontainers.image.title": "A web page"},
        "User": "web",
    }
    host = os.uname()
    return images.image(
        [base, images.layer([images.directory(pages), page])],
        platform=str(Platform.host(host.machine, host.sysname)),
        config_members={"config": config},
    )


__all__ = ("web_releases",)
