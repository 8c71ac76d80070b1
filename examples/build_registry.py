# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the example registry: a directory of OCI image layouts, as the registry server serves it.

    python3 examples/build_registry.py [DIRECTORY]        (default: examples/registry beside this script)

It holds com.example.app with the tag stable, an image of three layers, and com.example.greeter with the tags 1.0, 1.1
and latest, to try an upgrade, each for two platforms. Needs only the standard library. Everything that
could differ between two runs (times, owners, order, compression headers) is fixed, so the digests are always the same.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import shutil
import sys
import tarfile
import typing as t

MTIME = 1721396696
CREATED = "2024-07-19T13:44:56Z"
TYPE = "application/vnd.oci.image."
APP_USER = 1001
ARCHITECTURES = ("amd64", "arm64")

Json = dict[str, t.Any]


def entry(
    name: str, content: str | None = None, *, mode: int = 0o644, user: int = 0, link: str = "", hard: bool = False
) -> tuple[tarfile.TarInfo, bytes]:
    """A tar entry: a directory when there is neither content nor link, else a file or a link."""
    data = (content or "").encode()
    header = tarfile.TarInfo(name)
    header.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    if link:
        header.type, header.linkname = (tarfile.LNKTYPE if hard else tarfile.SYMTYPE), link
    header.mode, header.uid, header.gid, header.mtime, header.size = mode, user, user, MTIME, len(data)
    return header, data


class Layout:
    """An OCI image layout being written."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.entries: list[Json] = []
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def add(self, data: bytes, media_type: str, **members: t.Any) -> Json:
        """Store a blob; gives its descriptor with these further members."""
        encoded = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256" / encoded).write_bytes(data)
        return {"mediaType": TYPE + media_type, "digest": "sha256:" + encoded, "size": len(data), **members}

    def add_json(self, document: t.Any, media_type: str, **members: t.Any) -> Json:
        """Store a document."""
        return self.add(json.dumps(document, separators=(",", ":")).encode(), media_type, **members)

    def add_layer(self, *entries: tuple[tarfile.TarInfo, bytes]) -> tuple[Json, str]:
        """Store a gzip layer; gives its descriptor and its diff_id."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as writer:
            for header, data in entries:
                writer.addfile(header, io.BytesIO(data))
        compressed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=compressed, compresslevel=9, mtime=0) as stream:
            stream.write(archive.getvalue())
        diff_id = "sha256:" + hashlib.sha256(archive.getvalue()).hexdigest()
        return self.add(compressed.getvalue(), "layer.v1.tar+gzip"), diff_id

    def add_image(
        self,
        layers: t.Sequence[tuple[Json, str]],
        *,
        architecture: str,
        runtime: Json,
        annotations: dict[str, str],
    ) -> Json:
        """Store a config and a manifest; gives the manifest's descriptor."""
        platform = {"architecture": architecture, "os": "linux"}
        history = [{"created": CREATED, "created_by": f"layer {n + 1}"} for n in range(len(layers))]
        config: Json = {"created": CREATED, "author": "Alice <alice@example.com>", **platform, "config": runtime}
        config["rootfs"] = {"type": "layers", "diff_ids": [diff_id for layer, diff_id in layers]}
        config["history"] = history
        manifest = {
            "schemaVersion": 2,
            "mediaType": TYPE + "manifest.v1+json",
            "config": self.add_json(config, "config.v1+json"),
            "layers": [layer for layer, diff_id in layers],
            "annotations": annotations,
        }
        return self.add_json(manifest, "manifest.v1+json", platform=platform)

    def add_index(self, manifests: t.Sequence[Json]) -> Json:
        """Store an index of these manifests."""
        document = {"schemaVersion": 2, "mediaType": TYPE + "index.v1+json", "manifests": list(manifests)}
        return self.add_json(document, "index.v1+json")

    def tag(self, tag: str, descriptor: Json) -> None:
        """Give a manifest or an index a tag."""
        self.entries.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})

    def finish(self) -> None:
        """Write index.json."""
        document = {"schemaVersion": 2, "mediaType": TYPE + "index.v1+json", "manifests": self.entries}
        (self.path / "index.json").write_text(json.dumps(document, indent=2) + "\n")


