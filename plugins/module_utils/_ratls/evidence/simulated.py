# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""A simulated realm for tests and demonstrations: its keys and claims are files in a directory."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from dataclasses import dataclass, field

from ..._base.bounded_file import NotReadable, read_bounded, reason
from ..._base.errors import JsonInvalid
from ..._base.strict_json import load_object
from ..errors import ConfigurationInvalid
from ..plain_data import SettingsMap, choice, hexadecimal, settings_error
from ..token.claim_reader import HASH_NAMES, HASH_SIZES, HashName
from ..token.lifecycle import MAX_LIFECYCLE
from ..token.platform_claims import IMPLEMENTATION_ID_SIZE, INSTANCE_ID_SIZE, SIMULATED
from ..token.realm_claims import MEASUREMENTS
from .evidence import Evidence, EvidenceKind
from .signing import (
    PROGRAM,
    Claims,
    SigningKey,
    TokenProfile,
    collection,
    sign_platform_token,
    sign_realm_token,
)

REALM_KEY_FILE: t.Final = "realm.key"
PLATFORM_KEY_FILE: t.Final = "platform.key"
PUBLIC_FILE: t.Final = "cpak.pem"
REALM_FILE: t.Final = "realm.json"
REFERENCE_FILE: t.Final = "reference.json"
_MAX_FILE: t.Final = 64 * 1024

WARNING: t.Final = "The evidence is simulated: it proves nothing and is for tests and demonstrations alone."


@dataclass(frozen=True)
class SimulatedRealm:
    """The claims of a simulated realm and its platform."""

    rim: bytes
    rems: tuple[bytes, ...]
    personalization_value: bytes
    implementation_id: bytes
    instance_id: bytes
    hash_algorithm: HashName = "sha-256"
    lifecycle: int = 0x3000
    profile: TokenProfile = "new"

    def token(self, challenge: bytes, *, platform_key: SigningKey, realm_key: SigningKey) -> bytes:
        """Return a token with this realm challenge."""
        platform = self.platform_token(platform_key=platform_key, realm_key=realm_key)
        return collection(platform, self.realm_token(challenge, realm_key=realm_key))

    def platform_token(self, *, platform_key: SigningKey, realm_key: SigningKey) -> bytes:
        """Return the first half of a token, which does not depend on the challenge."""
        component = {1: SIMULATED, 2: bytes(32), 4: "0.0.0", 5: bytes(32), 6: "sha-256"}
        claims: Claims = {
            256: self.instance_id,
            2395: self.lifecycle,
            2396: self.implementation_id,
            2399: (t.cast("t.Any", component),),
            2401: b"simulated",
            2402: "sha-256",
        }
        return sign_platform_token(claims, platform_key=platform_key, realm_key=realm_key, profile=self.profile)

    def realm_token(self, challenge: bytes, *, realm_key: SigningKey) -> bytes:
        """Return the second half of a token."""
        claims: Claims = {
            10: challenge,
            44235: self.personalization_value,
            44236: self.hash_algorithm,
            44238: self.rim,
            44239: self.rems,
        }
        return sign_realm_token(claims, realm_key=realm_key, profile=self.profile)

    def to_json(self) -> bytes:
        """Return the content of realm.json."""
        value = {
            "rim": self.rim.hex(),
            "rems": [rem.hex() for rem in self.rems],
            "personalization_value": self.personalization_value.hex(),
            "implementation_id": self.implementation_id.hex(),
            "instance_id": self.instance_id.hex(),
            "hash_algorithm": self.hash_algorithm,
            "lifecycle": self.lifecycle,
            "profile": self.profile,
        }
        return json.dumps(value, indent=2).encode("ascii") + b"\n"

    def reference_json(self) -> bytes:
        """Return reference values that accept this realm, in the format of the realm verifier."""
        rems = [[rem.hex() for rem in self.rems]]
        values = {"rim": self.rim.hex(), "rems": rems, "hash-algo": self.hash_algorithm}
        return json.dumps({"realm": {"reference-values": values}}, indent=2).encode("ascii") + b"\n"


