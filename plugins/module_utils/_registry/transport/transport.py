# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Send HTTP requests to the registry and to the hosts that it refers to, and follow redirects (RFC 9110, 15.4).

Called by caller.py, auth/token_service.py and foreign.py. The room push makes the requests that have a Body. Neither
cookies nor .netrc are used.
"""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from ..._base.text import visible
from ..errors import REPORT, TRY_AGAIN, ConnectionFailed, RedirectRefused
from ..realm_policy import is_listed
from ..url import UrlInvalid
from .answer import Answer
from .guard import Guard
from .proxies import proxy_name
from .redirects import RedirectHops, RedirectPolicy

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ..errors import Operation
    from ..options import ClientOptions, Nearness
    from ..url import Origin, Url
    from .attested import AttestedTls
    from .connection import Pool
    from .proxies import Proxies

    _PoolKey = tuple[str, Nearness]

MAX_REDIRECTS: t.Final = 10

_REDIRECTS: t.Final = (301, 302, 303, 307, 308)
# redirects that keep method and body (RFC 9110, 15.4.8 and 15.4.9)
_KEEPING: t.Final = (307, 308)

Method = t.Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Body:
    """Content to push as the body of a request: length bytes, in pieces, and nothing secret.

    open begins at the first byte each time, because redirects and refused tokens repeat a request. An error that the
    pieces raise ends the request; it must be none of connection.CONNECTION_ERRORS, which are read as errors of the
    connection.
    """

    length: int
    open: Callable[[], AbstractContextManager[Iterator[bytes]]] = field(repr=False)


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    authorization is sent only to the origin of url; elsewhere returns the authorization for the target of a redirect to
    another origin, None for none. A body of bytes may contain secrets, and stays at the origin of url. deadline is by
    the monotonic clock.
    """

    operation: Operation
    method: Method
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    authorization: str | None = field(default=None, repr=False)
    elsewhere: Callable[[Url], str | None] | None = field(default=None, repr=False)
    body: bytes | Body | None = field(default=None, repr=False)
    deadline: float | None = None


class Hops(t.Protocol):
    """The checks of a caller on every URL and address of a request; they raise RegistryError to stop it."""

    def check_url(self, url: Url) -> None:
        """Check a URL before it is requested."""

    def check_peer(self, url: Url, peer: str) -> None:
        """Check the address of the server before anything is sent to it; not called if there is a proxy."""


