# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example registry over RA-TLS, with simulated realms that it accepts and refuses."""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._ratls import simulate

from .peers import OwnServer, PeerError, Tls

REALMS: t.Final = ("app", "greeter", "stranger", "outsider")


@contextlib.contextmanager
def running(root: Path, work: Path, tls: Tls) -> t.Iterator[dict[str, str]]:
    """Serve the example registry and yield the variables of the integration targets.

    The realms app and greeter each see the repository com.example.<realm>. The platform of stranger is trusted, but its
    measurements are unknown; outsider has the measurements of app, on a platform that is not trusted.
    """
    realms = work / "realms"
    realms.mkdir(parents=True)
    rim = ""
    for name in REALMS:
        measured = ["--rim", rim] if name == "outsider" else ["--name", name]
        if simulate.main(["make", str(realms / name), *measured]) != 0:
            raise PeerError(f"the simulated realm {name} could not be made")
        if name == "app":
            rim = json.loads((realms / name / "realm.json").read_text())["rim"]
    config = work / "server.yml"
    config.write_text(json.dumps(_settings(realms)))
    server = OwnServer(root, work / "server", tls=tls, attestation=("--config", config))
    with server.running() as address:
        yield {"ratls_registry": address, "ratls_realms": str(realms), "ratls_log": str(server.log)}


def _settings(realms: Path) -> dict[str, t.Any]:
    known = ("app", "greeter")
    return {
        "trust_anchors": [str(realms / name / "cpak.pem") for name in (*known, "stranger")],
        "reference_values": [str(realms / name / "reference.json") for name in known],
        "policies": [
            {"repositories": [f"com.example.{name}"], "reference_values": [str(realms / name / "reference.json")]}
            for name in known
        ],
    }
