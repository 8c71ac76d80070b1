# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for a Veraison service: it speaks the challenge-response API in this process and lies where told to."""

from __future__ import annotations

import base64
import json
import typing as t
import urllib.parse

from ansible_collections.attested.registry.plugins.module_utils._ratls.jwk import encode_base64url
from ansible_collections.attested.registry.plugins.module_utils._ratls.signing import SigningKey
from ansible_collections.attested.registry.plugins.module_utils._ratls.veraison_http import HttpAnswer
from ansible_collections.attested.registry.tests.support.ratls_tokens import platform_key

NOW = 1_800_000_000.0
URL = "https://veraison.example:8443"
OLD = 'application/eat-collection; profile="http://arm.com/CCA-SSD/1.0.0"'
NEW = 'application/eat-collection; profile="tag:arm.com,2023:cca_platform#1.0.0"'


def public_jwk(key: SigningKey) -> dict[str, t.Any]:
    size = key.public.algorithm.size
    x, y = key.public.point[1 : 1 + size], key.public.point[1 + size :]
    return {"kty": "EC", "crv": key.public.algorithm.curve, "x": encode_base64url(x), "y": encode_base64url(y)}


def jws(claims: object, key: SigningKey, header: dict[str, t.Any] | None = None) -> str:
    head = {"alg": key.public.algorithm.name, "typ": "JWT"} if header is None else header
    signed = ".".join(encode_base64url(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{encode_base64url(key.sign(signed.encode()))}"


class StandInVeraison:
    """What it answers can be changed before it is asked."""

    def __init__(self, key: SigningKey | None = None) -> None:
        self.key = key or platform_key("P-256")
        self.requests: list[tuple[str, str]] = []
        self.sent: dict[str, str] = {}
        self.token = b""
        self.location: str | None = "session/1234"
        self.accept: object = [OLD, NEW]
        self.session: dict[str, t.Any] = {}
        self.statuses: dict[str, int] = {}
        self.polls: list[str] = []
        self.claims: dict[str, t.Any] = {}
        self.result: object = ...
        self.header: dict[str, t.Any] | None = None
        self.keys: object = {"ear-verification-key": public_jwk(self.key)}
        self._nonce = ""

    def __call__(self, method: str, url: str, *, headers: t.Mapping[str, str], body: bytes | None) -> HttpAnswer:
        self.requests.append((method, url))
        parts = urllib.parse.urlsplit(url)
        if method == "DELETE":
            return self._answer("DELETE", 204, None)
        if parts.path.endswith("/verification"):
            return self._answer("KEYS", 200, self.keys)
        if parts.path.endswith("/newSession"):
            self._nonce = urllib.parse.parse_qs(parts.query)["nonce"][0]
            return self._answer("NEW", 201, self._new(), {"location": self.location} if self.location else {})
        if method == "POST":
            self.sent, self.token = dict(headers), body or b""
        state = self.polls.pop(0) if self.polls else "complete"
        document = {"status": state}
        if state == "complete":
            document["result"] = self._result()
        return self._answer(method, 200 if state == "complete" else 202, document)

    def _new(self) -> dict[str, t.Any]:
        return {
            "nonce": self._nonce,
            "expiry": "2030-01-01T00:00:00Z",
            "accept": self.accept,
            "status": "waiting",
            **self.session,
        }

    def _result(self) -> t.Any:
        claims = {
            "eat_profile": "tag:github.com,2023:veraison/ear",
            "iat": int(NOW),
            "exp": int(NOW) + 60,
            "eat_nonce": self._nonce,
            "ear.verifier-id": {"build": "1", "developer": "stand-in"},
            "submods": {"CCA_SSD_PLATFORM": {"ear.status": "affirming"}, "CCA_REALM": {"ear.status": "warning"}},
            **self.claims,
        }
        present = {name: value for name, value in claims.items() if value is not ...}
        return jws(present, self.key, self.header) if self.result is ... else self.result

    def _answer(self, what: str, status: int, document: object, headers: dict[str, str] | None = None) -> HttpAnswer:
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        return HttpAnswer(self.statuses.get(what, status), headers or {}, body)


def nonce(challenge: bytes) -> str:
    """As Veraison writes it."""
    return base64.urlsafe_b64encode(challenge).decode()
