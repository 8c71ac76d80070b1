# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import typing as t
from dataclasses import dataclass

from .._oci.text import visible
from .aio import require_aiohttp
from .app import Application
from .errors import ServerError, UsageError
from .listeners import bind, listen, tls_context
from .loading import load_snapshot

if t.TYPE_CHECKING:  # pragma: no cover
    import socket
    import ssl

    from .snapshot import Snapshot

_LOG: t.Final = logging.getLogger("attested.registry")
_GRACE_SECONDS: t.Final = 10.0
_SHOWN: t.Final = 10
_LINE: t.Final = 20_000


@dataclass(frozen=True)
class Options:
    """The command line."""

    root: str
    host: str
    port: int
    tls: t.Literal["no-tls", "tls"]
    cert: str | None
    key: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> t.NoReturn:
        raise UsageError(f"The command line is wrong: {message}; --help shows what there is.")


def parse_options(arguments: t.Sequence[str]) -> Options:
    """Read the command line. Raises UsageError; --help raises SystemExit after it was shown."""
    parser = _Parser(prog="attested.registry", description="Serve a directory of OCI image layouts as a registry.")
    parser.add_argument("-r", "--root", required=True, metavar="DIR", help="directory of OCI image layouts")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (%(default)s)")
    parser.add_argument("-p", "--port", default=1337, type=_port, metavar="N", help="0: any free one (%(default)s)")
    parser.add_argument("-t", "--tls", default="no-tls", choices=("no-tls", "tls"), help="(%(default)s)")
    parser.add_argument("-c", "--cert", metavar="FILE", help="certificate chain, PEM; for --tls tls")
    parser.add_argument("-k", "--key", metavar="FILE", help="private key, PEM; for --tls tls")
    options = Options(**vars(parser.parse_args(arguments)))
    if options.tls == "tls" and not (options.cert and options.key):
        parser.error("--tls tls needs --cert and --key")
    if options.tls == "no-tls" and (options.cert or options.key):
        parser.error("--cert and --key need --tls tls")
    return options


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return int(text)


def main(arguments: t.Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit code, after one line on stderr if it is not 0."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        require_aiohttp()
        options = parse_options(arguments)
        # what can fail at once comes before the reading of all content, which can take long
        tls = _tls(options)
        with bind(options.host, options.port) as sock:
            asyncio.run(_serve(load_snapshot(options.root), sock, tls))
    except ServerError as exc:
        sys.stderr.write(f"{visible(exc.message, limit=_LINE)}\n")
        return exc.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.cert is None or options.key is None:
        return None
    return tls_context(options.cert, options.key)


async def _serve(snapshot: Snapshot, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = await listen(Application(snapshot), sock, tls=tls)
    for warning in snapshot.warnings:
        _LOG.warning("%s", warning)
    for left in snapshot.left_out:
        _LOG.warning("left out %s: %s", left.name, left.reason)
    sys.stdout.write(f"{listener.url} {summary(snapshot)}\n")
    sys.stdout.flush()
    await stop.wait()
    _LOG.info("stopping")
    await listener.close(_GRACE_SECONDS)


def summary(snapshot: Snapshot) -> str:
    """What is served and what was left out and why, in one line."""
    served = [f"{name} ({_count(len(item.tags), 'tag')})" for name, item in snapshot.repositories.items()]
    left = [f"{item.name} ({item.reason})" for item in snapshot.left_out]
    root = visible(snapshot.root, limit=_LINE)
    text = f"serves {_count(len(served), 'repository', 'repositories')} of {root}{_some(served)}"
    return f"{text}; left out {len(left)}{_some(left)}" if left else text


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _some(items: list[str]) -> str:
    more = [f"and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return f": {', '.join(items[:_SHOWN] + more)}" if items else ""


__all__ = ("Options", "main", "parse_options", "summary")
