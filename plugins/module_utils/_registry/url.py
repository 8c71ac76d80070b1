# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""HTTP URLs and origins (RFC 3986, RFC 6454), parsed in one way so that the checked URL is the one connected to."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote as percent_encode
from urllib.parse import urljoin

MAX_URL: t.Final = 16 * 1024
DEFAULT_PORTS: t.Final = {"http": 80, "https": 443}

_UNSAFE: t.Final = re.compile(r'[^!-~]|["<>\\^`{|}]')
_UNSENDABLE: t.Final = re.compile(r"[^!-~]")
_KEPT: t.Final = "".join(map(chr, (*range(0x20), *range(0x21, 0x80))))
_SCHEME: t.Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URL: t.Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE)
_HOST: t.Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_AUTHORITY: t.Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^:@\[\]]{1,255})(?::([0-9]{0,5}))?")

if t.TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    IpAddress = t.Union[IPv4Address, IPv6Address]


class UrlInvalid(Exception):
    """A URL, or its host and port, cannot be used; the text says why and contains no part of the URL."""


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port (RFC 6454). host is lower case; an IPv6 address has no brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host, and the port unless it is the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True)
class Url:
    """An http or https URL without user information and fragment.

    Each part can be read in only one way, so that the checked URL is the one connected to. path and query are sent byte
    for byte as they are here, because storage compares the bytes of signed URLs.
    """

    origin: Origin
    path: str
    query: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read an absolute URL in the characters of RFC 3986. Raises UrlInvalid."""
        if _UNSAFE.search(text[:MAX_URL]):
            raise UrlInvalid("it contains characters that are not permitted in URLs")
        return _read(text)

    def join(self, location: str) -> Url:
        """Resolve a reference, such as a Location or Link, against this URL (RFC 3986, 5.2). Raises UrlInvalid.

        Path and query are kept as received, dot segments included. Spaces and characters outside of ASCII, which cannot
        be sent, are percent-encoded; control characters are refused.
        """
        encoded = _percent_encode(location)
        if encoded.startswith(("\\", "/\\")):
            raise UrlInvalid("it begins with a backslash")
        if encoded.startswith("//"):
            return _read(f"{self.origin.scheme}:{encoded}")
        if encoded.startswith("/"):
            return _read(f"{self.origin}{encoded}")
        if _SCHEME.match(encoded):
            return _read(encoded)
        try:
            return _read(urljoin(self.text, encoded))
        except ValueError:
            raise UrlInvalid("it is malformed") from None

    @property
    def target(self) -> str:
        """Path and query, as in a request line; the query may contain secrets."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def text(self) -> str:
        """The complete URL; its query may contain secrets."""
        return f"{self.origin}{self.target}"

    @property
    def safe(self) -> str:
        """The URL without its query, for messages."""
        return f"{self.origin}{self.path}"

    def __str__(self) -> str:
        return self.safe


def _read(text: str) -> Url:
    """Split an absolute URL in visible ASCII characters. Raises UrlInvalid."""
    if len(text) > MAX_URL:
        raise UrlInvalid(f"it is longer than {MAX_URL} characters")
    match = _URL.fullmatch(text)
    if match is None:
        raise UrlInvalid("it is not an http or https URL")
    scheme, authority, path, query = match.groups()
    if "@" in authority:
        raise UrlInvalid("it contains a user name or password")
    host, port = parse_authority(authority, scheme=scheme.lower())
    return Url(Origin(scheme.lower(), host, port), path or "/", query)


def _percent_encode(location: str) -> str:
    """Percent-encode spaces and characters outside of ASCII in a reference. Raises UrlInvalid."""
    if len(location) > MAX_URL:
        raise UrlInvalid(f"it is longer than {MAX_URL} characters")
    raw = location.encode("latin-1", "replace") if _is_latin(location) else location.encode("utf-8", "replace")
    encoded = percent_encode(raw, safe=_KEPT)
    if _UNSENDABLE.search(encoded):
        raise UrlInvalid("it contains control characters")
    return encoded


def parse_authority(text: str, *, scheme: str) -> tuple[str, int]:
    """Split as split_authority() does, with the default port of the scheme. Raises UrlInvalid."""
    host, port = split_authority(text)
    return host, port or DEFAULT_PORTS[scheme]


def split_authority(text: str) -> tuple[str, int | None]:
    """Split "host", "host:port" or "[IPv6]:port" into lower-case host and port. Raises UrlInvalid."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise UrlInvalid("it has no valid host and port; an IPv6 address must be in brackets")
    host, digits = match.groups()
    port = int(digits) if digits else None
    if port is not None and not 0 < port < 65536:
        raise UrlInvalid("its port is not between 1 and 65535")
    if host.startswith("["):
        address = _literal(host[1:-1])
        if address is None or address.version != 6:
            raise UrlInvalid("the text in brackets is not an IPv6 address")
        return str(address), port
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise UrlInvalid("its host is neither a name nor an address (write names outside of ASCII in their xn-- form)")
    return host.lower(), port


def literal_address(host: str) -> IpAddress | None:
    """Return the address that a host is, None for a name. Raises UrlInvalid for unusual spellings of addresses.

    Resolvers accept 127.1, 0x7f000001 and 2130706433 as addresses; no name ends in a numeric label.
    """
    host = host.rstrip(".")
    address = _literal(host)
    if address is None and re.fullmatch(r"(?:0x[0-9a-f]*|[0-9]+)", host.rpartition(".")[2], re.IGNORECASE):
        raise UrlInvalid("its host is an address in an unusual spelling")
    return address


def _literal(text: str) -> IpAddress | None:
    from ipaddress import ip_address

    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_latin(text: str) -> bool:
    return all(ord(char) < 256 for char in text)


__all__ = (
    "DEFAULT_PORTS",
    "MAX_URL",
    "Origin",
    "Url",
    "UrlInvalid",
    "literal_address",
    "parse_authority",
    "split_authority",
)