def read_simulated_realm(data: bytes, *, path: str) -> SimulatedRealm:
    """Read realm.json. Raises ConfigurationInvalid."""
    try:
        value = load_object(data, what=path, max_bytes=_MAX_FILE)
    except JsonInvalid as exc:
        raise ConfigurationInvalid(f"{exc.message[:-1]}; make the simulated realm again.") from None
    fields = SettingsMap.of(value, path, tuple(SimulatedRealm.__dataclass_fields__))
    known_profiles: t.Callable[[object, str], TokenProfile] = choice("old", "new")
    known_hashes: t.Callable[[object, str], HashName] = choice(*HASH_NAMES)
    rems = fields.required_items("rems", hexadecimal(*HASH_SIZES))
    if len(rems) != MEASUREMENTS:
        raise settings_error(f"{path}.rems", f"is not a list of {MEASUREMENTS} measurements")
    return SimulatedRealm(
        rim=fields.required("rim", hexadecimal(*HASH_SIZES)),
        rems=rems,
        personalization_value=fields.required("personalization_value", hexadecimal(64)),
        implementation_id=fields.required("implementation_id", hexadecimal(IMPLEMENTATION_ID_SIZE)),
        instance_id=fields.required("instance_id", hexadecimal(INSTANCE_ID_SIZE)),
        hash_algorithm=fields.required("hash_algorithm", known_hashes),
        lifecycle=fields.required("lifecycle", _lifecycle),
        profile=fields.required("profile", known_profiles),
    )


def _lifecycle(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_LIFECYCLE:
        raise settings_error(where, f"is not a number from 0 to {MAX_LIFECYCLE}")
    return value


@dataclass(frozen=True)
class _StartedRealm:
    """A simulated realm between two changes of its files, as a realm between two starts of its machine."""

    # the SHA-256 of each file
    files: tuple[bytes, ...]
    realm: SimulatedRealm
    realm_key: SigningKey
    platform_token: bytes

    def token(self, challenge: bytes) -> bytes:
        """Return a new token for a challenge of 64 bytes. Raises DependencyMissing."""
        return collection(self.platform_token, self.realm.realm_token(challenge, realm_key=self.realm_key))


@dataclass
class SimulatedSource:
    """Makes new tokens of the simulated realm in a directory.

    Like firmware, it has the platform token made once. A change of any of the files is a new start. Loading the two
    keys takes 0.4 ms, which is not repeated either. The keys live as long as the source.
    """

    directory: str
    kind: EvidenceKind = "simulated"
    _started: _StartedRealm | None = field(default=None, init=False, repr=False, compare=False)

    def evidence(self, realm_challenge: bytes) -> Evidence:
        """See EvidenceSource. Also raises ConfigurationInvalid and DependencyMissing."""
        contents = tuple(map(self._read, (REALM_FILE, PLATFORM_KEY_FILE, REALM_KEY_FILE)))
        files = tuple(hashlib.sha256(content).digest() for content in contents)
        started = self._started
        if started is None or started.files != files:
            started = self._started = self._start(files, *contents)
        return Evidence(started.token(realm_challenge), "simulated", (WARNING,))

    def _start(
        self, files: tuple[bytes, ...], realm_json: bytes, platform_pem: bytes, realm_pem: bytes
    ) -> _StartedRealm:
        realm = read_simulated_realm(realm_json, path=self._path(REALM_FILE))
        platform_key = SigningKey.from_pem(platform_pem, path=self._path(PLATFORM_KEY_FILE))
        realm_key = SigningKey.from_pem(realm_pem, path=self._path(REALM_KEY_FILE))
        platform_token = realm.platform_token(platform_key=platform_key, realm_key=realm_key)
        return _StartedRealm(files, realm, realm_key, platform_token)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _read(self, name: str) -> bytes:
        try:
            return read_bounded(self._path(name), limit=_MAX_FILE)
        except NotReadable as exc:
            raise ConfigurationInvalid(
                f"The simulated realm cannot be used: {self._path(name)} cannot be read, {exc}; make one with "
                f"{PROGRAM} make."
            ) from None


def write_simulated_realm(
    directory: str, realm: SimulatedRealm, *, platform_key: SigningKey, realm_key: SigningKey
) -> None:
    """Write the files of a simulated realm to a directory, which is created if missing; existing files are kept.

    Private keys are readable by their owner only. Raises ConfigurationInvalid.
    """
    files = (
        (PLATFORM_KEY_FILE, platform_key.to_pem(), 0o600),
        (REALM_KEY_FILE, realm_key.to_pem(), 0o600),
        (PUBLIC_FILE, platform_key.public_pem(), 0o644),
        (REALM_FILE, realm.to_json(), 0o644),
        (REFERENCE_FILE, realm.reference_json(), 0o644),
    )
    try:
        os.makedirs(directory, exist_ok=True)
        for name, data, mode in files:
            descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:
                file.write(data)
    except (OSError, ValueError) as exc:
        raise ConfigurationInvalid(
            f"Making a simulated realm in {directory} failed ({reason(exc)}); name a new directory."
        ) from None


__all__ = (
    "PLATFORM_KEY_FILE",
    "PUBLIC_FILE",
    "REALM_FILE",
    "REALM_KEY_FILE",
    "REFERENCE_FILE",
    "WARNING",
    "SimulatedRealm",
    "SimulatedSource",
    "read_simulated_realm",
    "write_simulated_realm",
)
