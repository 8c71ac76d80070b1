# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The source of evidence `tsm`: Linux's report interface for confidential guests.

Implements Documentation/ABI/testing/configfs-tsm of the kernel, with the provider arm_cca_guest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import typing as t
from dataclasses import dataclass

from ..._base.bounded_file import reason
from ..._base.text import visible
from ..token.cca_token import MAX_TOKEN
from .evidence import Evidence, EvidenceKind, evidence_error

PROVIDER: t.Final = "arm_cca_guest"
_TRIES: t.Final = 4
_RETRIED: t.Final = frozenset((errno.EWOULDBLOCK, errno.EBUSY, errno.EINTR))
_MAX_GENERATION: t.Final = 20  # digits


class _ReportChanged(Exception):
    """Another process wrote to the report at the same time."""


@dataclass(frozen=True)
class TsmSource:
    """Reports of configfs-tsm, each in a new directory."""

    root: str = "/sys/kernel/config/tsm/report"
    kind: EvidenceKind = "tsm"

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource."""
        try:
            for dummy in range(_TRIES):
                with contextlib.suppress(_ReportChanged), self._report() as path:
                    return Evidence(_token(path, realm_challenge), "tsm")
        except (OSError, ValueError) as exc:  # ValueError: an invalid path
            raise evidence_error(
                "tsm",
                f"a report in {visible(self.root)} cannot be created ({reason(exc)})",
                "check that this host is a realm with a kernel that has configfs-tsm, and run as root",
            ) from None
        raise evidence_error(
            "tsm", f"another process writes to the reports in {visible(self.root)}", "stop that process"
        )

    @contextlib.contextmanager
    def _report(self) -> t.Iterator[str]:
        path = os.path.join(self.root, f"attested-{secrets.token_hex(8)}")
        os.mkdir(path, 0o700)
        try:
            yield path
        finally:
            os.rmdir(path)


def _token(path: str, realm_challenge: bytes) -> bytes:
    provider = _read(path, "provider", limit=64).strip().decode("ascii", "replace")
    if provider != PROVIDER:
        raise evidence_error(
            "tsm", f"the provider of the reports is not {PROVIDER}", "run this inside an Arm CCA realm"
        )
    try:
        before = _generation(path)
        _write(path, "inblob", realm_challenge)
        token = _read(path, "outblob", limit=MAX_TOKEN)
        after = _generation(path)
    except OSError as exc:
        if exc.errno in _RETRIED:
            raise _ReportChanged from None
        raise
    if after != before + 1:
        raise _ReportChanged
    if not token:
        raise evidence_error("tsm", "the report is empty", "see the kernel log")
    return token


def _generation(path: str) -> int:
    text = _read(path, "generation", limit=_MAX_GENERATION).strip()
    if not text.isdigit():
        raise evidence_error("tsm", "the generation of the report is not a number", "check the kernel")
    return int(text)


def _read(path: str, name: str, *, limit: int) -> bytes:
    with open(os.path.join(path, name), "rb", buffering=0) as file:
        data = bytearray()
        while len(data) <= limit:
            piece = file.read(limit + 1 - len(data))
            if not piece:
                return bytes(data)
            data += piece
    raise evidence_error("tsm", f"the attribute {name} has more than {limit} bytes", "check the kernel")


def _write(path: str, name: str, data: bytes) -> None:
    # binary attributes are committed when the file is closed
    with open(os.path.join(path, name), "wb", buffering=0) as file:
        file.write(data)


__all__ = ("PROVIDER", "TsmSource")
