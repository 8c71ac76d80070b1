# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The stamp of a generation: what was unpacked, from where and with which options, as a JSON file.

_module/image/present.py makes stamps, store.py reads them; load_format() reads state.json too.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

from .._base.errors import JsonInvalid
from .._base.strict_json import JsonObject, JsonValue, load
from .._oci.digest import Digest
from .._oci.errors import DigestError
from .._unpack.tree.mount_points import MountPoints
from .._unpack.tree.selection import Selection

FORMAT: t.Final = 1
# A manifest and a config of 4 MiB each, with room for the escapes of JSON.
MAX_BYTES: t.Final = 32 * 1024 * 1024

# A config may be 64 levels deep, and is a few levels down in the stamp.
_MAX_DEPTH: t.Final = 80
_MAX_LAYERS: t.Final = 512
_Value = t.TypeVar("_Value")
# A field of Stamp hides the name bytes.
_Bytes = bytes


class StampInvalid(Exception):
    """The bytes are not a stamp; the message is the reason, as part of a sentence."""


@dataclass(frozen=True)
class Stamp:
    """What was unpacked, from where, and with which options: it decides whether an unpack would change anything.

    reference is what the user asked for, digest the manifest's. image is the module result for the image, kept for
    diffs. created is UTC, as in 2026-01-31T12:00:00Z. entries and bytes count what was unpacked. signature is what was
    verified of the signatures of the image, None if nothing was; _trust/policy.py reads it.
    """

    registry: str
    repository: str
    reference: str
    digest: Digest
    index_digest: Digest | None
    platform: str
    config_digest: Digest
    diff_ids: tuple[Digest, ...]
    annotations: t.Mapping[str, str]
    image: JsonObject
    ownership: bool
    xattrs: str
    devices: str
    created: str
    entries: int
    bytes: int
    collection_version: str | None = None
    selection: Selection = Selection()
    mount_points: MountPoints = MountPoints()
    signature: JsonObject | None = None

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The digest of the manifest, and that of the index that led to it."""
        return (self.digest,) if self.index_digest is None else (self.digest, self.index_digest)

    def to_json(self) -> _Bytes:
        """Return the bytes that parse_stamp() reads. Raises StampInvalid if it could not read them back."""
        fields: dict[str, object] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["annotations"] = dict(self.annotations)
        for name in ("digest", "index_digest", "config_digest"):
            fields[name] = None if fields[name] is None else str(fields[name])
        fields["diff_ids"] = [str(diff_id) for diff_id in self.diff_ids]
        fields["selection"] = asdict(self.selection)
        fields["mount_points"] = asdict(self.mount_points)
        try:
            data = json.dumps({"format": FORMAT, **fields}, sort_keys=True).encode("ascii")
        except (TypeError, ValueError, RecursionError) as exc:
            raise StampInvalid(str(exc)) from None
        parse_stamp(data)
        return data


@dataclass(frozen=True)
class ForeignStamp:
    """The stamp of a tree that was at the destination before this collection, replaced at the time created."""

    created: str

    def to_json(self) -> _Bytes:
        """Return the bytes that parse_stamp() reads."""
        return json.dumps({"format": FORMAT, "foreign": True, **asdict(self)}).encode("ascii")


def parse_stamp(data: bytes) -> Stamp | ForeignStamp:
    """Parse any bytes as a stamp. Raises StampInvalid and nothing else."""
    fields = load_format(data, maximum=MAX_BYTES, max_depth=_MAX_DEPTH)
    if fields.get("foreign") is True:
        return ForeignStamp(_take(fields, "created", str))
    return Stamp(
        registry=_take(fields, "registry", str),
        repository=_take(fields, "repository", str),
        reference=_take(fields, "reference", str),
        digest=_digest(fields.get("digest"), "digest"),
        index_digest=None if fields.get("index_digest") is None else _digest(fields["index_digest"], "index_digest"),
        platform=_take(fields, "platform", str),
        config_digest=_digest(fields.get("config_digest"), "config_digest"),
        diff_ids=_digests(fields),
        annotations=_annotations(fields),
        image=_take(fields, "image", dict),
        ownership=_take(fields, "ownership", bool),
        xattrs=_take(fields, "xattrs", str),
        devices=_take(fields, "devices", str),
        created=_take(fields, "created", str),
        entries=_take(fields, "entries", int),
        bytes=_take(fields, "bytes", int),
        collection_version=_optional_text(fields, "collection_version"),
        selection=_selection(fields),
        mount_points=_mount_points(fields),
        signature=None if fields.get("signature") is None else _take(fields, "signature", dict),
    )


def load_format(data: bytes, *, maximum: int, max_depth: int = 16) -> JsonObject:
    """Return the JSON object in data if it has the format that this version writes. Raises StampInvalid."""
    try:
        fields = load(data, what="the file", max_bytes=maximum, max_depth=max_depth)
    except JsonInvalid as exc:
        raise StampInvalid(exc.reason) from None
    if not isinstance(fields, dict):
        raise StampInvalid("it is not a JSON object")
    version = fields.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < FORMAT:
        raise StampInvalid("its format is unknown")
    if version > FORMAT:
        raise StampInvalid(f"it has format {version} of a newer version of this collection")
    return fields


def _take(fields: JsonObject, name: str, kind: type[_Value]) -> _Value:
    value = fields.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise StampInvalid(f"its field {name} is missing or of the wrong type")
    return value


def _optional_text(fields: JsonObject, name: str) -> str | None:
    return None if fields.get(name) is None else _take(fields, name, str)


def _digest(value: JsonValue, name: str) -> Digest:
    try:
        return Digest.parse(value if isinstance(value, str) else "")
    except DigestError:
        raise StampInvalid(f"its field {name} is not a digest") from None


def _digests(fields: JsonObject) -> tuple[Digest, ...]:
    values = fields.get("diff_ids")
    if not isinstance(values, list) or len(values) > _MAX_LAYERS:
        raise StampInvalid("its field diff_ids is not a list of digests")
    return tuple(_digest(value, "diff_ids") for value in values)


def _selection(fields: JsonObject) -> Selection:
    """Return the part of the image that was kept: all of it in a stamp from before there was a choice."""
    if "selection" not in fields:
        return Selection()
    values: JsonObject = _take(fields, "selection", dict)
    return Selection(_texts(values, "include"), _texts(values, "exclude"), _take(values, "strip", str))


def _mount_points(fields: JsonObject) -> MountPoints:
    """Return what the tree has in addition to its image: nothing in a stamp from before there was a choice."""
    if "mount_points" not in fields:
        return MountPoints()
    values: JsonObject = _take(fields, "mount_points", dict)
    return MountPoints(_texts(values, "directories"), _texts(values, "files"))


def _texts(fields: JsonObject, name: str) -> tuple[str, ...]:
    values: list[JsonValue] = _take(fields, name, list)
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) != len(values):
        raise StampInvalid(f"its field {name} holds a value that is not text")
    return texts


def _annotations(fields: JsonObject) -> dict[str, str]:
    values = fields.get("annotations")
    if not isinstance(values, dict):
        raise StampInvalid("its field annotations is not an object")
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    if len(texts) != len(values):
        raise StampInvalid("its field annotations holds a value that is not text")
    return texts


__all__ = ("FORMAT", "MAX_BYTES", "ForeignStamp", "Stamp", "StampInvalid", "load_format", "parse_stamp")
