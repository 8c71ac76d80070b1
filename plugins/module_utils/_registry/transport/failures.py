# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Turn exceptions of requests, urllib3, http.client, ssl and _tls13 into RegistryErrors. Called by transport.py."""

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
# part of OpenSSL's errors about an RA-TLS challenge, which stands where a DER name is expected
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
# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NAME_MISMATCH: t.Final = (62, 64)
# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_DATES: t.Final = (9, 10)
_TLS_ALERT: t.Final = "\x15\x03"
_NETWORK: t.Final = "check the name, the port and the network"
_WANTS_TLS: t.Final = "; a server that requires TLS also closes the connection, so try `tls: tls`"
_WANTS_CERT: t.Final = "; a server that requires a client certificate also closes it, see the option client_cert"


def translate(exc: BaseException, operation: Operation, origin: Origin, *, proxy: str | None = None) -> CollectionError:
    """Return the RegistryError for an exception of a connection to an origin.

    proxy is host and port of the proxy, if there is one. Only the innermost cause is shown, because the texts around it
    contain whole URLs. Other errors of the collection are returned as they are, with the fields of the operation.
    """
    if isinstance(exc, TlsError):
        from .attested_failures import explain_tls13

        return explain_tls13(exc, operation, origin)
    if isinstance(exc, CollectionError):
        operation.annotate(exc)
        return exc
    chain = list(_chain(exc))
    if any(type(cause).__name__ in _PROXY_ERRORS for cause in chain):
        return _proxy_error(chain, operation, proxy)
    for explain in (_explain_tls, _explain_name, _explain_timeout, _explain_http, _explain_os):
        for cause in chain:
            error = explain(cause, operation, origin)
            if error is not None:
                return error
    return operation.error(ConnectionFailed, f"the connection to {origin} failed ({type(exc).__name__})", _NETWORK)


def _chain(exc: BaseException) -> t.Iterator[BaseException]:
    """Yield an exception and all its causes, outermost first, each once."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting and len(seen) < 64:
        cause = waiting.pop(0)
        # a RegistryError in the chain belongs to an earlier attempt
        if isinstance(cause, BaseException) and id(cause) not in seen and not isinstance(cause, RegistryError):
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _explain_tls(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _explain_untrusted(exc, operation, origin)
    if type(exc).__name__ == "CertificateError":
        return _name_error(operation, origin)
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return operation.error(
            TlsFailed, f"{origin.authority} closed the TLS connection", TRY_AGAIN + _WANTS_CERT, transient=True
        )
    if not isinstance(exc, ssl.SSLError):
        return None
    if _CANNOT_READ in str(exc):
        why = f"{origin.authority} sends a request that OpenSSL cannot read, such as the challenge of an RA-TLS server"
        return operation.error(TlsFailed, why, "try `tls: ra-tls`")
    reason = str(getattr(exc, "reason", None) or "")
    if reason in _NOT_TLS:
        return operation.error(
            TlsFailed, f"{origin.authority} does not use TLS", "set `tls: no-tls` only if unencrypted HTTP is intended"
        )
    if "ALERT" in reason and reason.endswith(_CLIENT_REJECTED):
        return operation.error(
            TlsFailed,
            f"{origin.authority} rejected this client ({_words(reason)})",
            "it may require a client certificate: see the options client_cert and client_key",
        )
    return operation.error(
        TlsFailed,
        f"the TLS connection to {origin.authority} failed ({_words(reason) or 'no reason given'})",
        "check its certificate and TLS configuration",
    )


def _explain_untrusted(exc: ssl.SSLCertVerificationError, operation: Operation, origin: Origin) -> RegistryError:
    advice = "give the certificate of the authority that signed it in the option ca_path"
    code = getattr(exc, "verify_code", None)
    if code is None or code in _NAME_MISMATCH:
        return _name_error(operation, origin)
    if code in _DATES:
        advice = "renew the certificate, or correct the clock of this host"
    why = f"the certificate of {origin.authority} is not trusted ({visible(exc.verify_message).rstrip('.')})"
    return operation.error(TlsFailed, why, advice)


def _name_error(operation: Operation, origin: Origin) -> RegistryError:
    return operation.error(
        TlsFailed,
        f"the certificate of {origin.authority} is not trusted (it is for another name)",
        "use a name that the certificate is for",
    )


def _explain_name(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if not isinstance(exc, socket.gaierror):
        return None
    return operation.error(
        ConnectionFailed,
        f"the name {visible(origin.host)} cannot be resolved ({visible(str(exc.strerror))})",
        "check the name of the registry and the DNS of this host",
        transient=exc.errno == socket.EAI_AGAIN,
    )


def _explain_timeout(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if isinstance(exc, socket.timeout) or type(exc).__name__ == "ConnectTimeoutError":
        return operation.error(
            TimedOut,
            f"{origin.authority} did not answer in time",
            f"{_NETWORK}, or raise the options connect_timeout and timeout",
            transient=True,
        )
    return None


def _explain_http(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    """Explain an exception of http.client, or InvalidHeader of urllib3 for contradictory Content-Lengths."""
    if isinstance(exc, http.client.RemoteDisconnected):
        return _closed_error(operation, origin)
    if isinstance(exc, http.client.IncompleteRead):
        return operation.error(ConnectionFailed, "the answer ended early", TRY_AGAIN, transient=True)
    if not isinstance(exc, http.client.HTTPException) and type(exc).__name__ != "InvalidHeader":
        return None
    if str(getattr(exc, "line", "")).startswith(_TLS_ALERT):
        return operation.error(ProtocolBroken, f"{origin.authority} uses TLS", "try `tls: tls`")
    return operation.error(
        ProtocolBroken,
        f"the answer of {origin.authority} is not valid HTTP ({type(exc).__name__})",
        "check that this is the address of a registry",
    )


def _explain_os(exc: BaseException, operation: Operation, origin: Origin) -> RegistryError | None:
    if not isinstance(exc, OSError) or exc.errno is None:
        return None
    if exc.errno == errno.ECONNREFUSED:
        return operation.error(
            ConnectionFailed,
            f"nothing listens at {origin.authority} (connection refused)",
            "check the name and the port, and that the registry runs",
        )
    if exc.errno in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN):
        return _closed_error(operation, origin)
    return operation.error(
        ConnectionFailed, f"{origin.authority} cannot be reached ({visible(exc.strerror or str(exc.errno))})", _NETWORK
    )


def _closed_error(operation: Operation, origin: Origin) -> RegistryError:
    hint = _WANTS_TLS if origin.scheme == "http" else _WANTS_CERT
    return operation.error(
        ConnectionFailed, f"{origin.authority} closed the connection", TRY_AGAIN + hint, transient=True
    )


def _proxy_error(chain: list[BaseException], operation: Operation, name: str | None) -> RegistryError:
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
