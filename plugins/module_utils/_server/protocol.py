# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import functools
import http
import logging
import typing as t

from .._oci.text import visible
from .aio import web
from .answers import error_answer
from .errors import Refusal
from .sending import FileResponse

if t.TYPE_CHECKING:  # pragma: no cover
    from .app import Application

_LOG: t.Final = logging.getLogger("attested.registry")
_ACCESS: t.Final = logging.getLogger("attested.registry.access")
# how long to go on reading, and throwing away, the body of a request that was refused
_LINGER_SECONDS: t.Final = 1.0
_KEEPALIVE_SECONDS: t.Final = 75.0


class AccessLog:
    """One line a request: peer, method, target, status, bytes of the body, seconds, client program.

    It has the shape of aiohttp's AbstractAccessLogger, with its arguments.
    """

    def __init__(self, logger: logging.Logger, log_format: str) -> None:
        self.enabled = logger.isEnabledFor(logging.INFO)
        self._logger = logger

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line. What the client chose is escaped, so that it can neither end the line nor forge a field."""
        agent = request.headers.get("User-Agent", "-")
        self._logger.info(
            '%s %s %s %d %d %.3f "%s"',
            request.remote or "-",
            _field(request.method),
            _field(request.raw_path),
            response.status,
            _body_bytes(request, response),
            time,
            visible(agent.replace("\\", "\\\\").replace('"', '\\"')),
        )


def _field(text: str) -> str:
    return visible(text.replace("\\", "\\\\"), limit=500).replace(" ", "\\x20")


def _body_bytes(request: web.BaseRequest, response: web.StreamResponse) -> int:
    if isinstance(response, FileResponse):
        return response.sent
    return 0 if request.method == "HEAD" or response.status == 304 else response.content_length or 0


class _RequestHandler(web.RequestHandler):
    """aiohttp's connection, with the errors that it answers itself in the form of the distribution-spec."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to a request that is no HTTP, or that ran into a fault of ours; the connection ends with it."""
        if status >= 500:
            _LOG.error("answering %s failed", visible(request.raw_path), exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer is under way already")
        answer = error_answer(Refusal(status, "UNSUPPORTED", f"{http.HTTPStatus(status).phrase}."))
        answer.force_close()
        return answer


class HttpServer(web.Server):
    """Makes a protocol for every connection: what loop.create_server wants. One for each listener."""

    def __init__(self, application: Application, *, zero_copy: bool) -> None:
        super().__init__(
            functools.partial(application.handle, zero_copy=zero_copy),
            access_log_class=AccessLog,
            access_log=_ACCESS,
            logger=_LOG,
            lingering_time=_LINGER_SECONDS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            # bodies are thrown away: unpacking them first would be work for nothing, and bombs would go off
            auto_decompress=False,
        )

    async def close(self, grace: float) -> None:
        """End idle connections now, and others when their answer is out, or is cut after about grace seconds."""
        for connection in self.connections:
            connection.close()
        # aiohttp waits this long twice: for the answer, then for the connection
        await self.shutdown(grace / 2)

    def __call__(self) -> _RequestHandler:
        return _RequestHandler(self, loop=self._loop, **self._kwargs)


__all__ = ("AccessLog", "HttpServer")
