# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that run as services, for a registry: an HTTP server in Python, and a static program alone in its tree.

    python -m ansible_collections.attested.registry.tests.support.hosts.service_images CACHE DIRECTORY

com.example.web has the tags 1.0 and 2.0, exits, which ends at once, and sick, whose health check fails. The whole tree
of com.example.static is the file /busybox. The Python is that of a root filesystem of systemd_hosts in CACHE.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from ..images import images
from ..servers import web_service
from .systemd_base import SUITES, base_root

_VERSIONS: t.Final = ("1.0", "2.0", "exits", "sick")
# Prints the files of all modules that the server imports.
_MODULES: t.Final = """
import __future__, contextlib, encodings.idna, os, select, signal, socket, sys, threading
names = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
print("\\n".join(sorted(name for name in names if name and name.startswith("/usr/"))))
"""


def python_layer(root: Path) -> images.Layer:
    """Return a layer with the Python of a root filesystem, and the modules of web_service alone."""

    def read(name: str) -> bytes:
        return (root / _inside(root, "readlink", "-f", name).strip().lstrip("/")).read_bytes()

    program = _inside(root, "readlink", "-f", "/usr/bin/python3").strip()
    modules = _inside(root, program, "-c", _MODULES).split()
    # /lib and /lib64 are links to directories in /usr
    libraries = {
        name: f"usr{name.removeprefix('/usr')}" for name in re.findall(r"(/\S+) \(0x", _inside(root, "ldd", program))
    }
    return images.layer(
        [
            images.symlink("lib", "usr/lib"),
            images.symlink("lib64", "usr/lib64"),
            images.file("usr/bin/python3", read(program), mode=0o755),
            *(images.file(place, read(name), mode=0o755) for name, place in sorted(libraries.items())),
            *(images.file(name.lstrip("/"), read(name)) for name in modules),
            # Python complains without it
            images.directory(f"{posixpath.dirname(modules[0])}/lib-dynload".lstrip("/")),
        ]
    )


def _inside(root: Path, *command: str) -> str:
    return subprocess.run(["chroot", root, *command], check=True, capture_output=True, text=True).stdout


def web_images(root: Path) -> dict[str, images.Image]:
    """Return the images of the HTTP server, by their tags. Requires root."""
    python = python_layer(root)
    server = images.layer([images.file("srv/web_service.py", Path(web_service.__file__).read_bytes())])
    config = {
        "Entrypoint": ["/usr/bin/python3", "-B", "-S", "/srv/web_service.py"],
        "Env": ["PATH=/usr/bin", "PORT=8080"],
        "User": "1000:1001",
        "Labels": {"org.opencontainers.image.title": "Web service of the tests"},
    }
    return {
        version: images.image(
            [python, server, images.layer([images.file("srv/version", version.encode())])],
            config_members={"config": config},
        )
        for version in _VERSIONS
    }


def static_image() -> images.Image:
    """Return an image that consists of one program, which serves its own file."""
    program = shutil.which("busybox")
    if program is None:
        sys.exit("The image of a static program needs busybox (Debian: busybox-static).")
    layer = images.layer([images.file("busybox", Path(program).read_bytes(), mode=0o755)])
    command = ["/busybox", "httpd", "-f", "-h", "/", "-p"]
    return images.image([layer], config_members={"config": {"Entrypoint": command, "Cmd": ["8081"], "User": "1000"}})


def main(cache: str, directory: str) -> None:
    """Write the layouts."""
    root = base_root(Path(cache), SUITES["bookworm"])
    images.write_layout(Path(directory) / "com.example.web", web_images(root))
    images.write_layout(Path(directory) / "com.example.static", {"1.0": static_image()})


if __name__ == "__main__":
    main(*sys.argv[1:])
