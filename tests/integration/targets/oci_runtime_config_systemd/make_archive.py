# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the archive of an image that runs, for plays.sh: make_archive.py FILE VERSION."""

from __future__ import annotations

import pathlib
import sys
import tarfile
import tempfile

from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.runnable import runnable_layer


def main(dest: str, version: str) -> None:
    """Write an OCI archive with the one image of this version."""
    layers = [runnable_layer(), images.layer([images.file("etc/version", f"{version}\n".encode())])]
    config = {
        "Cmd": ["sleep", "1000"],
        "Env": ["PATH=/bin", "FROM_IMAGE=a \"b\" $c %n 'd' \\e"],
        "StopSignal": "SIGINT",
        "User": "web",
        "Volumes": {"/data": {}},
        "WorkingDir": "/var",
    }
    image = images.image(layers, config_members={"config": config})
    with tempfile.TemporaryDirectory() as work, tarfile.open(dest, "w") as archive:
        archive.add(images.write_layout(pathlib.Path(work) / "layout", {version: image}), arcname=".")


if __name__ == "__main__":
    main(*sys.argv[1:])
