# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The command that makes simulated realms and tokens for tests and demonstrations (see PROGRAM)."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import typing as t

from .challenge import CHALLENGE_SIZE
from .errors import ConfigurationInvalid, RatlsError
from .evidence.signing import PROGRAM, SigningKey
from .evidence.simulated import (
    PLATFORM_KEY_FILE,
    PUBLIC_FILE,
    REFERENCE_FILE,
    WARNING,
    SimulatedRealm,
    SimulatedSource,
    write_simulated_realm,
)
from .plain_data import hexadecimal
from .token.claim_reader import HASH_NAMES
from .token.lifecycle import MAX_LIFECYCLE

_SIZES: t.Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}


def main(arguments: t.Sequence[str]) -> int:
    """Run the command and return the exit status: 0, or 1 after printing an error."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except RatlsError as exc:
        sys.stderr.write(f"{exc.message}\n")
        return 1
    return 0


def _make(options: argparse.Namespace) -> None:
    """Write keys, claims and reference values to a directory."""
    platform_key, realm_key = SigningKey.generate(options.curve), SigningKey.generate(options.curve)
    size = _SIZES[options.hash_algorithm]
    realm = SimulatedRealm(
        rim=_rim(options, size),
        rems=(bytes(size),) * 4,
        personalization_value=hashlib.sha512(options.name.encode("utf-8", "surrogateescape")).digest(),
        implementation_id=hashlib.sha256(b"simulated implementation").digest(),
        instance_id=b"\x01" + hashlib.sha256(platform_key.public.point).digest(),
        hash_algorithm=options.hash_algorithm,
        lifecycle=options.lifecycle,
        profile=options.profile,
    )
    write_simulated_realm(options.directory, realm, platform_key=platform_key, realm_key=realm_key)
    path = os.path.join
    sys.stdout.write(
        f"{WARNING}\nMade {options.directory}: the source of evidence is this directory, the trust anchor "
        f"{path(options.directory, PUBLIC_FILE)}, the reference values {path(options.directory, REFERENCE_FILE)}; "
        f"{PLATFORM_KEY_FILE} is secret. RIM: {realm.rim.hex()}\n"
    )


def _token(options: argparse.Namespace) -> None:
    """Write a new token to standard output or to a file."""
    challenge = hexadecimal(CHALLENGE_SIZE)(options.challenge, "--challenge") if options.challenge else bytes(64)
    token = SimulatedSource(options.directory).evidence(challenge).token
    sys.stderr.write(f"{WARNING}\n")
    if options.output in (None, "-"):
        sys.stdout.buffer.write(token)
        return
    try:
        with open(options.output, "wb") as file:
            file.write(token)
    except (OSError, ValueError) as exc:
        raise ConfigurationInvalid(
            f"Writing the token to {options.output} failed ({exc}); name another file."
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Make simulated realms and their tokens for tests and demonstrations. " + WARNING,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("make", help=_make.__doc__, description=_make.__doc__)
    make.add_argument("directory", metavar="DIRECTORY")
    make.add_argument("--name", default="simulated realm", help="the seed of the RIM and the personalization value")
    make.add_argument("--rim", metavar="HEX", help="the initial measurement (default: derived from --name)")
    make.add_argument(
        "--hash-algorithm",
        choices=HASH_NAMES,
        default="sha-256",
        help="the hash algorithm of the measurements (default: sha-256)",
    )
    make.add_argument(
        "--lifecycle", type=_lifecycle, default=0x3000, help="the lifecycle claim (default: 0x3000, secured)"
    )
    make.add_argument("--profile", choices=("old", "new"), default="new", help="the token profile (default: new)")
    make.add_argument(
        "--curve", choices=("P-256", "P-384", "P-521"), default="P-384", help="the curve of both keys (default: P-384)"
    )
    make.set_defaults(run=_make)
    token = commands.add_parser("token", help=_token.__doc__, description=_token.__doc__)
    token.add_argument("directory", metavar="DIRECTORY")
    token.add_argument("--challenge", metavar="HEX", help="the realm challenge, 64 bytes (default: zeros)")
    token.add_argument("--output", metavar="FILE", help="the file for the token, - for standard output (default: -)")
    token.set_defaults(run=_token)
    return parser


def _rim(options: argparse.Namespace, size: int) -> bytes:
    if options.rim:
        return hexadecimal(size)(options.rim, "--rim")
    algorithm = options.hash_algorithm.replace("-", "")
    return hashlib.new(algorithm, options.name.encode("utf-8", "surrogateescape")).digest()


def _lifecycle(text: str) -> int:
    value = int(text, 0)
    if not 0 <= value <= MAX_LIFECYCLE:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

__all__ = ("main",)
