# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers unpacked into a directory that hostile ground surrounds, for the tests of the changeset rules.

The entries of a layer come from tar_entries.py. A Box is a root to unpack into; the Ground it stands on
holds what a layer must never reach, in the places where attacks look for it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import stat
import traceback
import typing as t
from pathlib import Path

from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.plugins.module_utils._oci.digest import Digest
from ansible_collections.attested.registry.plugins.module_utils._unpack.confine import (
    PathResolver,
    kernel_resolver,
    walk,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
    LayerSource,
    Options,
    Unpacked,
    open_root,
    unpack_layers,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.record import Recording
from ansible_collections.attested.registry.plugins.module_utils._unpack.remove import remove_tree

from .descriptors import open_descriptors
from .tar_entries import Compression, Entry, compress, tar

ResolverName = t.Literal["openat2", "walk"]
RESOLVERS: tuple[ResolverName, ...] = ("openat2", "walk")
PIECE = 10_000
"""Not a multiple of a tar block, so that headers and content are cut anywhere."""

_SECRET = b"secret of the host\n"
_LONG_AGO = 10**18 + 1

Content = t.Union[bytes, t.Sequence[Entry]]


def resolver_named(name: ResolverName) -> PathResolver:
    """The resolver of that name; raises RuntimeError where the kernel has no openat2."""
    found = walk if name == "walk" else kernel_resolver()
    if found is None:
        raise RuntimeError("These tests need openat2(2): Linux 5.6, and a sandbox that lets the system call through.")
    return found


def require_root() -> None:
    """Raises RuntimeError unless the tests run as root: only root may give files away."""
    if os.geteuid() != 0:
        raise RuntimeError("The tests of unpacking run as root: owners, devices and capabilities are part of them.")


class Refused(Exception):
    """What call_as raises for a CollectionError in the child: its message and fields."""

    def __init__(self, message: str, fields: t.Mapping[str, object]) -> None:
        super().__init__(message)
        self.fields = fields


def call_as(uid: int, function: t.Callable[[], t.Any]) -> t.Any:
    """Calls function in a child process that belongs to that user alone and returns what it returns.

    Raises Refused for a CollectionError there, RuntimeError with the traceback for anything else.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(uid, function, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    kind, value = pickle.loads(answer)
    if kind == "refused":
        raise Refused(*value)
    if kind == "failed":
        raise RuntimeError(value)
    return value


def _answer(uid: int, function: t.Callable[[], t.Any], writer: int) -> t.NoReturn:
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        answer = pickle.dumps(("returned", function()))
    except CollectionError as exc:
        answer = pickle.dumps(("refused", (exc.message, exc.fields)))
    except BaseException:
        answer = pickle.dumps(("failed", traceback.format_exc()))
    with contextlib.suppress(OSError), os.fdopen(writer, "wb") as stream:
        stream.write(answer)
    os._exit(0)


def layer_source(
    content: Content, *, compression: Compression = "none", name: str = "layer", diff_id: Digest | None = None
) -> LayerSource:
    """A layer with these entries, or these bytes of a tar archive; diff_id is what it promises to be."""
    data = content if isinstance(content, bytes) else tar(content)
    blob = compress(data, compression)

    @contextlib.contextmanager
    def opened() -> t.Iterator[t.Iterator[bytes]]:
        yield (blob[start : start + PIECE] for start in range(0, len(blob), PIECE))

    return LayerSource(name, compression, diff_id or Digest.of(data), opened)


class Status(t.NamedTuple):
    """All that one name shows to lstat(2) and to whoever reads it."""

    kind: str
    mode: int
    uid: int
    gid: int
    links: int
    inode: int
    mtime: int
    data: object
    xattrs: tuple[tuple[str, bytes], ...]


def survey(top: Path, *, leave_out: t.Container[str] = ()) -> dict[str, Status]:
    """Everything below top, which itself is ".", by relative path. Follows no link and opens nothing but files.

    leave_out are names directly in top that are not looked at.
    """
    found = {}
    pending = [(".", os.fspath(top))]
    while pending:
        name, path = pending.pop()
        found[name] = _status(path)
        if found[name].kind == "directory":
            prefix = "" if name == "." else name + "/"
            names = [below for below in os.listdir(path) if prefix + below not in leave_out]
            pending.extend((prefix + below, os.path.join(path, below)) for below in names)
    return found


def _status(path: str) -> Status:
    status = os.lstat(path)
    data: object = None
    kind = _kind(status.st_mode)
    if kind == "file":
        data = Path(path).read_bytes()
    elif kind == "symlink":
        data = os.readlink(path)
    elif kind in ("character", "block"):
        data = (os.major(status.st_rdev), os.minor(status.st_rdev))
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return Status(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_ino,
        status.st_mtime_ns,
        data,
        tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "directory",
        stat.S_IFLNK: "symlink",
        stat.S_IFCHR: "character",
        stat.S_IFBLK: "block",
        stat.S_IFIFO: "fifo",
    }
    return kinds[stat.S_IFMT(mode)]


class Ground:
    """A directory that holds a root to unpack into, and around it what a layer must never reach.

    It is made once and used for many unpacks; check says whether all of it is as it was.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.victim = base / "victim"
        self.cwd = base / "cwd"
        base.chmod(0o711)
        self.root.mkdir()
        for place in (base, self.victim, self.cwd, base / "root-evil"):
            _furnish(place)
        self.clear()
        self._outside = self._survey()

    def clear(self, *, owner: int = 0) -> None:
        """Makes the root anew, empty, for that user."""
        base = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            remove_tree(base, b"root")
            os.mkdir("root", 0o700, dir_fd=base)
            os.chown("root", owner, owner, dir_fd=base)
            os.utime(base, ns=(_LONG_AGO, _LONG_AGO))
        finally:
            os.close(base)

    def check(self) -> None:
        """Raises AssertionError if anything outside the root has changed."""
        assert self._survey() == self._outside

    def _survey(self) -> dict[str, Status]:
        return survey(self.base, leave_out=("root",))


class Box:
    """An empty root on some ground, to unpack into with one resolver.

    The process should be in ground.cwd, which holds the names that layers use, so that a path relative to the wrong
    directory finds something. Unless apart is changed, one resolver works in a process of its own, the other one in
    this one: what is put in the place of a system call can only be seen there. check tells whether anything outside the
    root changed or a descriptor was left open.
    """

    def __init__(self, ground: Ground, *, resolver: ResolverName, owner: int = 0) -> None:
        ground.clear(owner=owner)
        self.ground = ground
        self.root = ground.root
        self.victim = ground.victim
        self.warnings: list[str] = []
        self.resolver = resolver
        self.apart = resolver == "openat2"
        self._resolve = resolver_named(resolver)
        self._descriptors = open_descriptors()

    def unpack(
        self, *layers: Content, fresh: bool = True, compression: Compression = "none", **options: t.Any
    ) -> Unpacked:
        """Unpacks the layers into the root."""
        sources = [layer_source(layer, compression=compression) for layer in layers]
        return self.unpack_sources(sources, fresh=fresh, **options)

    def unpack_sources(
        self,
        sources: t.Sequence[LayerSource],
        *,
        fresh: bool = True,
        recording: Recording | None = None,
        **options: t.Any,
    ) -> Unpacked:
        """Unpacks the layers into the root; options are fields of Options."""
        root = open_root(os.fspath(self.root))
        try:
            return unpack_layers(
                root,
                sources,
                options=Options(**options),
                warn=self.warnings.append,
                fresh=fresh,
                resolver=self._resolve,
                apart=self.apart,
                recording=recording,
            )
        finally:
            os.close(root)

    def survey(self) -> dict[str, Status]:
        """Everything in the root."""
        return survey(self.root)

    def tree(self) -> dict[str, object]:
        """What is in the root, short: a file's bytes, "-> target" of a link, "/" for a directory, else the kind."""
        return {name: _short(status) for name, status in self.survey().items() if name != "."}

    def status(self, path: str) -> Status:
        """One name in the root."""
        return _status(os.path.join(self.root, path))

    def check(self) -> None:
        """Raises AssertionError if anything outside the root changed or a descriptor stayed open."""
        assert open_descriptors() <= self._descriptors
        self.ground.check()


def _short(status: Status) -> object:
    if status.kind == "file":
        return status.data
    if status.kind == "symlink":
        return f"-> {status.data}"
    return "/" if status.kind == "directory" else status.kind


def _furnish(place: Path) -> None:
    """Puts into a directory what attacks look for, with times long ago, so that any change shows."""
    for name in ("etc", "sub"):
        (place / name).mkdir(parents=True)
    for name in ("secret", "hello", "etc/passwd", "etc/shadow", "a", "x", "target", "sub/file"):
        file = place / name
        file.write_bytes(_SECRET)
        file.chmod(0o640)
    (place / "link").symlink_to("secret")
    os.link(place / "secret", place / "other-name-of-secret")
    os.mkfifo(place / "fifo")
    for directory, dummy, names in os.walk(place, topdown=False):
        for name in (*names, "."):
            os.utime(os.path.join(directory, name), ns=(_LONG_AGO, _LONG_AGO), follow_symlinks=False)


__all__ = (
    "RESOLVERS",
    "Box",
    "Content",
    "Ground",
    "Refused",
    "ResolverName",
    "Status",
    "call_as",
    "layer_source",
    "require_root",
    "resolver_named",
    "survey",
)
