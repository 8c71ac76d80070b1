# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import typing as t
from dataclasses import dataclass

from ..._base.text import visible
from ..bounded_file import reason
from ..token.cca_token import MAX_TOKEN
from .evidence import Evidence, EvidenceKind, evidence_error

PROVIDER: t.Final = "arm_cca_guest"
_TRIES: t.Final = 4
_RETRIED: t.Final = frozenset((errno.EWOULDBLOCK, errno.EBUSY, errno.EINTR))
_MAX_GENERATION: t.Final = 20  # digits


class _ReportChanged(Exception):
    """Somebody else wrote to the report meanwhile."""


@dataclass(frozen=True)
class TsmSource:
    """The report interface of Linux for confidential guests (Documentation/ABI/testing/configfs-tsm)."""

    root: str = "/sys/kernel/config/tsm/report"
    kind: EvidenceKind = "tsm"

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource."""
        try:
            for dummy in range(_TRIES):
                with contextlib.suppress(_ReportChanged), self._report() as path:
                    return Evidence(_token(path, realm_challenge), "tsm")
        except (OSError, ValueError) as exc:  # the latter for a path that cannot be one
            raise evidence_error(
                "tsm",
                f"a report in {visible(self.root)} cannot be made ({reason(exc)})",
                "see whether this host is a realm with a kernel that offers configfs-tsm, and run as root",
            ) from None
        raise evidence_error(
            "tsm", f"reports in {visible(self.root)} are disturbed by others", "see who writes to them"
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
            "tsm", f"the reports here are not those of {PROVIDER}", "run this inside of an Arm CCA realm"
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
        raise evidence_error("tsm", "the report is empty", "see the log of the kernel")
    return token


def _generation(path: str) -> int:
    text = _read(path, "generation", limit=_MAX_GENERATION).strip()
    if not text.isdigit():
        raise evidence_error("tsm", "the generation of the report is no number", "see to the kernel")
    return int(text)


def _read(path: str, name: str, *, limit: int) -> bytes:
    with open(os.path.join(path, name), "rb", buffering=0) as file:
        data = bytearray()
        while len(data) <= limit:
            piece = file.read(limit + 1 - len(data))
            if not piece:
                return bytes(data)
            data += piece
    raise evidence_error("tsm", f"the attribute {name} has more than {limit} bytes", "see to the kernel")


def _write(path: str, name: str, data: bytes) -> None:
    # binary attributes take what was written when the file is closed
    with open(os.path.join(path, name), "wb", buffering=0) as file:
        file.write(data)


__all__ = ("PROVIDER", "TsmSource")
