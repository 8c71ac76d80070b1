# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Image references as docker, podman and skopeo read them, and selectors: tag, digest or both."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._base.text import quote
from .digest import Digest
from .errors import DigestError, ReferenceInvalid
from .names import check_repository, check_tag

DOCKER_HUB: t.Final = "docker.io"
DEFAULT_TAG: t.Final = "latest"

_LEGACY_HUB: t.Final = "index.docker.io"
_OFFICIAL: t.Final = "library/"
_MAX_HOST: t.Final = 255
# host, name, tag and the longest digest together are shorter
_MAX_TEXT: t.Final = 1024

_LABEL: t.Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY: t.Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]{{2,45}}\])(?::([0-9]{{1,5}}))?"


@dataclass(frozen=True)
class Selector:
    """Selects a manifest in a repository: a tag, a digest, or a tag that must lead to that digest."""

    tag: str | None
    digest: Digest | None

    def __post_init__(self) -> None:
        if self.tag is None and self.digest is None:
            raise ReferenceInvalid("A reference must name a tag, a digest or both.")
        if self.tag is not None:
            check_tag(self.tag)

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read "tag", "algorithm:hex" or "tag@algorithm:hex". Raises ReferenceInvalid.

        A colon marks a digest, because tags cannot contain one.
        """
        if not isinstance(text, str) or not text:
            raise ReferenceInvalid(f"The reference must be a tag or a digest, not {quote(text)}.")
        if "@" in text:
            tag, dummy, digest = text.partition("@")
            return cls(tag, _parse_digest(digest))
        if ":" in text:
            return cls(None, _parse_digest(text))
        return cls(text, None)

    @property
    def path(self) -> str:
        """What follows /manifests/ in the URL: the digest if there is one, else the tag."""
        return str(self.digest) if self.digest is not None else str(self.tag)

    def __str__(self) -> str:
        return "@".join(str(part) for part in (self.tag, self.digest) if part is not None)


@dataclass(frozen=True)
class Reference:
    """A complete image reference, as docker and podman read it.

    registry is "host" or "host:port"; every part has been checked. Raises ReferenceInvalid.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        _check_registry(self.registry)
        check_repository(self.repository)
        if self.tag is not None:
            check_tag(self.tag)

    @classmethod
    def parse(cls, text: str, *, default_tag: str | None = DEFAULT_TAG) -> Reference:
        """Read a reference as users type it. Raises ReferenceInvalid.

        Without a registry it means docker.io, where a name without a namespace is in library/; index.docker.io is
        docker.io. The text before the first slash is a registry if it is localhost or contains a full stop, a colon or
        an upper-case letter. Without tag and digest the tag is default_tag. A text of exactly 64 hexadecimal digits is
        refused, because docker reads it as an image id.
        """
        _check_text(text)
        name, at, digest_text = text.partition("@")
        registry, remainder = _split_registry(name)
        repository, colon, tag = remainder.partition(":")
        digest = _parse_digest(digest_text) if at else None
        given = tag if colon else None
        try:
            return cls(registry, repository, default_tag if given is None and digest is None else given, digest)
        except ReferenceInvalid as exc:
            raise ReferenceInvalid(f"The image reference {quote(text)} is invalid. {exc.message}") from None

    @property
    def familiar(self) -> str:
        """The shortest text that docker reads as the same reference."""
        name = f"{self.registry}/{self.repository}"
        for prefix in (f"{DOCKER_HUB}/{_OFFICIAL}", f"{DOCKER_HUB}/"):
            short = name[len(prefix) :] if name.startswith(prefix) else ""
            reads_the_same = _split_registry(short) == (self.registry, self.repository)
            if reads_the_same and not _is_id(short + self._suffix()):
                return short + self._suffix()
        return str(self)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag is not None else "") + (f"@{self.digest}" if self.digest is not None else "")

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}{self._suffix()}"


def _is_id(text: str) -> bool:
    encoded = text[len("sha256:") :] if text.startswith("sha256:") else text
    return len(encoded) == 64 and not encoded.strip("0123456789abcdef")


def _check_text(text: str) -> None:
    if not isinstance(text, str) or not text:
        raise ReferenceInvalid(f"The image reference must be text such as registry/name:tag, not {quote(text)}.")
    if "://" in text:
        raise ReferenceInvalid(
            "The image reference contains a scheme such as https://; give registry/name:tag, and choose between "
            "TLS and plain HTTP by the option tls."
        )
    if len(text) > _MAX_TEXT:
        raise ReferenceInvalid(f"The image reference has {len(text)} characters, {_MAX_TEXT} is the limit.")
    if _is_id(text):
        raise ReferenceInvalid(
            f"The image reference {quote(text)} reads as an image id; put a registry or a namespace before a name, "
            "or a name and @ before a digest."
        )


def _split_registry(name: str) -> tuple[str, str]:
    head, slash, tail = name.partition("/")
    if not slash:
        return DOCKER_HUB, _OFFICIAL + name
    if head != "localhost" and head == head.lower() and "." not in head and ":" not in head:
        return DOCKER_HUB, name
    if head not in (DOCKER_HUB, _LEGACY_HUB):
        return head, tail
    return DOCKER_HUB, tail if "/" in tail else _OFFICIAL + tail


def _check_registry(text: str) -> None:
    match = re.fullmatch(_REGISTRY, text) if isinstance(text, str) and len(text) <= _MAX_HOST else None
    if match is None or not 0 < int(match.group(1) or 1) < 65536:
        raise ReferenceInvalid(
            f"The registry {quote(text)} is invalid: it must be a host name or address, an IPv6 address in brackets, "
            "and may end in a colon and a port."
        )


def _parse_digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except DigestError as exc:
        # text before an @ is not shown: a URL may have a password there
        raise ReferenceInvalid(
            f"The reference is invalid: text after @, or text with a colon, must be a digest. {exc.message}"
        ) from None


__all__ = ("DEFAULT_TAG", "DOCKER_HUB", "Reference", "Selector")