class Transport:
    """Sends requests over one set of connections and follows redirects. Keeps no cookies, reads no .netrc."""

    def __init__(
        self,
        registry: Origin,
        options: ClientOptions,
        *,
        proxies: Proxies,
        user_agent: str,
        trusted_redirect_hosts: tuple[str, ...] = (),
    ) -> None:
        self._registry = registry
        self._redirects = RedirectPolicy(registry, trusted_redirect_hosts)
        self._options = options
        self._proxies = proxies
        self._attested: AttestedTls | None = None
        self._pools: dict[_PoolKey, Pool] = {}
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self.headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        self.requests = 0
        self.answers = 0

    @property
    def attestation(self) -> dict[str, t.Any] | None:
        """What this host presented on the newest connection to the registry; None without ra-tls or connections."""
        latest = None if self._attested is None else self._attested.latest
        return None if latest is None else latest.as_result()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def fetch(self, request: Request, *, hops: Hops | None = None) -> Answer:
        """Send a request and follow at most 10 redirects (RFC 9110, 15.4), none of them from https to http.

        Authorization is kept as long as scheme, host and port stay the same. hops checks every URL; without it, the
        request goes to the registry itself, and the redirect policy checks its redirects. The Answer has any status
        except those of redirects. Raises RegistryError.
        """
        url, authorization = request.url, request.authorization
        for dummy in range(1 + MAX_REDIRECTS):
            if hops is not None:
                hops.check_url(url)
            answer = self._send(request, url, authorization=authorization, hops=hops)
            if answer.status not in _REDIRECTS:
                return answer
            answer.discard()
            hops = hops or self.redirect_hops(request.operation, answer.peer)
            target = _redirect_target(request, answer, url)
            if request.method == "DELETE" and target.origin != url.origin:
                self._require_trust(request, url, target)
            if target.origin != url.origin:
                authorization = None if request.elsewhere is None else request.elsewhere(target)
            url = target
        raise _redirect_error(request, url, f"{url.origin.authority} redirects more than {MAX_REDIRECTS} times")

    def _require_trust(self, request: Request, url: Url, target: Url) -> None:
        """Refuse to delete at another server, which the registry could choose, unless the task trusts that server."""
        if is_listed(target.origin, self._redirects.trusted):
            return
        raise request.operation.error(
            RedirectRefused,
            f"{url.origin.authority} redirects a DELETE to another server, {visible(str(target.origin))}",
            f"if that is right, add {visible(target.origin.authority)} to the option trusted_redirect_hosts",
            url=url.safe,
        )

    def redirect_hops(self, operation: Operation, registry_peer: str | None) -> RedirectHops:
        """Return the checks for URLs that the registry, at this address, refers to; None if a proxy connects to it."""
        return RedirectHops(self._redirects, operation, registry_peer, self._is_proxied, self._warn_once)

    def _is_proxied(self, origin: Origin) -> bool:
        return self._proxies.for_origin(origin) is not None

    def _warn_once(self, text: str) -> None:
        with self._lock:
            is_new = text not in self._warned
            self._warned.add(text)
        if is_new:
            self._options.warn(text)

    def _send(self, request: Request, url: Url, *, authorization: str | None, hops: Hops | None) -> Answer:
        # imported late: a run that needs no registry should not spend time on importing requests
        from .connection import CONNECTION_ERRORS, Exchange

        timeouts, clock = self._options.timeouts, self._options.effects.clock
        guard = Guard(request.operation, timeouts=timeouts, deadline=request.deadline, clock=clock)
        proxy = self._proxies.for_origin(url.origin)
        check = None if hops is None or proxy is not None else _peer_check(hops, url)
        exchange = Exchange(guard, _request_target(url, proxy), check_peer=check)
        headers = {**self.headers, **request.headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        body = request.body
        if isinstance(body, Body):
            headers["Content-Length"] = str(body.length)
        pool = self._pool(url.origin)
        with self._lock:
            self.requests += 1
        try:
            with ExitStack() as stack:
                sent = stack.enter_context(body.open()) if isinstance(body, Body) else body
                received = pool.send(
                    exchange, method=request.method, origin=url.origin, headers=headers, body=sent, proxy=proxy
                )
        except CONNECTION_ERRORS as exc:
            from .failures import translate

            raise translate(exc, request.operation, url.origin, proxy=proxy_name(proxy)) from None
        with self._lock:
            self.answers += 1
        if exchange.streams and not exchange.sent and received.response.status < 300:
            received.abandon()
            raise request.operation.error(
                ConnectionFailed,
                f"{url.origin.authority} accepts the content before all of it was sent",
                TRY_AGAIN,
                transient=True,
                url=url.safe,
            )
        peer = None if proxy is not None else exchange.peer
        return Answer(received, guard, url=url, method=request.method, peer=peer, proxy=proxy_name(proxy))

    def _pool(self, origin: Origin) -> Pool:
        near = "other"
        if origin.host.rstrip(".") == self._registry.host.rstrip("."):
            near = "registry" if origin == self._registry else "beside"
        key: _PoolKey = (origin.scheme, t.cast("Nearness", near))
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._make_pool(origin, key[1])
            return self._pools[key]

    def _make_pool(self, origin: Origin, near: Nearness) -> Pool:
        from .connection import Pool, require_requests

        tls = self._options.tls
        verify = tls.validate_certs or near == "other"
        if near == "registry" and tls.mode == "ra-tls":
            require_requests()
            from .attested import AttestedTls

            self._attested = AttestedTls(tls, origin, warn=self._options.warn)
            return Pool(None, verify=verify, secure=self._attested.secure)
        if origin.scheme != "https":
            return Pool(None, verify=verify)
        from .tls import make_context

        return Pool(make_context(tls, near=near), verify=verify)


def _peer_check(hops: Hops, url: Url) -> Callable[[str], None]:
    return lambda peer: hops.check_peer(url, peer)


def _request_target(url: Url, proxy: str | None) -> str:
    """Return the target of the request line (RFC 9112, 3.2): the whole URL if an HTTP proxy gets the request."""
    forwarded = proxy is not None and url.origin.scheme == "http" and not proxy.lower().startswith("socks")
    return url.text if forwarded else url.target


def _redirect_target(request: Request, answer: Answer, url: Url) -> Url:
    """Return the URL that a redirect leads to. Raises RedirectRefused."""
    location = answer.header("Location")
    if location is None:
        raise _redirect_error(request, url, f"{url.origin.authority} redirects without a Location header")
    if request.method not in ("GET", "HEAD") and answer.status not in _KEEPING:
        raise _redirect_error(request, url, f"{url.origin.authority} redirects a {request.method} to a GET")
    try:
        target = url.join(location)
    except UrlInvalid as exc:
        raise _redirect_error(
            request, url, f"{url.origin.authority} redirects to a URL that cannot be used: {exc}"
        ) from None
    if url.origin.scheme == "https" and target.origin.scheme != "https":
        raise _redirect_error(request, url, f"{url.origin.authority} redirects from https to http, to {target.origin}")
    if isinstance(request.body, bytes) and target.origin != url.origin:
        # the body of a token request contains credentials, as Authorization does
        raise _redirect_error(
            request, url, f"{url.origin.authority} redirects a POST to another server, {target.origin}"
        )
    return target


def _redirect_error(request: Request, url: Url, why: str) -> RedirectRefused:
    return request.operation.error(RedirectRefused, visible(why, limit=600), REPORT, url=url.safe)


__all__ = ("MAX_REDIRECTS", "Body", "Hops", "Method", "Request", "Transport")
