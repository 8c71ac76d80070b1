# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The registry client of a task, built from its options: protocol, credentials, timeouts, mirrors.

Called by all modules that connect to a registry.
"""

from __future__ import annotations

import contextlib
import os
import typing as t
from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_address

from ..._base.errors import CollectionError
from ..._registry.auth.credentials import BasicAuth, IdentityToken, Token
from ..._registry.client import Registry
from ..._registry.endpoint import Endpoint
from ..._registry.options import RetryPolicy, Timeouts, TlsOptions
from ..._registry.transport.proxies import Proxies
from ..options.ranges import check_minimum, check_seconds
from .attestation import make_attester

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._registry.auth.auth_file import AuthFiles
    from ..._registry.auth.credentials import Credentials
    from ..._registry.options import TlsMode
    from .sources import ImageSource

# A credential helper may request the credentials from a cloud service.
_HELPER_SECONDS: t.Final = 60
_SCHEMES: t.Final[t.Mapping[str, TlsMode]] = {"http": "no-tls", "https": "tls"}


@contextlib.contextmanager
def opened_source(module: AnsibleModule) -> t.Iterator[ImageSource]:
    """Yield an ImageSource for the registry and the mirrors of the task's options. Raises RegistryError.

    No connection is made before the first request. The task warns about plain HTTP to other hosts and
    about validate_certs=false.
    """
    params = module.params
    check_seconds(params, "timeout", "connect_timeout", "total_timeout")
    check_minimum(params, 0, "retries", "minimum_throughput")
    files = _Files(module)
    files.check()
    origin = _registry(module, files, params["registry"], mode=_mode(params["registry"], params), is_mirror=False)
    source: ImageSource = origin
    if params["mirrors"]:
        from .sources import MirroredSource

        mirrors = [
            _registry(module, files, name, mode=_mirror_mode(name), is_mirror=True) for name in params["mirrors"]
        ]
        source = MirroredSource(mirrors, origin, warn=module.warn)
    try:
        yield source
    except CollectionError as exc:
        from .hints import add_hints

        add_hints(exc, params, source)
        raise
    finally:
        source.close()


def _registry(module: AnsibleModule, files: _Files, name: str, *, mode: TlsMode, is_mirror: bool) -> Registry:
    params = module.params
    registry = Registry(
        name,
        tls=_mirror_tls_options(params, name, mode=mode) if is_mirror else _tls_options(params, mode=mode),
        credentials=files if is_mirror else _credentials(params) or files,
        other_credentials=files,
        timeouts=Timeouts(
            connect=params["connect_timeout"],
            read=params["timeout"],
            total=params["total_timeout"],
            minimum_rate=params["minimum_throughput"],
        ),
        retry=RetryPolicy(retries=params["retries"]),
        proxies=Proxies.from_environment(os.environ),
        trusted_realm_hosts=params["trusted_realm_hosts"],
        trusted_redirect_hosts=params["trusted_redirect_hosts"],
        foreign_urls=bool(params.get("foreign_layers")) and not is_mirror,
        warn=module.warn,
    )
    _warn_of_exposure(module, registry.name, mode=mode)
    return registry


def _tls_options(params: t.Mapping[str, t.Any], *, mode: TlsMode) -> TlsOptions:
    options = TlsOptions(
        mode="tls" if mode == "ra-tls" else mode,
        # with a mirror over HTTPS, ca_path may be meant for the mirror
        system_too=any(_mirror_mode(name) == "tls" for name in params["mirrors"]),
        ca_path=params["ca_path"],
        client_cert=params["client_cert"],
        client_key=params["client_key"],
        validate_certs=params["validate_certs"],
    )
    if mode != "ra-tls":
        return options
    return replace(options, mode=mode, attester=make_attester(params["ratls"]))


def _mirror_tls_options(params: t.Mapping[str, t.Any], name: str, *, mode: TlsMode) -> TlsOptions:
    """Return the options for a mirror: ca_path adds to the CAs of the system, client_cert is for the same host only."""
    if _host(name) != _host(params["registry"]):
        params = {**params, "client_cert": None, "client_key": None}
    return replace(_tls_options(params, mode=mode), system_too=True)


def _host(name: str) -> str:
    return Endpoint.parse(name.rpartition("://")[2], mode="tls").origin.host.rstrip(".")


def _credentials(params: t.Mapping[str, t.Any]) -> Credentials | None:
    """Return the credentials in the options token, username and password, None if there are none."""
    if params["token"] is not None:
        return Token(params["token"])
    if params["username"] is not None:
        return BasicAuth(params["username"], params["password"])
    return None


class _Files:
    """A CredentialSource that reads the auth files of docker and podman, and masks their secrets in all output."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._warned: set[str] = set()

    def check(self) -> None:
        """Validate the file of the option auth_file, if set, even if no request needs it. Raises RegistryError."""
        if self._module.params["auth_file"] is not None:
            self._files().check()

    def credentials_for(self, registry: str, repository: str | None) -> Credentials:
        """See CredentialSource. A problem in the file of auth_file is an error, in a default file a warning."""
        found = self._files().credentials_for(registry, repository)
        # without empty strings, which Ansible would mask between any two characters
        self._module.no_log_values.update(filter(None, _secrets(found)))
        return found

    def _files(self) -> AuthFiles:
        from ..._registry.auth.auth_file import AuthFiles, default_places

        named = self._module.params["auth_file"]
        if named is not None:
            return AuthFiles((named,), required=True, run=_run_helper)
        places = default_places(os.environ, home=os.path.expanduser("~"), uid=os.getuid())
        return AuthFiles(places, run=_run_helper, warn=self._warn_once)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._module.warn(text)


