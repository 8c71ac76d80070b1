# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The registry client of a task, built from its options: protocol, credentials, timeouts, mirrors.

Called by all modules and lookups that connect to a registry.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace

from ..._base.errors import CollectionError
from ..._registry.auth.credentials import Anonymous, Fixed
from ..._registry.client import Registry
from ..._registry.endpoint import Endpoint
from ..._registry.errors import ConfigurationError
from ..._registry.options import ClientOptions, Effects, RetryPolicy, Timeouts, TlsOptions
from ..._registry.rate_limit import RateLimit
from ..._registry.transport.proxies import Proxies
from ..options.ranges import check_minimum, check_seconds
from ..options.ratls_options import attestation_problem
from ..options.spec import MIRROR
from .attestation import make_attester
from .login_sources import FILE_OPTIONS, LoginFiles, WithheldLogins, given_credentials

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._registry.auth.credentials import CredentialSource
    from ..._registry.options import TlsMode
    from .login_sources import Task
    from .sources import RegistrySource

# the options of a mirror that is given by its name
_BY_NAME: t.Final[t.Mapping[str, None]] = dict.fromkeys(MIRROR)
# the options that log in
_LOGIN: t.Final = ("username", "password", "token", "identity_token")


@contextlib.contextmanager
def opened_source(module: AnsibleModule) -> t.Iterator[RegistrySource]:
    """Yield the source of make_source(); errors raised inside get hints for the user. Raises RegistryError."""
    source = make_source(module)
    with _hinted(module, source):
        yield source


@contextlib.contextmanager
def opened_registry(module: AnsibleModule) -> t.Iterator[Registry]:
    """Yield the client of the option registry alone, without mirrors, to write to it; otherwise as opened_source()."""
    _check_numbers(module.params)
    files = LoginFiles(module, module.params)
    files.check()
    endpoint = read_endpoint(module.params)
    registry = _registry(module, endpoint, module.params, files=files, system_too=False, received=None)
    with _hinted(module, registry):
        yield registry


@contextlib.contextmanager
def _hinted(module: AnsibleModule, source: RegistrySource) -> t.Iterator[None]:
    """Add hints to the errors that are raised inside, and close the source at the end."""
    try:
        yield
    except CollectionError as exc:
        from .hints import add_hints

        add_hints(exc, module.params, source)
        raise
    finally:
        source.close()


def make_source(module: Task) -> RegistrySource:
    """Return a RegistrySource for the registry and the mirrors of the task's options. Raises RegistryError.

    No connection is made before the first request. The task warns about plain HTTP to other hosts and
    about validate_certs=false.
    """
    params = module.params
    _check_numbers(params)
    files = LoginFiles(module, params)
    files.check()
    received = _received(params)
    endpoint = read_endpoint(params)
    mirrors = [_read_mirror(place, entry) for place, entry in enumerate(params["mirrors"])]
    origin = _registry(
        module,
        endpoint,
        params,
        files=files,
        # with a mirror over HTTPS that has no ca_path of its own, ca_path may be meant for the mirror
        system_too=any(mirror.endpoint.uses_tls and mirror.own["ca_path"] is None for mirror in mirrors),
        foreign_urls=bool(params.get("foreign_layers")),
        received=received,
    )
    if not mirrors:
        return origin
    from .sources import MirroredSource

    others = [_mirror(module, files, endpoint, mirror, received) for mirror in mirrors]
    return MirroredSource(others, origin, warn=module.warn)


def make_registry(module: Task, credentials: CredentialSource) -> Registry:
    """Return the client of the option registry alone, which logs in with the credentials of a source.

    Raises and warns as make_source() does.
    """
    _check_numbers(module.params)
    endpoint, nobody = read_endpoint(module.params), Fixed(Anonymous())
    return _registry(
        module, endpoint, module.params, files=nobody, credentials=credentials, system_too=False, received=None
    )


def read_endpoint(params: t.Mapping[str, t.Any]) -> Endpoint:
    """Return the address in the option registry. Raises ConfigurationError."""
    return Endpoint.parse(params["registry"], mode=params["tls"], preferred=_preferred_mode(params))


def _check_numbers(params: t.Mapping[str, t.Any]) -> None:
    check_seconds(params, "timeout", "connect_timeout", "total_timeout")
    check_minimum(params, 0, "retries", "minimum_throughput")


def _registry(
    module: Task,
    endpoint: Endpoint,
    params: t.Mapping[str, t.Any],
    *,
    files: CredentialSource,
    credentials: CredentialSource | None = None,
    system_too: bool,
    received: t.Callable[[int], None] | None,
    foreign_urls: bool = False,
) -> Registry:
    """Return the client of a registry or mirror; params are the options of the connection to it."""
    timeouts = Timeouts(
        connect=params["connect_timeout"],
        read=params["timeout"],
        total=params["total_timeout"],
        minimum_rate=params["minimum_throughput"],
    )
    tls = TlsOptions(
        mode="tls" if endpoint.uses_tls else "no-tls",
        system_too=system_too,
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        validate_certs=params["validate_certs"],
    )
    if params["tls"] == "ra-tls":
        tls = replace(tls, mode="ra-tls", attester=make_attester(params["ratls"]))
    _warn_of_exposure(module, endpoint, params)
    options = ClientOptions(tls=tls, timeouts=timeouts, retry=RetryPolicy(retries=params["retries"]), warn=module.warn)
    return Registry(
        endpoint,
        options if received is None else replace(options, received=received),
        credentials=credentials or given_credentials(params) or files,
        other_credentials=files if params.get("target") is None else WithheldLogins(module, files, params),
        proxies=Proxies.from_environment(os.environ),
        trusted_realm_hosts=params["trusted_realm_hosts"],
        trusted_redirect_hosts=params["trusted_redirect_hosts"],
        foreign_urls=foreign_urls,
    )


