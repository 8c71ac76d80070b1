# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.
"""Lines for the journal of systemd (sd-daemon(3); systemd.exec(5), JOURNAL_STREAM), for access_log.py and main.py.

The journal has time stamps of its own and takes the priority of a line from the number that it begins with.
"""

from __future__ import annotations

import logging
import os
import typing as t

# syslog(3); the journal shows warnings and what is worse with journalctl -p warning
_PRIORITIES: t.Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: t.Final = 7


def is_journal(fd: int, environment: t.Mapping[str, str]) -> bool:
    """Say whether a descriptor leads to the journal: others may have redirected it since JOURNAL_STREAM was set."""
    try:
        about = os.fstat(fd)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def for_journal(text: str, level: int) -> str:
    """Put the priority before each line, of which a traceback has many."""
    number = next((number for least, number in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{number}>{line}" for line in text.split("\n"))


class JournalFormatter(logging.Formatter):
    """Formats a record without time and level, but with its priority."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the lines of a record."""
        return for_journal(super().format(record), record.levelno)


__all__ = ("JournalFormatter", "for_journal", "is_journal")
