# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import typing as t

from ..._base.errors import CollectionError
from ..._base.text import visible
from ..._tls13.errors import TlsError
from ..errors import TRY_AGAIN, ConnectionFailed, ProtocolBroken, RegistryError, TimedOut, TlsFailed

if t.TYPE_CHECKING:
    from ..errors import Operation
    from ..url import Origin

_PROXY_ERRORS: t.Final = (
    *("ProxyError", "ProxySchemeUnknown", "InvalidProxyURL", "InvalidSchema"),
    # of PySocks
    *("ProxyConnectionError", "GeneralProxyError", "SOCKS4Error", "SOCKS5Error", "SOCKS5AuthError"),
)
_NOT_TLS: t.Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
# what OpenSSL complains of, in several ways, when it meets an RA-TLS challenge in the place of a DER name
_CANNOT_READ: t.Final = "ASN1"
_CLIENT_REJECTED: t.Final = (
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
    "HANDSHAKE_FAILURE",
)
_NAME_MISMATCH: t.Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_DATES: t.Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_TLS_ALERT: t.Final = "\x15\x03"
_NETWORK: t.Final = "check the name, the port and the network"
_WANTS_TLS: t.Final = "; a server that wants TLS does that too, so `tls: tls` may be meant"
_WANTS_CERT: t.Final = "; a server that wants a client certificate does that too, see the option client_cert"


def translate(exc: BaseException, operation: Operation, origin: Origin, *, proxy: str | None = None) -> CollectionError:
    """The RegistryError for what http.client, ssl, urllib3, requests or _tls13 raised while an origin was spoken to.

    proxy is the host and port of the proxy, if there is one. Only the innermost cause is shown: the texts around it
    hold whole URLs. Other errors of the collection come back as they are, with what the operation knows.
    """
    if isinstance(exc, TlsError):
        from .attested_failures import explain_tls13

        return explain_tls13(exc, operation, origin)
    if isinstance(exc, CollectionError):
        operation.annotate(exc)
        return exc
    chain = list(_chain(exc))
    if any(type(cause).__name__ in _PROXY_ERRORS for cause in chain):
        return _proxy(chain, operation, proxy)
    for explain in (_tls, _name, _timeout, _http, _os):
        for cause in chain:
            error = explain(cause, operation, origin)
            if error is not None:
                return error
    return operation.error(ConnectionFailed, f"the connection to {origin} failed ({type(exc).__name__})", _NETWORK)


