# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.
"""Log lines for the journal of systemd (sd-daemon(3); systemd.exec(5), JOURNAL_STREAM).

The journal adds timestamps and takes the priority of a line from its prefix. Called by access_log.py and main.py.
"""

from __future__ import annotations

import logging
import os
import typing as t

# priorities of syslog(3), for filters such as journalctl -p warning
_PRIORITIES: t.Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: t.Final = 7


def is_journal(fd: int, environment: t.Mapping[str, str]) -> bool:
    """Tell whether a descriptor is the journal; it may have been redirected after JOURNAL_STREAM was set."""
    try:
        about = os.fstat(fd)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def for_journal(text: str, level: int) -> str:
    """Prefix each line of a text, such as a traceback, with its priority."""
    number = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{number}>{line}" for line in text.split("\n"))


class JournalFormatter(logging.Formatter):
    """Formatter of records with the priority, without time and level."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; each of its lines has the priority."""
        return for_journal(super().format(record), record.levelno)


__all__ = ("JournalFormatter", "for_journal", "is_journal")
