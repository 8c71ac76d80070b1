# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries with one fault each, for the integration tests.

In the repository app, the tag 1.0 is correct and the tag 2.0 has the fault. tests/support/integration.py starts them.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import typing as t
from dataclasses import dataclass

from ..images import images
from ..images.tar_entries import directory, file
from .faulty_registry import Answering, FaultyRegistry, Reply, error, redirect

# not compressible, so that a cut or a change in the layer affects this content
_CONTENT: t.Final = random.Random(1).randbytes(200_000)

RIGHT: t.Final = images.image([images.layer([directory("etc"), file("etc/release", b"1.0\n")])])
LAYER: t.Final = images.layer([directory("etc"), file("etc/release", b"2.0\n"), file("etc/large", _CONTENT)])
WRONG: t.Final = images.image([LAYER])


@dataclass(frozen=True)
class Lie:
    """A fault: the matching requests, the reply to them, and the kinds of errors that a client may report for it."""

    pattern: str
    reply: Answering
    kinds: tuple[str, ...]
    image: images.Content = WRONG
    times: int | None = None
    auth: t.Literal["bearer"] | None = None
    realm: str | None = None


def _of(content: images.Content) -> str:
    return re.escape(content.digest)


def _wrong_diff_id() -> images.Content:
    return images.image([LAYER], config_members={"rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}})


def _schema_1() -> bytes:
    return json.dumps({"schemaVersion": 1, "name": "app", "tag": "2.0", "fsLayers": [], "history": []}).encode()


_MANIFEST: t.Final = "/manifests/2.0"
_FLIPPED: t.Final = LAYER.data[:-1000] + bytes(byte ^ 255 for byte in LAYER.data[-1000:])

# faults that must cause an error
LIES: t.Final[t.Mapping[str, Lie]] = {
    "other layer": Lie(_of(LAYER), Reply(body=_FLIPPED), ("digest_mismatch", "layer_invalid")),
    "short layer": Lie(_of(LAYER), Reply(body=LAYER.data[:-1]), ("size_mismatch", "protocol", "connection")),
    "long layer": Lie(_of(LAYER), Reply(body=LAYER.data + b"x"), ("size_mismatch", "protocol")),
    "cut layer": Lie(_of(LAYER), Reply(cut=1000), ("connection", "protocol")),
    "other config": Lie(
        _of(WRONG.children[0]), Reply(body=WRONG.children[0].data + b" "), ("size_mismatch", "digest_mismatch")
    ),
    "other manifest": Lie(_MANIFEST, Reply(body=WRONG.data + b" "), ("digest_mismatch",)),
    "no manifest": Lie(_MANIFEST, Reply(body=b"<html>welcome</html>"), ("protocol",)),
    "schema 1": Lie(
        _MANIFEST,
        Reply(200, _schema_1(), {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}),
        ("unsupported", "manifest_invalid"),
    ),
    "wrong diff_id": Lie("/none", Reply(), ("diff_id_mismatch",), image=_wrong_diff_id()),
    "redirect loop": Lie(_of(LAYER), redirect(f"/v2/app/blobs/{LAYER.digest}"), ("redirect",)),
    "too many requests": Lie(_MANIFEST, error(429, "TOOMANYREQUESTS", headers={"Retry-After": "0"}), ("rate_limited",)),
    "broken server": Lie(_of(LAYER), error(503), ("server_error",)),
    "token service of another": Lie(
        "/none", Reply(), ("realm_refused",), auth="bearer", realm="https://192.0.2.1/token"
    ),
}

# faults that must not cause an error
PASSING: t.Final[t.Mapping[str, Lie]] = {
    "cut once": Lie(_of(LAYER), Reply(cut=50_000), (), times=1),
    "reset once": Lie(_of(LAYER), Reply(cut=1, reset=True), (), times=1),
    "busy once": Lie(_MANIFEST, error(503), (), times=1),
}


CUT_AFTER_BYTES: t.Final = 150_000


@contextlib.contextmanager
def running() -> t.Iterator[dict[str, t.Any]]:
    """Start one registry per fault, and one that cuts the first download; yield the variables that name them."""
    with contextlib.ExitStack() as stack:

        def start(lie: Lie) -> str:
            return stack.enter_context(_registry(lie)).name

        yield {
            "lying_registries": [
                {"lie": name, "registry": start(lie), "kinds": lie.kinds} for name, lie in LIES.items()
            ],
            "stumbling_registries": [{"lie": name, "registry": start(lie)} for name, lie in PASSING.items()],
            "cutting_registry": start(Lie(_of(LAYER), Reply(cut=CUT_AFTER_BYTES), (), times=1)),
            "cut_blob": {"digest": LAYER.digest, "size": LAYER.size, "after": CUT_AFTER_BYTES},
        }


@contextlib.contextmanager
def _registry(lie: Lie) -> t.Iterator[FaultyRegistry]:
    options: dict[str, t.Any] = (
        {"auth": lie.auth, "realm": lie.realm, "users": {"reader": "secret-5c1e"}} if lie.auth else {}
    )
    with FaultyRegistry(**options) as registry:
        registry.publish("app", {"1.0": RIGHT, "2.0": lie.image})
        registry.on(lie.pattern, lie.reply, times=lie.times)
        yield registry