def build_app(layout: Layout) -> None:
    """com.example.app: one image for two platforms, whose layers add, link and remove files."""
    binary = "#!/bin/sh\n# stands for the program of the image\ncat /etc/my-app.d/default.cfg\n"
    layers = [
        layout.add_layer(
            entry("bin/", mode=0o775, user=APP_USER),
            entry("bin/my-app-binary", binary, mode=0o755),
            entry("etc/", mode=0o755),
            entry("etc/my-app.d/", mode=0o755),
            entry("etc/my-app.d/default.cfg", "greeting = hello\n"),
            entry("etc/my-app.d/old.cfg", "removed by the second layer\n"),
            entry("layer1", "", mode=0o664, user=APP_USER),
        ),
        layout.add_layer(
            entry("etc/my-app.d/.wh.old.cfg", "", mode=0o600),
            entry("layer2", "", mode=0o664, user=APP_USER),
            entry("lib/", mode=0o775, user=APP_USER),
            entry("lib/libexample.so", link="libexample.so.1", mode=0o777),
            entry("lib/libexample.so.1", "stands for a library\n"),
        ),
        layout.add_layer(
            entry("home/", mode=0o755),
            entry("home/alice/", mode=0o750, user=APP_USER),
            entry("layer3", "", mode=0o664, user=APP_USER),
            entry("usr/", mode=0o775, user=APP_USER),
            entry("usr/bin/", mode=0o755),
            entry("usr/bin/my-helper", "#!/bin/sh\nid -u\n", mode=0o4755),
            entry("usr/bin/my-helper-again", link="usr/bin/my-helper", hard=True, mode=0o4755),
        ),
    ]
    runtime = {
        "User": "alice",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "FOO=a_value",
            "BAR=another_value",
        ],
        "Entrypoint": ["/bin/my-app-binary"],
        "Cmd": ["--foreground", "--config", "/etc/my-app.d/default.cfg"],
        "Volumes": {"/var/job-result-data": {}, "/var/log/my-app-logs": {}},
        "WorkingDir": "/home/alice",
        "Labels": {
            "com.example.project.git.url": "https://example.com/app.git",
            "com.example.project.git.commit": "45a939b",
        },
    }
    annotations = {"org.opencontainers.image.title": "app", "org.opencontainers.image.version": "stable"}
    images = [
        layout.add_image(layers, architecture=architecture, runtime=runtime, annotations=annotations)
        for architecture in ARCHITECTURES
    ]
    layout.tag("stable", layout.add_index(images))


def build_greeter(layout: Layout) -> None:
    """com.example.greeter: two versions for two platforms; 1.1 is 1.0 with one more layer."""
    script = '#!/bin/sh\n. "${0%/usr/bin/greet}/etc/greeter.conf"\necho "$GREETING, $1"\n'
    base = layout.add_layer(
        entry("etc/", mode=0o755),
        entry("etc/greeter.conf", 'GREETING="Hello"\n'),
        entry("usr/", mode=0o755),
        entry("usr/bin/", mode=0o755),
        entry("usr/bin/greet", script, mode=0o755),
        entry("usr/share/", mode=0o755),
        entry("usr/share/greeter/", mode=0o755),
        entry("usr/share/greeter/CHANGES-1.0", "The first version.\n"),
    )
    upgrade = layout.add_layer(
        entry("etc/greeter.conf", 'GREETING="Good morning"\n'),
        entry("usr/share/greeter/.wh.CHANGES-1.0", "", mode=0o600),
        entry("usr/share/greeter/CHANGES-1.1", "Greets by the time of day.\n"),
    )
    for version, layers in (("1.0", [base]), ("1.1", [base, upgrade])):
        annotations = {"org.opencontainers.image.title": "greeter", "org.opencontainers.image.version": version}
        runtime = {"Entrypoint": ["/usr/bin/greet"], "Cmd": ["world"], "Env": ["PATH=/usr/bin:/bin"]}
        images = [
            layout.add_image(layers, architecture=architecture, runtime=runtime, annotations=annotations)
            for architecture in ARCHITECTURES
        ]
        both = layout.add_index(images)
        layout.tag(version, both)
    layout.tag("latest", both)


def main(arguments: list[str]) -> None:
    """Replace the registry directory by a new one."""
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parent / "registry")
    for name, build in (("com.example.app", build_app), ("com.example.greeter", build_greeter)):
        shutil.rmtree(root / name, ignore_errors=True)
        layout = Layout(root / name)
        build(layout)
        layout.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
