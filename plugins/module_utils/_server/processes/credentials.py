# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Access files, read at the start and at each reload: TLS certificate, passwords, and materials of attestation.

Also decides which repositories stay in service when a reload finds their layouts broken. Called by supervisor.py.
"""

from __future__ import annotations

import dataclasses
import logging
import types
import typing as t

from ..access.access import RestrictedAccess
from ..access.htpasswd import PasswordFile
from ..access.passwords import Passwords
from ..api.app import Application
from ..connections.tls import context_of
from ..errors import ServerError
from ..metrics.expiry import expiry_of

if t.TYPE_CHECKING:
    import ssl

    from ..._ratls.relying_party import RelyingParty
    from ..attestation.attesting import Attesting
    from ..attestation.materials import ServerCertificate
    from ..config.settings import Settings
    from ..content.snapshot import LeftOut, Snapshot
    from ..metrics.counters import Counters


_LOG: t.Final = logging.getLogger("attested.registry")
_T = t.TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class AccessFiles:
    """Everything that is read from files besides content: certificates, passwords, and the relying party.

    tls is set for tls only, certificate and relying_party for ra-tls only. expires is the expiry of the certificate, in
    seconds since 1970.
    """

    tls: ssl.SSLContext | None
    passwords: PasswordFile | None
    certificate: ServerCertificate | None = None
    relying_party: RelyingParty | None = None
    expires: float | None = None

    @classmethod
    def read(cls, settings: Settings) -> AccessFiles:
        """Read the files.

        Raises CertificateError, PasswordFileError, AttestationError, DependencyMissing.
        """
        return cls(
            context_of(settings),
            _passwords_of(settings),
            _certificate_of(settings),
            _relying_party_of(settings),
            expiry_of(settings.cert),
        )

    def renewed(self, settings: Settings, problems: list[str]) -> AccessFiles:
        """Read the files again. An unusable file keeps its previous value, and problems gets a sentence about it."""

        def again(read: t.Callable[[Settings], _T], before: _T) -> _T:
            try:
                found = read(settings)
            except ServerError as exc:
                problems.append(exc.message)
                return before
            return before if found == before else found

        tls, certificate = again(context_of, self.tls), again(_certificate_of, self.certificate)
        same = tls is self.tls and certificate is self.certificate
        return AccessFiles(
            tls,
            again(_passwords_of, self.passwords),
            certificate,
            again(_relying_party_of, self.relying_party),
            self.expires if same else expiry_of(settings.cert),
        )

    def warn(self) -> None:
        """Log warnings about weak settings of attestation."""
        for warning in () if self.relying_party is None else self.relying_party.warnings:
            _LOG.warning("ra-tls: %s", warning)

    def application(self, snapshot: Snapshot, settings: Settings) -> tuple[Application, Passwords | None]:
        """Make the application, and the verifier of passwords, if any. Raises UsageError for a malformed accel."""
        passwords = None if self.passwords is None else Passwords(self.passwords, realm=settings.realm)
        access = None
        attested = settings.tls == "ra-tls"
        if passwords is not None or settings.allow is not None or attested:
            access = RestrictedAccess(passwords=passwords, rules=settings.allow, attested=attested)
        return Application(snapshot, access=access, accel=settings.accel), passwords

    def attesting(self, counters: Counters, settings: Settings) -> Attesting | None:
        """Make the attestation service. Returns None unless tls is ra-tls."""
        if self.certificate is None or self.relying_party is None:
            return None
        from ..attestation.attesting import Attesting

        return Attesting(
            self.certificate,
            self.relying_party,
            counters,
            at_once=settings.attestations,
            handshake_seconds=settings.handshake_seconds,
            attestation_seconds=settings.attestation_seconds,
        )


def _passwords_of(settings: Settings) -> PasswordFile | None:
    return None if settings.htpasswd is None else PasswordFile.read(settings.htpasswd)


# The functions below import cryptography late, because only ra-tls needs it.


def _certificate_of(settings: Settings) -> ServerCertificate | None:
    if settings.tls != "ra-tls":
        return None
    from ..attestation.materials import ServerCertificate

    return ServerCertificate.read(settings)


def _relying_party_of(settings: Settings) -> RelyingParty | None:
    if settings.tls != "ra-tls":
        return None
    from ..attestation.materials import read_relying

    return read_relying(settings)


def keep_served(old: Snapshot | None, new: Snapshot) -> Snapshot:
    """Return the new snapshot with the repositories of the old one whose layouts are now broken.

    A layout that is being written or was damaged stays in service, as far as its files are still those that were
    verified. A layout that was removed does not.
    """
    if old is None:
        return new
    left_out = {item.name: item for item in new.left_out}
    broken = {
        name: item for name in old.repositories for item in _reasons_for(name, left_out) if name not in new.repositories
    }
    if not broken:
        return new
    repositories = {**new.repositories, **{name: old.repositories[name] for name in broken}}
    warnings = [f"{name}: it is served in its previous state, because {item.reason}" for name, item in broken.items()]
    stale = tuple(dataclasses.replace(item, name=name) for name, item in broken.items())
    names = {item.name for item in broken.values()}
    return dataclasses.replace(
        new,
        repositories=types.MappingProxyType(repositories),
        left_out=tuple(item for item in new.left_out if item.name not in names),
        warnings=(*new.warnings, *warnings),
        stale=stale,
        # kept repositories were verified by the old load, so its time decides whether their timestamps had settled
        began_ns=min(old.began_ns, new.began_ns),
    )


def _reasons_for(name: str, left_out: t.Mapping[str, LeftOut]) -> t.Iterator[LeftOut]:
    """Yield the reasons why a repository is left out: its own, or those of unreadable directories above it."""
    if name in left_out:
        yield left_out[name]
    while name := name.rpartition("/")[0]:
        # a directory that is now empty or not a directory was changed on purpose
        if name in left_out and left_out[name].kind == "unreadable":
            yield left_out[name]


__all__ = ("AccessFiles", "keep_served")
