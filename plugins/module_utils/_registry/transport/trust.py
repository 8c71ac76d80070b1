# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The certificates that a client trusts, from the option ca_path or the system, as a TLS context.

Called by tls.py, which adds the other options of TLS, and by ../plain_head.py.
"""

from __future__ import annotations

import os
import ssl
import typing as t

MARK: t.Final = "-----BEGIN CERTIFICATE-----"
MAX_FILE: t.Final = 8 * 1024 * 1024
_MAX_FILES: t.Final = 4096


def make_trusting_context(ca_path: str | None, *, system_too: bool) -> ssl.SSLContext:
    """Make a context for connections to servers, TLS 1.2 or later, that verifies certificates.

    ca_path, a file or a directory, replaces the certificates of the system, unless system_too is set. Raises OSError,
    ssl.SSLError and ValueError.
    """
    if ca_path is None:
        context = ssl.create_default_context()
    elif os.path.isdir(ca_path):
        context = ssl.create_default_context(cadata=read_directory(ca_path))
    else:
        context = ssl.create_default_context(cafile=ca_path)
    if ca_path is not None and system_too:
        context.load_default_certs()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def read_directory(path: str) -> str:
    """Return all certificates in the files of a directory, whatever their names; skip other files.

    Raises OSError, and ValueError if there are none.
    """
    found: dict[str, None] = {}
    for name in sorted(os.listdir(path))[:_MAX_FILES]:
        full = os.path.join(path, name)
        if os.path.isfile(full) and os.path.getsize(full) <= MAX_FILE:
            with open(full, encoding="ascii", errors="replace") as stream:
                text = stream.read()
            if MARK in text:
                found.setdefault(text)
    if not found:
        raise ValueError("no file in it contains a certificate in PEM form")
    return "\n".join(found)


__all__ = ("MARK", "MAX_FILE", "make_trusting_context", "read_directory")
