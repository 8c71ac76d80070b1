# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry on 127.0.0.1 that answers correctly unless a rule injects a fault, and that records all requests.

    with FaultyRegistry() as registry:
        registry.publish("debian", {"1.0": images.image([...])})
        registry.on("/blobs/", Reply(cut=1000), times=1)      # the first blob is cut after 1000 bytes
        Registry(Endpoint.parse(registry.name)).blob(...)
        assert registry.requests[-1].header("Range") == "bytes=1000-"

It implements /v2/, the catalog and tags (n, last, Link), referrers (artifactType, Link), manifests and blobs (GET,
HEAD, Range, ETag) with their digests, OCI errors, keep-alive, TLS (``tls=`` an ``ssl.SSLContext``), Basic
authentication and tokens (``auth=``), and its own token service at /token. With ``writable=True`` it also implements
pushing and deleting, see writes.py.

Rules inject faults: ``on(pattern, reply, times=..., method=...)``. The pattern is a regular expression that is searched
in the path with its query; the newest matching rule that is not used up answers in place of the registry. The reply is
a Reply, or a function from the Request to a Reply, or to None for the answer of the registry. A Reply without body or
status changes the answer of the registry: ``Reply(cut=10)``, ``Reply(drop=("Content-Length",))``,
``Reply(headers={"Docker-Content-Digest": "sha256:..."})``, ``Reply(body=b"lies")``. Only a drip takes time, one
millisecond per byte. ``on_body(pattern, BodyFault(count))`` ends the connection of a request after count bytes of its
body; an upload keeps these bytes.

``requests`` has every request in order; ``sent(pattern)`` returns those whose path matches.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import typing as t
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ansible_collections.attested.registry.plugins.module_utils._oci.scope import covers

from .registry_replies import BodyFault, Reply, Request, error, merge, redirect
from .registry_sockets import Server
from .writes import Repository, answer_write, is_write

if t.TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from ..images.images import Content

_INDEX_TYPE: t.Final = "application/vnd.oci.image.index.v1+json"

Answering = t.Union[Reply, "Callable[[Request], Reply | None]"]


@dataclass
class _Rule:
    pattern: re.Pattern[str]
    method: str | None
    reply: Answering
    left: int | None


