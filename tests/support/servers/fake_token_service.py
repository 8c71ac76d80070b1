# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake token service on the loopback interface, whose tokens a real docker-registry verifies.

It signs the tokens (JWT with ES256), so docker-registry decides with its own code what a token permits. The HTTP side
is a FaultyRegistry. A real token service, docker_auth, is in peers.py.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from ..registries.faulty_registry import FaultyRegistry, Reply, Request, error
from .peers import Tls, TokenAuth

_SERVICE: t.Final = "registry"
_ISSUER: t.Final = "fake token service"


@dataclass(frozen=True)
class FakeTokenService:
    """The settings of the service: the key that signs, passwords, and the actions that each user may have.

    only_post: whether it offers the form of OAuth2 alone. Its refresh token for a user is "refresh-USER".
    """

    tls: Tls
    users: t.Mapping[str, str]
    actions: t.Mapping[str, t.Collection[str]]
    only_post: bool = False

    @contextlib.contextmanager
    def running(self) -> t.Iterator[TokenAuth]:
        """Start it and yield what a registry has to be told about it."""
        with FaultyRegistry() as server:
            server.on("", self._answer)
            yield TokenAuth(f"{server.url}/auth", _SERVICE, _ISSUER, self.tls.certificate)

    def _answer(self, request: Request) -> Reply:
        if request.method == "GET" and self.only_post:
            return error(405, "UNSUPPORTED", "method not allowed")
        user = self._user(request)
        if user is None:
            return error(401, "UNAUTHORIZED", "authentication required")
        form = request.form if request.method == "POST" else request.query
        scopes = [scope for value in form.get("scope", []) for scope in value.split()]
        token = self._token(user, [access for scope in scopes for access in self._granted(user, scope)])
        return Reply(
            200, json.dumps({"token": token, "expires_in": 300}).encode(), {"Content-Type": "application/json"}
        )

    def _user(self, request: Request) -> str | None:
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            if form.get("grant_type") == "refresh_token":
                return next((user for user in self.users if form.get("refresh_token") == f"refresh-{user}"), None)
            user, password = form.get("username", ""), form.get("password", "")
        else:
            encoded = (request.header("Authorization") or "").partition(" ")[2]
            user, dummy, password = base64.b64decode(encoded).decode().partition(":")
        return user if self.users.get(user) == password else None

    def _granted(self, user: str, scope: str) -> list[dict[str, t.Any]]:
        kind, dummy, rest = scope.partition(":")
        name, dummy, actions = rest.rpartition(":")
        granted = sorted(set(actions.split(",")) & set(self.actions[user]))
        return [{"type": kind, "name": name, "actions": granted}] if granted else []

    def _token(self, user: str, access: list[dict[str, t.Any]]) -> str:
        certificate = x509.load_pem_x509_certificate(self.tls.certificate.read_bytes())
        chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]
        now = int(time.time())
        claims = {"iss": _ISSUER, "sub": user, "aud": _SERVICE, "iat": now, "nbf": now - 60, "exp": now + 300}
        parts = [{"typ": "JWT", "alg": "ES256", "x5c": chain}, {**claims, "jti": f"{user}-{now}", "access": access}]
        signed = ".".join(_encode(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_encode(_sign(self.tls.key, signed.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _sign(path: Path, data: bytes) -> bytes:
    """Return the signature of JSON Web Algorithms: both numbers in 32 bytes each (RFC 7518, 3.4)."""
    key = t.cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(path.read_bytes(), None))
    numbers = utils.decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return b"".join(number.to_bytes(32, "big") for number in numbers)


__all__ = ("FakeTokenService",)