def _received(params: t.Mapping[str, t.Any]) -> t.Callable[[int], None] | None:
    """Return what all registries of the task call for each piece of a blob; None without the option limit_rate."""
    rate = params.get("limit_rate")
    return None if rate is None else RateLimit(rate, Effects()).received


class _Mirror(t.NamedTuple):
    """A mirror: its place in the option mirrors, its options, None if it does not set them, and its address."""

    place: int
    own: t.Mapping[str, t.Any]
    endpoint: Endpoint


def _read_mirror(place: int, entry: str | t.Mapping[str, t.Any]) -> _Mirror:
    own: t.Mapping[str, t.Any] = {**_BY_NAME, "registry": entry} if isinstance(entry, str) else entry
    with _named(f"mirrors[{place}]"):
        endpoint = Endpoint.parse(
            own["registry"],
            mode=own["tls"],
            preferred=_preferred_mode(own),
            repository_prefix=own["repository_prefix"],
        )
    return _Mirror(place, own, endpoint)


def _mirror(
    module: Task, files: LoginFiles, origin: Endpoint, mirror: _Mirror, received: t.Callable[[int], None] | None
) -> Registry:
    """Return the client of a mirror. Raises CollectionError."""
    with _named(f"mirrors[{mirror.place}]"):
        return _other_registry(module, files, origin, mirror.own, mirror.endpoint, received)


def _other_registry(
    module: Task,
    files: LoginFiles,
    origin: Endpoint,
    own: t.Mapping[str, t.Any],
    endpoint: Endpoint,
    received: t.Callable[[int], None] | None,
) -> Registry:
    """Return the client of a registry beside the one of the task, which is origin.

    own are its options, None where they are not set. It receives no credentials of origin.
    """
    inherited = ["ca_path", "validate_certs", *FILE_OPTIONS]
    # the client certificate is for the host of the registry only
    if endpoint.origin.host.rstrip(".") == origin.origin.host.rstrip(".") and own["tls"] != "ra-tls":
        inherited += ["client_cert", "client_key"] if own["client_cert"] is None else []
    params = {**module.params, **own}
    params.update((name, module.params[name]) for name in inherited if own[name] is None)
    if any(own[option] is not None for option in FILE_OPTIONS):
        files = LoginFiles(module, params)
        files.check()
    system_too = own["ca_path"] is None
    return _registry(module, endpoint, params, files=files, system_too=system_too, received=received)


@contextlib.contextmanager
def opened_target(module: Task) -> t.Iterator[Registry]:
    """Yield the client of the registry in the option target, where a module writes to. Raises CollectionError.

    Without target.registry, and if that is the registry of the task, it is connected to and logged in to as that one,
    but for what target sets itself.
    """
    with _named("target"):
        target = _make_target(module)
    with contextlib.closing(target):
        yield target


def _make_target(module: Task) -> Registry:
    params, own = module.params, dict(module.params["target"])
    _check_numbers(params)
    origin = read_endpoint(params)
    if own["registry"] is None or (params.get("layout") is None and read_endpoint(own) == origin):
        logs_in = any(own[name] is not None for name in _LOGIN)
        kept = {name: value for name, value in params.items() if not (logs_in and name in _LOGIN)}
        own = {**dict.fromkeys(own), **kept, **{name: value for name, value in own.items() if value is not None}}
    elif own["tls"] == "ra-tls" and own["ratls"] is None:
        own["ratls"] = params["ratls"]
    problem = attestation_problem(own)
    if problem is not None:
        raise ConfigurationError(problem)
    return _other_registry(module, LoginFiles(module, params), origin, own, read_endpoint(own), None)


@contextlib.contextmanager
def _named(option: str) -> t.Iterator[None]:
    """Name an option with suboptions in the messages of the errors that are raised inside."""
    try:
        yield
    except CollectionError as exc:
        exc.message = f"{option}: {exc.message}"
        raise


def _preferred_mode(params: t.Mapping[str, t.Any]) -> TlsMode | None:
    """Return tls if the task has options for TLS, so that it is used even on the loopback interface."""
    return "tls" if any(params[option] is not None for option in ("ca_path", "client_cert", "client_key")) else None


def _warn_of_exposure(module: Task, endpoint: Endpoint, params: t.Mapping[str, t.Any]) -> None:
    if not endpoint.uses_tls and not endpoint.is_loopback:
        secrets = any(params[option] is not None for option in ("password", "token", "identity_token", "auth_file"))
        what = "all traffic, the credentials included" if secrets else "all traffic"
        module.warn(
            f"The connection to {endpoint.name} is plain HTTP (tls: no-tls): anybody on the network can read and "
            f"change {what}."
        )
    if endpoint.uses_tls and not params["validate_certs"]:
        module.warn(
            f"The certificate of {endpoint.name} is not verified (validate_certs: false): anybody on the network can "
            "pose as it."
        )


__all__ = (
    "make_registry",
    "make_source",
    "opened_registry",
    "opened_source",
    "opened_target",
    "read_endpoint",
)