def _run_helper(arguments: list[str], data: str) -> tuple[int, str, str]:
    """Run a credential helper and return its status and output; see RunHelper. Raises OSError."""
    from ..._ratls.evidence.child import ChildFailed, run_child
    from ..._registry.auth.credential_helper import MAX_ANSWER

    try:
        status, output = run_child(arguments, given=data.encode(), limit=MAX_ANSWER, timeout=_HELPER_SECONDS)
    except ChildFailed as exc:
        raise OSError(0, str(exc)) from None
    return status, output.decode("utf-8", "replace"), ""


def _secrets(credentials: Credentials) -> list[str]:
    if isinstance(credentials, BasicAuth):
        header = b64encode(f"{credentials.username}:{credentials.password}".encode()).decode("ascii")
        return [credentials.password, header]
    return [credentials.token] if isinstance(credentials, (Token, IdentityToken)) else []


def _mode(name: str, params: t.Mapping[str, t.Any]) -> TlsMode:
    if params["tls"] is not None:
        return t.cast("TlsMode", params["tls"])
    means_tls = any(params[option] is not None for option in ("ca_path", "client_cert", "client_key"))
    return _scheme_mode(name) or ("tls" if means_tls else _default_mode(name))


def _mirror_mode(name: str) -> TlsMode:
    return _scheme_mode(name) or _default_mode(name)


def _scheme_mode(name: str) -> TlsMode | None:
    scheme, separator, dummy = name.partition("://")
    return _SCHEMES.get(scheme.lower()) if separator else None


def _default_mode(name: str) -> TlsMode:
    return "no-tls" if _is_loopback(name) else "tls"


def _is_loopback(name: str) -> bool:
    host = Endpoint.parse(name.rpartition("://")[2], mode="no-tls").origin.host
    if host.rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _warn_of_exposure(module: AnsibleModule, name: str, *, mode: TlsMode) -> None:
    if mode == "no-tls" and not _is_loopback(name):
        secrets = any(module.params[option] is not None for option in ("password", "token", "auth_file"))
        what = "all traffic, the credentials included" if secrets else "all traffic"
        module.warn(
            f"The connection to {name} is plain HTTP (tls: no-tls): anybody on the network can read and change {what}."
        )
    if mode != "no-tls" and not module.params["validate_certs"]:
        module.warn(
            f"The certificate of {name} is not verified (validate_certs: false): anybody on the network can pose as it."
        )


__all__ = ("opened_source",)
