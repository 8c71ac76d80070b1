# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries for the integration tests, each with one fault: the tag 1.0 of the repository app is right, 2.0 is not."""

from __future__ import annotations

import contextlib
import json
import random
import re
import typing as t
from dataclasses import dataclass

from . import images
from .faulty_registry import Answering, FaultyRegistry, Reply, error, redirect
from .tar_entries import directory, file

# Not compressible, so that cutting or changing the layer hits its content.
_CONTENT = random.Random(1).randbytes(200_000)

RIGHT = images.image([images.layer([directory("etc"), file("etc/release", b"1.0\n")])])
LAYER = images.layer([directory("etc"), file("etc/release", b"2.0\n"), file("etc/large", _CONTENT)])
WRONG = images.image([LAYER])


@dataclass(frozen=True)
class Lie:
    """A fault: what is asked for, and what is answered; and the kinds of error that a client may rightly call it."""

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


_MANIFEST = "/manifests/2.0"
_FLIPPED = LAYER.data[:-1000] + bytes(byte ^ 255 for byte in LAYER.data[-1000:])

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
"""Faults that must end in an error."""

PASSING: t.Final[t.Mapping[str, Lie]] = {
    "cut once": Lie(_of(LAYER), Reply(cut=50_000), (), times=1),
    "reset once": Lie(_of(LAYER), Reply(cut=1, reset=True), (), times=1),
    "busy once": Lie(_MANIFEST, error(503), (), times=1),
}
"""Faults that must not."""


CUT_AFTER_BYTES: t.Final = 150_000


@contextlib.contextmanager
def running() -> t.Iterator[dict[str, t.Any]]:
    """Starts a registry for each, and one that breaks off the first download; yields the variables that name them."""
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
