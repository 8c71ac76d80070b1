# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The address of a registry's API, parsed from the option registry, and the URLs of the distribution API."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace
from urllib.parse import quote as percent_encode

from .._base.loopback import is_loopback
from .._base.text import quote
from .._oci.names import check_repository, is_repository
from .errors import ConfigurationError
from .url import DEFAULT_PORTS, Origin, Url, UrlInvalid, split_authority

if t.TYPE_CHECKING:
    from .options import TlsMode

DOCKER_HUB: t.Final = "docker.io"
DOCKER_HUB_API: t.Final = "registry-1.docker.io"
DOCKER_HUB_NAMES: t.Final = (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API)

_MODES: t.Final = {"http": "no-tls", "https": "tls"}
_PREFIX: t.Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_MAX_NAME: t.Final = 1024


@dataclass(frozen=True)
class Endpoint:
    """The address of a registry's API.

    name is "host[:port][/prefix]" with the port as given; prefix is "" or "/...". Docker Hub is named docker.io, and
    its API is at registry-1.docker.io. repository_prefix, without slashes at its ends, comes before the name of every
    repository: proxy caches such as Harbor's have the images of each upstream registry under a name of their own.
    """

    name: str
    origin: Origin
    prefix: str
    repository_prefix: str = ""

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        mode: TlsMode | None = None,
        preferred: TlsMode | None = None,
        repository_prefix: str | None = None,
    ) -> Endpoint:
        """Read the registry option: "host[:port][/prefix]", with or without the scheme of the mode.

        Without a mode, the scheme decides whether to use TLS. Without a scheme, the preferred mode does, and without
        that plain HTTP is used on the loopback interface and TLS elsewhere. Raises ConfigurationError.
        """
        if repository_prefix is not None and not is_repository(repository_prefix):
            raise ConfigurationError(
                f"The repository_prefix {quote(repository_prefix)} is invalid; write it as the first part of a "
                "repository name, such as hub or team/hub, in lower case and without slashes at its ends."
            )
        scheme, rest = _split_scheme(text, mode)
        authority, dummy, path = rest.rstrip("/").partition("/")
        prefix = f"/{path}" if path else ""
        if "@" in authority:
            raise ConfigurationError(
                "The registry must not contain a user name or password; use the options username and password."
            )
        if not _PREFIX.fullmatch(prefix) or any(part in (".", "..") for part in prefix.split("/")):
            raise _registry_error(text, "the part after the host must be a path of letters, digits and . _ ~ -")
        try:
            host, port = split_authority(authority)
        except UrlInvalid as exc:
            raise _registry_error(text, str(exc)) from None
        if scheme is None:
            scheme = _scheme(preferred or ("no-tls" if is_loopback(host) else "tls"))
        origin = Origin(scheme, host, port or DEFAULT_PORTS[scheme])
        if origin.authority in DOCKER_HUB_NAMES:
            return cls(DOCKER_HUB + prefix, replace(origin, host=DOCKER_HUB_API), prefix, repository_prefix or "")
        shown = f"[{host}]" if ":" in host else host
        name = f"{shown}{prefix}" if port is None else f"{shown}:{port}{prefix}"
        return cls(name, origin, prefix, repository_prefix or "")

    @property
    def is_loopback(self) -> bool:
        """Whether this is a registry on this host, by name or address."""
        return is_loopback(self.origin.host)

    @property
    def uses_tls(self) -> bool:
        """Whether connections use TLS."""
        return self.origin.scheme == "https"

    @property
    def is_docker_hub(self) -> bool:
        """Whether this is Docker Hub."""
        return self.origin.host == DOCKER_HUB_API

    def repository(self, name: str) -> str:
        """Return the name to request: with repository_prefix; on Docker Hub "debian" is "library/debian".

        Raises ReferenceInvalid.
        """
        check_repository(name)
        if self.repository_prefix:
            name = check_repository(f"{self.repository_prefix}/{name}")
        return f"library/{name}" if self.is_docker_hub and "/" not in name else name

    def base(self) -> Url:
        """Return the URL of /v2/ (end-1)."""
        return Url(self.origin, f"{self.prefix}/v2/")

    def manifest(self, repository: str, reference: str) -> Url:
        """Return the URL of a manifest by tag or digest."""
        return Url(self.origin, f"{self.prefix}/v2/{repository}/manifests/{reference}")

    def blob(self, repository: str, digest: str) -> Url:
        """Return the URL of a blob."""
        return Url(self.origin, f"{self.prefix}/v2/{repository}/blobs/{digest}")

    def referrers(self, repository: str, digest: str, *, artifact_type: str | None) -> Url:
        """Return the URL of the referrers of a manifest (end-12)."""
        query = None if artifact_type is None else f"artifactType={percent_encode(artifact_type, safe='')}"
        return Url(self.origin, f"{self.prefix}/v2/{repository}/referrers/{digest}", query)

    def tags(self, repository: str, *, n: int | None, last: str | None) -> Url:
        """Return the URL of a page of tags."""
        return Url(self.origin, f"{self.prefix}/v2/{repository}/tags/list", _page_query(n, last))

    def catalog(self, *, n: int | None, last: str | None) -> Url:
        """Return the URL of a page of repositories."""
        return Url(self.origin, f"{self.prefix}/v2/_catalog", _page_query(n, last))


def _page_query(n: int | None, last: str | None) -> str | None:
    pairs = [("n", None if n is None else str(n)), ("last", last)]
    return "&".join(f"{name}={percent_encode(value, safe='')}" for name, value in pairs if value is not None) or None


def _scheme(mode: TlsMode) -> str:
    return "http" if mode == "no-tls" else "https"


def _split_scheme(text: str, mode: TlsMode | None) -> tuple[str | None, str]:
    """Return the scheme of the mode, or of the text without a mode, and the rest of the text."""
    scheme = None if mode is None else _scheme(mode)
    if not isinstance(text, str) or not text or len(text) > _MAX_NAME:
        raise ConfigurationError(f"The registry must be a host with an optional port, of 1 to {_MAX_NAME} characters.")
    given, separator, rest = text.partition("://")
    if not separator:
        return scheme, text
    if given.lower() not in _MODES:
        raise _registry_error(text, "its scheme is neither http nor https")
    if scheme is not None and given.lower() != scheme:
        raise ConfigurationError(
            f"The registry is given with {given.lower()}:// while the option tls is {_MODES[scheme]}; "
            f"leave the scheme out, or set tls to {_MODES[given.lower()]}."
        )
    return given.lower(), rest


def _registry_error(text: str, why: str) -> ConfigurationError:
    shown = text.rpartition("@")[2]
    return ConfigurationError(f"The registry {quote(shown)} is invalid: {why}; write it as host[:port][/prefix].")


__all__ = ("DOCKER_HUB", "DOCKER_HUB_API", "DOCKER_HUB_NAMES", "Endpoint")
