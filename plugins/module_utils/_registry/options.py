# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Options of the client: TLS, timeouts and retries, and its side effects besides the network, which tests replace.

_module/registry/connection.py makes the options from those of a module.
"""

from __future__ import annotations

import random
import time
import typing as t
from dataclasses import dataclass

from .errors import ConfigurationError

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._ratls.attester import Attester

# seconds that a server may ask this client to wait if the task sets no total_timeout
LONG_WAIT: t.Final = 60.0

TlsMode = t.Literal["no-tls", "tls", "ra-tls"]

# the target of a connection: the registry, another port of its host, or another host
Nearness = t.Literal["registry", "beside", "other"]


@dataclass(frozen=True)
class TlsOptions:
    """How to connect to the registry.

    ca_path is a PEM file, or a directory of PEM files with any names. For the registry it replaces the certificates
    that the system trusts, unless system_too is set; for other hosts and ports it adds to them. client_cert, which may
    contain its key, is presented only to the host of the registry. validate_certs=False lets an attacker on the network
    pose as that host. ra-tls is TLS 1.3 with an attestation of this host, made by attester, on every connection.
    """

    mode: TlsMode = "tls"
    ca_path: str | None = None
    system_too: bool = False
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True
    attester: Attester | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("no-tls", "tls", "ra-tls"):
            raise ConfigurationError("The option tls must be no-tls, tls or ra-tls.")
        if (self.mode == "ra-tls") != (self.attester is not None):
            raise ConfigurationError(
                "The option tls must be ra-tls if evidence for an attestation is configured, and only then."
            )
        if self.mode == "ra-tls" and self.client_cert is not None:
            raise ConfigurationError(
                "The option client_cert cannot be used with ra-tls, which makes its own certificate."
            )
        if self.client_key is not None and self.client_cert is None:
            raise ConfigurationError("The option client_key needs client_cert as well.")

    @property
    def scheme(self) -> str:
        """The URL scheme of the mode."""
        return "http" if self.mode == "no-tls" else "https"


@dataclass(frozen=True)
class Timeouts:
    """Time limits in seconds. read limits silence; total limits all work of one client from its first operation on.

    A body must bring minimum_rate bytes per second, averaged over read seconds of waiting; 0 permits any rate. Time in
    which the caller does not read is not waiting time.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float | None = None
    minimum_rate: int = 1024

    def __post_init__(self) -> None:
        if self.connect <= 0 or self.read <= 0 or (self.total is not None and self.total <= 0):
            raise ConfigurationError("Timeouts must be more than 0 seconds.")
        if self.minimum_rate < 0:
            raise ConfigurationError("The minimum throughput must not be negative.")


@dataclass(frozen=True)
class RetryPolicy:
    """The number of retries and the waiting time: a random part of base * 2**n, at most ceiling seconds.

    A Retry-After of the server is waited for in full. If it ends after the deadline, or is more than
    retry_after_ceiling seconds without a deadline, there is no further attempt. A blob that brought progress bytes
    since the last failure resets the count.
    """

    retries: int = 4
    base: float = 0.5
    ceiling: float = 30.0
    retry_after_ceiling: float = LONG_WAIT
    progress: int = 1024 * 1024

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ConfigurationError("The number of retries must not be negative.")


@dataclass(frozen=True)
class Effects:
    """Clock, sleep and randomness of this package; tests substitute their own.

    clock returns monotonic seconds, now returns seconds since 1970, jitter a number in [0, 1).
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


def _ignore(value: object) -> None:
    """Drop a warning, or the size of a piece."""


@dataclass(frozen=True)
class ClientOptions:
    """The options that all parts of a client share. warn receives sentences for users, never secrets.

    received is called with the size of each piece of a blob that has arrived, in the thread that downloads it, and may
    wait, as rate_limit.py does. sent is called likewise with the size of each piece of a blob that is uploaded.
    """

    tls: TlsOptions = TlsOptions()
    timeouts: Timeouts = Timeouts()
    retry: RetryPolicy = RetryPolicy()
    effects: Effects = Effects()
    warn: Callable[[str], None] = _ignore
    received: Callable[[int], None] = _ignore
    sent: Callable[[int], None] = _ignore


__all__ = (
    "LONG_WAIT",
    "ClientOptions",
    "Effects",
    "Nearness",
    "RetryPolicy",
    "Timeouts",
    "TlsMode",
    "TlsOptions",
)