def _chain(exc: BaseException) -> t.Iterator[BaseException]:
    """An exception and all that is behind it, outermost first, each once."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting and len(seen) < 64:
        cause = waiting.pop(0)
        # an error of ours is of an earlier attempt
        if isinstance(cause, BaseException) and id(cause) not in seen and not isinstance(cause, RegistryError):
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _tls(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _untrusted(exc, operation, origin)
    if type(exc).__name__ == "CertificateError":
        return _other_name(operation, origin)
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return operation.error(
            TlsFailed, f"{origin.authority} broke off the TLS connection", TRY_AGAIN + _WANTS_CERT, transient=True
        )
    if not isinstance(exc, ssl.SSLError):
        return None
    if _CANNOT_READ in str(exc):
        why = f"{origin.authority} asks for something that OpenSSL cannot read, such as an attestation of this host"
        return operation.error(TlsFailed, why, "`tls: ra-tls` may be meant")
    reason = str(getattr(exc, "reason", None) or "")
    if reason in _NOT_TLS:
        return operation.error(TlsFailed, f"{origin.authority} does not speak TLS", "`tls: no-tls` may be meant")
    if "ALERT" in reason and reason.endswith(_CLIENT_REJECTED):
        return operation.error(
            TlsFailed,
            f"{origin.authority} rejected this client ({_words(reason)})",
            "it may want a client certificate: see the options client_cert and client_key",
        )
    return operation.error(
        TlsFailed,
        f"no TLS connection to {origin.authority} came about ({_words(reason) or 'no reason given'})",
        "check its certificate and TLS configuration",
    )


def _untrusted(exc: ssl.SSLCertVerificationError, operation: Operation, origin: Origin) -> RegistryError:
    advice = "give the certificate of the authority that signed it in the option ca_path"
    code = getattr(exc, "verify_code", None)
    if code is None or code in _NAME_MISMATCH:
        return _other_name(operation, origin)
    if code in _DATES:
        advice = "have the certificate renewed, and check the clock of this host"
    why = f"the certificate of {origin.authority} is not trusted ({visible(exc.verify_message).rstrip('.')})"
    return operation.error(TlsFailed, why, advice)


def _other_name(operation: Operation, origin: Origin) -> RegistryError:
    return operation.error(
        TlsFailed,
        f"the certificate of {origin.authority} is not trusted (it is made out to another name)",
        "use the name that the certificate is made out to",
    )


def _name(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if not isinstance(exc, socket.gaierror):
        return None
    return operation.error(
        ConnectionFailed,
        f"the name {visible(origin.host)} cannot be resolved ({visible(str(exc.strerror))})",
        "check the name of the registry and the DNS of this host",
        transient=exc.errno == socket.EAI_AGAIN,
    )


def _timeout(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if isinstance(exc, socket.timeout) or type(exc).__name__ == "ConnectTimeoutError":
        return operation.error(
            TimedOut,
            f"{origin.authority} did not answer in time",
            f"{_NETWORK}, or raise the options connect_timeout and timeout",
            transient=True,
        )
    return None


def _http(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    """What http.client says, and InvalidHeader of urllib3, which is a Content-Length that contradicts itself."""
    if isinstance(exc, http.client.RemoteDisconnected):
        return _broken(operation, origin)
    if isinstance(exc, http.client.IncompleteRead):
        return operation.error(ConnectionFailed, "the answer broke off before its end", TRY_AGAIN, transient=True)
    if not isinstance(exc, http.client.HTTPException) and type(exc).__name__ != "InvalidHeader":
        return None
    if str(getattr(exc, "line", "")).startswith(_TLS_ALERT):
        return operation.error(ProtocolBroken, f"{origin.authority} speaks TLS", "`tls: tls` may be meant")
    return operation.error(
        ProtocolBroken,
        f"what {origin.authority} answers is not valid HTTP ({type(exc).__name__})",
        "check that this is the address of a registry",
    )


def _os(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if not isinstance(exc, OSError) or exc.errno is None:
        return None
    if exc.errno == errno.ECONNREFUSED:
        return operation.error(
            ConnectionFailed,
            f"nothing listens at {origin.authority} (connection refused)",
            "check that the registry runs, and its name and port",
        )
    if exc.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN):
        return _broken(operation, origin)
    return operation.error(
        ConnectionFailed, f"{origin.authority} cannot be reached ({visible(exc.strerror or str(exc.errno))})", _NETWORK
    )


def _broken(operation: Operation, origin: Origin) -> RegistryError:
    hint = _WANTS_TLS if origin.scheme == "http" else _WANTS_CERT
    return operation.error(
        ConnectionFailed, f"{origin.authority} broke off the connection", TRY_AGAIN + hint, transient=True
    )


def _proxy(chain: list[BaseException], operation: Operation, name: str | None) -> RegistryError:
    tunnel = next((str(cause) for cause in chain if isinstance(cause, OSError) and str(cause).startswith("Tunnel")), "")
    system = next((c.strerror for c in chain if isinstance(c, OSError) and c.errno is not None and c.strerror), "")
    detail = visible(tunnel or system or "its URL or its answer is not usable")
    return operation.error(
        ConnectionFailed,
        f"{'the proxy' if name is None else f'the proxy {name}'} does not let the connection through ({detail})",
        "check http_proxy, https_proxy and no_proxy in the environment of the task",
        transient=bool(system),
    )


def _words(reason: str) -> str:
    return visible(reason.replace("_", " ").lower())


__all__ = ("translate",)
