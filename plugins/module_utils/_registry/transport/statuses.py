# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Turn answers with an error status into RegistryErrors (RFC 9110, 15; distribution-spec, "Error Codes").

Called by caller.py, auth/token_service.py and foreign.py.
"""

from __future__ import annotations

import binascii
import math
import time
import typing as t

from ..._base.text import visible
from ..._oci.api_error import MAX_BODY, UNKNOWN, parse_errors
from ..errors import (
    Denied,
    NotFound,
    ProtocolBroken,
    RateLimited,
    RegistryError,
    ServerFailed,
    Unauthorized,
)
from ..options import LONG_WAIT
from ..retry import is_transient, parse_retry_after

if t.TYPE_CHECKING:
    from ..._oci.api_error import ApiError
    from ..errors import Operation
    from .answer import Answer

# a secret of fewer characters may occur in a message by chance
_SHORT: t.Final = 4
# leading characters of a secret to search for, because a message may cut a long secret
_SHOWN: t.Final = 16

# by method, what credentials must permit; other methods push
_VERBS: t.Final = {"GET": "pull from", "HEAD": "pull from", "DELETE": "delete from"}

_LATER: t.Final = "try again later"
_TLS_EXPECTED: t.Final = (b"to an https server", b"to https server", b"to https port", b"to ssl port")


def status_error(
    answer: Answer,
    operation: Operation,
    *,
    used: str | None,
    now: float,
    sent: str | None = None,
    via: str | None = None,
    unsent: str | None = None,
) -> RegistryError:
    """Return the error for an answer with a status that is not a success; read and close its body.

    used describes the credentials that were sent, None if none were; now is seconds since 1970. sent is the value of
    Authorization: an answer that repeats its secret is not quoted. via says what led to a server that is not the
    registry, such as "r.example redirects to". unsent says why known credentials were not sent.
    """
    body = _read_body(answer)
    errors = parse_errors(body, answer.header("Content-Type"))
    if any(secret[:_SHOWN] in f"{error.code} {error.message}" for secret in _secrets(sent) for error in errors):
        errors = ()
    kind, advice = _classify(answer, body, used, via, unsent)
    code = next((error.code for error in errors if error.code != UNKNOWN), None)
    transient = is_transient(answer.status)
    pause = parse_retry_after(answer.header("Retry-After"), now=_server_time(answer, now)) if transient else None
    why = _why(answer, errors, used, via)
    if pause:
        why += f" and asks to retry {_when(pause, now)}"
    if pause and pause > LONG_WAIT:
        seconds = f"set total_timeout to more than {math.ceil(pause)} seconds to have the task wait"
        advice = f"{advice.replace(_LATER, 'try again then')}; {seconds}"
    return operation.error(
        kind,
        why,
        advice,
        transient=transient,
        retry_after=pause,
        status=answer.status,
        code=code,
        url=answer.url.safe,
    )


def _server_time(answer: Answer, now: float) -> float:
    """Return seconds since 1970 by the clock of the server, which its dates refer to; now is by our clock."""
    stated = answer.header("Date")
    since = parse_retry_after(stated, now=0.0) if stated and not stated.strip().isdigit() else None
    return since or now


def _when(pause: float, now: float) -> str:
    seconds = math.ceil(pause)
    try:
        moment = time.strftime(" (at %Y-%m-%d %H:%M:%S UTC)", time.gmtime(now + pause))
    except (OverflowError, ValueError, OSError):
        moment = ""
    return f"in {seconds} seconds{moment}"


def _read_body(answer: Answer) -> bytes:
    try:
        return answer.read(MAX_BODY)
    except RegistryError:
        # the status is a better message than a fault in its body
        return b""
    finally:
        answer.close()


def _secrets(sent: str | None) -> tuple[str, ...]:
    scheme, dummy, value = (sent or "").partition(" ")
    found = [value]
    if scheme == "Basic":
        found.append(binascii.a2b_base64(value).decode("utf-8", "replace").partition(":")[2])
    return tuple(secret for secret in found if len(secret) >= _SHORT)


def login_advice(elsewhere: str | None = None) -> str:
    """Return how to give credentials: for the registry of the task, or for another one that it redirects to."""
    if elsewhere is None:
        return "give username and password, a token, or an auth_file with an entry for this registry"
    host = visible(elsewhere)
    return f"give an auth_file with an entry for {host}, because the options are only for the registry"


def _classify(
    answer: Answer, body: bytes, used: str | None, via: str | None, unsent: str | None
) -> tuple[type[RegistryError], str]:
    status = answer.status
    if status in (401, 403, 404, 429):
        return _classify_refusal(answer, used, via, unsent)
    if status == 406:
        return ProtocolBroken, "the registry does not have it in a media type that this client accepts"
    if status == 408 or status >= 500:
        return ServerFailed, _LATER
    if status == 400 and answer.url.origin.scheme == "http" and any(words in body.lower() for words in _TLS_EXPECTED):
        return ProtocolBroken, "try `tls: tls`"
    return ProtocolBroken, "check that this is the address of a registry"


def _classify_refusal(
    answer: Answer, used: str | None, via: str | None, unsent: str | None
) -> tuple[type[RegistryError], str]:
    """Return class and remedy for statuses that may depend on the credentials."""
    login = login_advice(None if via is None else answer.url.origin.authority)
    if unsent and not via:
        login = f"{unsent}; check that this is the right registry"
    if answer.status == 401:
        return Unauthorized, "check the credentials, and that they are for this registry" if used else login
    if answer.status == 429:
        return RateLimited, _LATER if used or via or unsent else f"{_LATER}, or log in: {login}"
    if answer.status == 403:
        if used:
            return Denied, f"check that these credentials may {_VERBS.get(answer.method, 'push to')} the repository"
        return Denied, "try again, because such URLs expire, and check access to that server" if via else login
    names = "check the names of the registry, the repository and the reference"
    return NotFound, names if used or via or unsent else f"{names}; if the repository is not public, {login}"


def _why(answer: Answer, errors: tuple[ApiError, ...], used: str | None, via: str | None) -> str:
    authority = visible(answer.url.origin.authority)
    server = authority if via is None else f"{via} {authority}, which"
    quoted = "; ".join(filter(None, map(_format_error, errors[:3])))
    verdict = f"{server} answers {answer.status}"
    if answer.status == 401:
        verdict = f"{server} rejected {used}" if used is not None else f"{server} requires credentials"
    elif answer.status == 403:
        verdict = f"{server} denies access to {used or 'clients without credentials'}"
    elif answer.status == 404:
        verdict = f"{server} does not have it"
    elif answer.status == 429:
        verdict = f"{server} received too many requests"
    if answer.proxy is not None and answer.is_page:
        quoted = quoted or f"a web page through the proxy {answer.proxy}, possibly from the proxy itself"
    return f"{verdict} ({quoted})" if quoted else verdict


def _format_error(error: ApiError) -> str:
    text = error.message if error.code == UNKNOWN else str(error)
    return text.rstrip(". ")


__all__ = ("login_advice", "status_error")
