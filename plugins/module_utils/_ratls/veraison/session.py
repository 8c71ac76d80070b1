# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Verifies a token with the challenge-response API of Veraison.

https://github.com/veraison/docs/tree/main/api/challenge-response
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..._base.text import visible
from ..errors import VeraisonFailed
from ..token.jwk import encode_base64url
from ..token.platform_claims import OLD_PROFILE
from .deadline import Deadline
from .ear import is_nonce, veraison_error
from .exchange import MAX_BODY, Http, HttpAnswer, ServiceUrl

if t.TYPE_CHECKING:
    from ..._base.strict_json import JsonObject

SESSION_TYPE: t.Final = "application/vnd.veraison.challenge-response-session+json"
_NEW_SESSION: t.Final = "challenge-response/v1/newSession"
_MAX_POLLS: t.Final = 60
_FIRST_WAIT: t.Final = 0.1  # seconds
_LONGEST_WAIT: t.Final = 2.0  # seconds
_DELETE_SECONDS: t.Final = 2.0  # beyond the deadline, because a session that missed it is deleted too
_PROBLEM: t.Final = "application/problem+json"
_LONG_WORD: t.Final = re.compile(r"\S{41,}")  # such as a nonce


@dataclass(frozen=True)
class Session:
    """One session of the challenge-response API, which must end before the deadline."""

    service: ServiceUrl
    http: Http
    deadline: Deadline

    def verify(self, token: bytes, realm_challenge: bytes, *, profile: str) -> tuple[str, tuple[str, ...]]:
        """Have a token of a platform profile verified; return the result, which is not verified yet, and warnings.

        The session is always deleted. Raises VeraisonFailed.
        """
        url, accepted = self._open(realm_challenge)
        try:
            result = self._result(url, token, media_type(accepted, profile))
        except BaseException:
            self._delete(url)
            raise
        return result, self._delete(url)

    def _open(self, realm_challenge: bytes) -> tuple[str, tuple[str, ...]]:
        nonce = encode_base64url(realm_challenge)
        nonce = urllib.parse.quote(nonce + "=" * (-len(nonce) % 4), safe="")
        url = self.service.api(_NEW_SESSION)
        answer = self._send("POST", f"{url}?nonce={nonce}", {}, None, accepted=(200, 201))
        location = answer.headers.get("location")
        if not location:
            raise veraison_error("it created a session without a Location header")
        session = self.service.resolve(url, location)
        try:
            return session, _read_new_session(answer, realm_challenge)
        except VeraisonFailed:
            self._delete(session)
            raise

    def _result(self, url: str, token: bytes, content_type: str) -> str:
        answer = self._send("POST", url, {"Content-Type": content_type}, token, accepted=(200, 202))
        for number in range(_MAX_POLLS):
            body = _body(answer)
            status = body.get("status")
            if status == "complete":
                result = body.get("result")
                if not isinstance(result, str):
                    raise veraison_error("its session is complete but has no result")
                return result
            if status == "failed":
                raise veraison_error("it could not verify the token")
            if status not in ("waiting", "processing"):
                raise veraison_error("its session is in an unknown state")
            self.deadline.wait(min(_FIRST_WAIT * 2**number, _LONGEST_WAIT))
            answer = self._send("GET", url, {}, None, accepted=(200, 202))
        raise veraison_error("it gave no result in time")

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        accepted: tuple[int, ...],
        timeout: float | None = None,
    ) -> HttpAnswer:
        seconds = timeout or self.deadline.left()
        answer = self.http(method, url, headers={"Accept": SESSION_TYPE, **headers}, body=body, timeout=seconds)
        if answer.status not in accepted:
            raise veraison_error(
                f"it answered a {method} with status {answer.status}{_problem(answer)}", status=answer.status
            )
        return answer

    def _delete(self, url: str) -> tuple[str, ...]:
        try:
            self._send("DELETE", url, {}, None, accepted=(200, 202, 204, 404), timeout=_DELETE_SECONDS)
        except VeraisonFailed as exc:
            return (f"A session of the Veraison service was not deleted: {exc.message}",)
        return ()


def media_type(accepted: t.Sequence[str], profile: str) -> str:
    """Choose the media type to send a token with: an accepted one of the profile, or else of the old profile.

    Raises VeraisonFailed.
    """
    for wanted in (profile, OLD_PROFILE):
        for offered in accepted:
            name, dummy, parameters = offered.partition(";")
            profiles = {part.strip() for part in parameters.split(";")}
            if name.strip() in ("application/eat-collection", "application/eat+cwt") and profiles & {
                f'profile="{wanted}"',
                f'eat_profile="{wanted}"',
            }:
                return offered
    raise veraison_error("it does not accept CCA tokens of this profile", "configure the service for Arm CCA")


def _read_new_session(answer: HttpAnswer, realm_challenge: bytes) -> tuple[str, ...]:
    body = _body(answer)
    nonce, accept = body.get("nonce"), body.get("accept")
    if not isinstance(nonce, str) or not is_nonce(nonce, realm_challenge):
        raise veraison_error("its session is for another challenge")
    if body.get("status") != "waiting":
        raise veraison_error("its new session does not wait for a token")
    if not isinstance(accept, list) or len(accept) > 100:
        raise veraison_error("its session does not list the media types that it accepts")
    return tuple(text for text in accept if isinstance(text, str) and len(text) < 256 and text.isprintable())


def _problem(answer: HttpAnswer) -> str:
    """Return the text of a problem document (RFC 9457), without long words that may be parts of the token."""
    if answer.headers.get("content-type", "").partition(";")[0].strip() != _PROBLEM:
        return ""
    try:
        problem = load_object(answer.body, what="the problem", max_bytes=MAX_BODY)
    except JsonInvalid:
        return ""
    texts = [text for text in (problem.get("title"), problem.get("detail")) if isinstance(text, str) and text]
    return f" ({visible(_LONG_WORD.sub('...', ': '.join(texts)))})" if texts else ""


def _body(answer: HttpAnswer) -> JsonObject:
    try:
        return load_object(answer.body, what="the session", max_bytes=MAX_BODY)
    except JsonInvalid:
        raise veraison_error("its session is not a JSON object") from None


__all__ = ("SESSION_TYPE", "Session", "media_type")
