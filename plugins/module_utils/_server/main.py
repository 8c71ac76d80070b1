# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Entry point: reads the settings, binds the sockets, runs the supervisor. Called by serve.py and __main__.py."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import sys
import typing as t

from .._base.text import visible
from .config.addresses import UnixAddress, parse_tcp
from .config.cli import parse_command
from .connections.access_log import set_up_logging
from .connections.listeners import bind, bind_all, start_listening, url_of
from .content.directories import unreadable_root
from .content.snapshot import Snapshot
from .content.summary import LINE
from .errors import ServerError
from .journal import for_journal, is_journal
from .libraries import require_aiohttp, require_prometheus
from .processes.credentials import AccessFiles
from .processes.notify import Notifier
from .processes.supervisor import Supervisor, run_supervisor

if t.TYPE_CHECKING:
    from .config.settings import Settings

_LOG: t.Final = logging.getLogger("attested.registry")


def main(arguments: t.Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code. An error is reported in one line on stderr."""
    check_only = False
    try:
        command = parse_command(arguments)
        check_only = command.check_only
        require_aiohttp()
        if check_only:
            check(command.settings)
            sys.stdout.write("The configuration is valid.\n")
        else:
            serve(command.settings)
    except ServerError as exc:
        line = visible(exc.message, limit=LINE)
        sys.stderr.write(f"{for_journal(line, logging.ERROR) if is_journal(2, os.environ) else line}\n")
        # --check-config exits with 1 for every error; only a start has an exit code for each cause
        return 1 if check_only or "--check-config" in arguments else exc.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def check(settings: Settings) -> AccessFiles:
    """Check all that can be checked without listening and without reading layouts. Raises ServerError."""
    if settings.admin is not None:
        require_prometheus()
    credentials = AccessFiles.read(settings)
    credentials.application(Snapshot(os.path.abspath(settings.root), {}), settings)
    if settings.signatures:
        from .content.signed import read_demands

        read_demands(settings.signatures)
    try:
        with os.scandir(settings.root):
            return credentials
    except OSError as exc:
        raise unreadable_root(settings.root, exc) from None


def serve(settings: Settings) -> None:
    """Serve until a signal stops the server. Raises ServerError when the start fails."""
    set_up_logging(settings.log_level, settings.access_log)
    # checks that fail fast come before the content is loaded, which can take long
    credentials = check(settings)
    _warn_of_plain_passwords(settings)
    credentials.warn()
    _allow_many_files()
    with contextlib.ExitStack() as stack:
        sockets = bind_all(settings.addresses, unix_mode=int(settings.unix_mode, 8))
        for sock in sockets:
            stack.enter_context(sock)
        stack.callback(_remove_unix_sockets, settings)
        for sock in sockets:
            start_listening(sock)
        supervisor = Supervisor(
            settings,
            credentials,
            sockets=sockets,
            urls=[url_of(sock, tls=settings.tls != "no-tls") for sock in sockets],
            admin=_admin_socket(settings, stack),
            notifier=Notifier(os.environ),
        )
        run_supervisor(supervisor)


def _warn_of_plain_passwords(settings: Settings) -> None:
    if settings.htpasswd is not None and settings.tls == "no-tls":
        _LOG.warning(
            "clients send passwords unencrypted, because tls is off; let only a proxy on this host reach the server"
        )


def _admin_socket(settings: Settings, stack: contextlib.ExitStack) -> socket.socket | None:
    if settings.admin is None:
        return None
    address = parse_tcp(settings.admin)
    return stack.enter_context(bind(address.host, address.port))


def _remove_unix_sockets(settings: Settings) -> None:
    for address in settings.addresses:
        if isinstance(address, UnixAddress):
            with contextlib.suppress(OSError):
                os.unlink(address.path)


def _allow_many_files() -> None:
    """Raise the limit of open files to the hard limit: each connection needs one or two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


__all__ = ("check", "main", "serve")