class FaultyRegistry:
    """The registry; see the module docstring.

    ``auth``: None, "basic" or "bearer". ``users``: names and passwords. ``realm``: the token service in challenges
    (default: this server's own /token). ``expires_in``: the stated lifetime of tokens. ``anonymous``: whether the token
    service issues tokens without credentials. ``refresh_tokens``: identity tokens that the token service accepts.
    ``page``: the maximum number of names or referrers in a page. ``ranges``: whether Range is supported.
    ``referrers``: whether the referrers API is supported. ``host``: the host in ``name``, such as "localhost", or
    another loopback address to listen on. ``writable``: whether it accepts writes.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        auth: t.Literal["basic", "bearer"] | None = None,
        users: Mapping[str, str] | None = None,
        realm: str | None = None,
        service: str = "registry.test",
        expires_in: int | None = 300,
        anonymous: bool = True,
        refresh_tokens: t.Collection[str] = (),
        page: int | None = None,
        ranges: bool = True,
        referrers: bool = True,
        host: str = "127.0.0.1",
        writable: bool = False,
    ) -> None:
        self.auth, self.users, self.realm, self.service = auth, dict(users or {}), realm, service
        self.expires_in, self.anonymous, self.refresh_tokens = expires_in, anonymous, set(refresh_tokens)
        self.page, self.ranges, self.referrers = page, ranges, referrers
        self.host, self.writable = host, writable
        self.requests: list[Request] = []
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, set[str]] = {}
        self.connections = 0
        self.stopping = threading.Event()
        self._rules: list[_Rule] = []
        self._body_faults: list[tuple[str, BodyFault]] = []
        self._lock = threading.Lock()
        self._tls = tls
        self._server = Server(self, tls, address=host if host.startswith("127.") else "127.0.0.1")
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> FaultyRegistry:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def name(self) -> str:
        """host:port, for the registry option."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{'http' if self._tls is None else 'https'}://{self.name}"

    # --- content ---

    def publish(self, repository: str, tagged: Mapping[str, Content], *, algorithm: str = "sha256") -> None:
        """Store contents, with all content that they refer to, and tag them."""
        for tag, content in tagged.items():
            self.add_tag(repository, tag, self.add_content(repository, content, algorithm=algorithm))

    def add_content(self, repository: str, content: Content, *, algorithm: str = "sha256") -> str:
        """Store a content, with all content that it refers to; return its digest."""
        store = self._repository(repository)
        store.blobs.update(content.blobs())
        digest = self.add_manifest(repository, content.data, content.media_type, algorithm=algorithm)
        for digest_text, data in content.blobs().items():
            kind = _document_type(data)
            if kind is not None:
                store.manifests[digest_text] = (data, kind)
        store.manifests[digest] = (content.data, content.media_type)
        return digest

    def add_manifest(self, repository: str, data: bytes, media_type: str, *, algorithm: str = "sha256") -> str:
        """Store bytes as a manifest; return their digest."""
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        self._repository(repository).manifests[digest] = (data, media_type)
        return digest

    def add_blob(self, repository: str, data: bytes, *, algorithm: str = "sha256") -> str:
        """Store a blob; return its digest."""
        digest = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
        self._repository(repository).blobs[digest] = data
        return digest

    def add_tag(self, repository: str, tag: str, digest: str) -> None:
        """Point a tag to a digest."""
        self._repository(repository).tags[tag] = digest

    def _repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    # --- rules and records ---

    def on(self, pattern: str, reply: Answering, *, times: int | None = None, method: str | None = None) -> None:
        """Answer with reply, times times (None: always), if the pattern is in path and query; the newest rule wins."""
        with self._lock:
            self._rules.insert(0, _Rule(re.compile(pattern), method, reply, times))

    def on_body(self, pattern: str, fault: BodyFault) -> None:
        """Apply a fault to the body of the next request with this pattern in its method, path and query."""
        with self._lock:
            self._body_faults.append((pattern, fault))

    def body_fault(self, method: str, target: str) -> BodyFault | None:
        """Return what to do with the body of a request; None to read it."""
        with self._lock:
            for number, (pattern, fault) in enumerate(self._body_faults):
                if re.search(pattern, f"{method} {target}"):
                    del self._body_faults[number]
                    return fault
        return None

    def clear(self) -> None:
        """Remove all rules and all recorded requests."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def revoke_tokens(self) -> None:
        """Invalidate all tokens issued so far."""
        with self._lock:
            self.tokens.clear()

    def sent(self, pattern: str = "", *, method: str | None = None) -> list[Request]:
        """Return the recorded requests whose path and query contain the pattern."""
        with self._lock:
            return [
                request
                for request in self.requests
                if re.search(pattern, request.target) and method in (None, request.method)
            ]

    # --- answering ---

    def answer(self, request: Request) -> Reply:
        """Return the reply to a request: that of a rule, or the correct one."""
        with self._lock:
            self.requests.append(request)
        chosen = self._apply_rules(request)
        if chosen is not None and (chosen.raw is not None or (chosen.status is not None and chosen.body is not None)):
            return chosen
        correct = self._answer_correctly(request)
        return correct if chosen is None else merge(correct, chosen)

    def _apply_rules(self, request: Request) -> Reply | None:
        with self._lock:
            for rule in self._rules:
                fits = rule.method in (None, request.method) and rule.pattern.search(request.target)
                if not fits or rule.left == 0:
                    continue
                reply = rule.reply if isinstance(rule.reply, Reply) else rule.reply(request)
                if reply is None:
                    continue
                if rule.left is not None:
                    rule.left -= 1
                return reply
        return None

    def _answer_correctly(self, request: Request) -> Reply:
        if request.path == "/token":
            return self._token(request)
        match = re.fullmatch(r"(?:/[^/]+)*?/v2/(?:_catalog|(.+)/(tags|manifests|blobs|referrers)/(.+))?", request.path)
        if match is None:
            return error(404, "UNKNOWN", "no such route")
        catalog = request.path.endswith("/_catalog")
        refusal = self._refusal(request, _scope(match.group(1), catalog=catalog, request=request))
        if refusal is not None:
            return refusal
        if match.group(1) is not None and is_write(request):
            return self._write(request, match.group(1))
        if catalog:
            return self._page("/v2/_catalog", {}, "repositories", self.repositories, request)
        if match.group(1) is None:
            return Reply(200, b"{}", {"Docker-Distribution-API-Version": "registry/2.0"})
        repository = self.repositories.get(match.group(1))
        if repository is None:
            return error(404, "NAME_UNKNOWN", "repository name not known to registry")
        kind, reference = match.group(2), unquote(match.group(3))
        if kind == "tags":
            name = match.group(1)
            return self._page(f"/v2/{name}/tags/list", {"name": name}, "tags", repository.tags, request)
        if kind == "referrers":
            return (
                self._referrers(repository, reference, request) if self.referrers else error(404, "UNKNOWN", "no API")
            )
        return (
            repository.manifest(reference) if kind == "manifests" else repository.blob(reference, request, self.ranges)
        )

    def _write(self, request: Request, repository: str) -> Reply:
        if not self.writable:
            return error(405, "UNSUPPORTED", "the registry is read-only")
        return answer_write(self.repositories, request, name=repository, lock=self._lock)

    def _page(
        self, path: str, document: Mapping[str, t.Any], key: str, all_names: t.Iterable[str], request: Request
    ) -> Reply:
        last = request.query.get("last", [""])[0]
        names = [name for name in sorted(all_names) if not last or name > last]
        limits = [int(value) for value in request.query.get("n", [])] + ([self.page] if self.page else [])
        headers = {"Content-Type": "application/json"}
        if limits and len(names) > min(limits):
            names = names[: min(limits)]
            if names:
                target = f"{path}?n={min(limits)}&last={quote(names[-1], safe='')}"
                headers["Link"] = f'<{target}>; rel="next"'
        return Reply(200, json.dumps({**document, key: names}).encode(), headers)

    def _referrers(self, repository: Repository, digest: str, request: Request) -> Reply:
        wanted = request.query.get("artifactType", [None])[0]
        found = [item for item in repository.referrers(digest) if wanted in (None, item.get("artifactType"))]
        headers = {"Content-Type": _INDEX_TYPE}
        if wanted is not None:
            headers["OCI-Filters-Applied"] = "artifactType"
        start = int(request.query.get("start", ["0"])[0])
        end = start + self.page if self.page else len(found)
        if end < len(found):
            headers["Link"] = f'<{request.path}?start={end}>; rel="next"'
        document = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": found[start:end]}
        return Reply(200, json.dumps(document).encode(), headers)

    def _refusal(self, request: Request, scope: str | None) -> Reply | None:
        given = request.header("Authorization") or ""
        if self.auth is None or (self.auth == "basic" and self._user(given) is not None):
            return None
        if self.auth == "basic":
            return error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="test"'})
        with self._lock:
            granted = self.tokens.get(given.partition(" ")[2]) if given.lower().startswith("bearer ") else None
        if granted is not None and (scope is None or covers(granted, scope.split())):
            return None
        challenge = f'Bearer realm="{self.realm or self.url + "/token"}",service="{self.service}"'
        challenge += f',scope="{scope}"' if scope is not None else ""
        if given:
            challenge += ',error="invalid_token"' if granted is None else ',error="insufficient_scope"'
        return error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": challenge})

    def _user(self, authorization: str) -> str | None:
        scheme, dummy, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        name, dummy, password = base64.b64decode(encoded).decode().partition(":")
        return name if self.users.get(name) == password else None

    def _token(self, request: Request) -> Reply:
        if request.method == "POST":
            form = {name: values[0] for name, values in request.form.items()}
            allowed = form.get("refresh_token") in self.refresh_tokens
            if form.get("grant_type") == "password":
                allowed = self.users.get(form.get("username", "")) == form.get("password", "")
            scopes = set(request.form.get("scope", [""])[0].split())
        else:
            given = request.header("Authorization")
            allowed = self.anonymous if given is None else self._user(given) is not None
            scopes = set(request.query.get("scope", []))
        if not allowed:
            return error(401, "UNAUTHORIZED", "wrong credentials")
        with self._lock:
            token = f"token-{len(self.requests)}-{len(self.tokens)}"
            self.tokens[token] = scopes
        document: dict[str, t.Any] = {"token": token, "access_token": token}
        if self.expires_in is not None:
            document["expires_in"] = self.expires_in
        return Reply(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _scope(repository: str | None, *, catalog: bool, request: Request) -> str | None:
    """Return the scopes that a token needs for a request; None for /v2/."""
    if catalog:
        return "registry:catalog:*"
    if repository is None:
        return None
    actions = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(request.method, "pull,push")
    if "/uploads/" in request.path:
        actions = "pull,push"
    mounted = [f"repository:{name}:pull" for name in request.query.get("from", [])]
    return " ".join([f"repository:{repository}:{actions}", *mounted])


def _document_type(data: bytes) -> str | None:
    with contextlib.suppress(ValueError):
        document = json.loads(data)
        if isinstance(document, dict) and document.get("schemaVersion") == 2:
            return str(document.get("mediaType") or _INDEX_TYPE)
    return None


__all__ = ("BodyFault", "FaultyRegistry", "Reply", "Request", "error", "redirect")
