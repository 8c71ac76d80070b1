# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpack layers into a root whose surroundings a layer must never reach, for the tests of the changeset rules.

The entries of a layer come from tar_entries.py. A Box is a root to unpack into; the Ground around it holds the files
that attacks aim at, in the places where they look.
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
from ansible_collections.attested.registry.plugins.module_utils._unpack.layers import (
    LayerSource,
    Options,
    Unpacked,
    open_root,
    unpack_layers,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.record.record import Recording
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.confine import (
    PathResolver,
    kernel_resolver,
    walk,
)
from ansible_collections.attested.registry.plugins.module_utils._unpack.tree.remove import remove_tree

from ..processes.descriptors import open_descriptors
from .tar_entries import Compression, Entry, compress, tar

ResolverName = t.Literal["openat2", "walk"]
RESOLVERS: t.Final[tuple[ResolverName, ...]] = ("openat2", "walk")
# Not a multiple of a tar block, so that headers and content are cut at any position.
PIECE: t.Final = 10_000

_SECRET: t.Final = b"secret of the host\n"
_LONG_AGO: t.Final = 10**18 + 1

Content = t.Union[bytes, t.Sequence[Entry]]


def resolver_named(name: ResolverName) -> PathResolver:
    """Return the resolver of that name; raise RuntimeError if the kernel has no openat2."""
    found = walk if name == "walk" else kernel_resolver()
    if found is None:
        raise RuntimeError("These tests need openat2(2): Linux 5.6, and a sandbox that lets the system call through.")
    return found


def require_root() -> None:
    """Raise RuntimeError unless the tests run as root: only root may change owners."""
    if os.geteuid() != 0:
        raise RuntimeError("The tests of unpacking run as root: owners, devices and capabilities are part of them.")


class Refused(Exception):
    """A CollectionError in the child of call_as(), with its message and fields."""

    def __init__(self, message: str, fields: t.Mapping[str, object]) -> None:
        super().__init__(message)
        self.fields = fields


def call_as(uid: int, function: t.Callable[[], t.Any]) -> t.Any:
    """Call function in a child process as that user and group alone; return its result.

    Raises Refused for a CollectionError there, RuntimeError with the traceback for any other exception.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run_as(uid, function, writer)
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


def _run_as(uid: int, function: t.Callable[[], t.Any], writer: int) -> t.NoReturn:
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
    """Return a layer with these entries, or these bytes of a tar archive; diff_id defaults to the right one."""
    data = content if isinstance(content, bytes) else tar(content)
    blob = compress(data, compression)

    @contextlib.contextmanager
    def opened() -> t.Iterator[t.Iterator[bytes]]:
        yield (blob[start : start + PIECE] for start in range(0, len(blob), PIECE))

    return LayerSource(name, compression, diff_id or Digest.of(data), opened)


class Status(t.NamedTuple):
    """All that lstat(2) and a reader see of one name."""

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
    """Return the status of everything below top by relative path; top itself is ".".

    Follows no link and opens only files. The names in leave_out, directly in top, are skipped.
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
    """A directory with a root to unpack into, and around it files that a layer must never reach.

    It is made once and used for many unpacks; check() compares it with its first state.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.victim = base / "victim"
        self.cwd = base / "cwd"
        base.chmod(0o711)
        self.root.mkdir()
        for place in (base, self.victim, self.cwd, base / "root-evil"):
            _fill_with_targets(place)
        self.clear()
        self._outside = self._survey()

    def clear(self, *, owner: int = 0) -> None:
        """Make the root anew, empty, for that user."""
        base = os.open(self.base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            remove_tree(base, b"root")
            os.mkdir("root", 0o700, dir_fd=base)
            os.chown("root", owner, owner, dir_fd=base)
            os.utime(base, ns=(_LONG_AGO, _LONG_AGO))
        finally:
            os.close(base)

    def check(self) -> None:
        """Raise AssertionError if anything outside the root has changed."""
        assert self._survey() == self._outside

    def _survey(self) -> dict[str, Status]:
        return survey(self.base, leave_out=("root",))


class Box:
    """An empty root on some ground, to unpack into with one resolver.

    The process should be in ground.cwd, which has the names that layers use, so that a path relative to the wrong
    directory finds something. Unless apart is changed, one resolver works in a process of its own and the other one in
    this process, since a replaced system call works only here. check() raises if anything outside the root changed or a
    descriptor was left open.
    """

    def __init__(self, ground: Ground, *, resolver: ResolverName, owner: int = 0) -> None:
        ground.clear(owner=owner)
        self.ground = ground
        self.root = ground.root
        self.victim = ground.victim
        self.warnings: list[str] = []
        self.resolver = resolver
        self.apart = resolver == "openat2"
        self._resolver = resolver_named(resolver)
        self._descriptors = open_descriptors()

    def unpack(
        self, *layers: Content, fresh: bool = True, compression: Compression = "none", **options: t.Any
    ) -> Unpacked:
        """Unpack layers into the root."""
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
        """Unpack layers into the root; options are fields of Options."""
        root = open_root(os.fspath(self.root))
        try:
            return unpack_layers(
                root,
                sources,
                options=Options(**options),
                warn=self.warnings.append,
                fresh=fresh,
                resolver=self._resolver,
                apart=self.apart,
                recording=recording,
            )
        finally:
            os.close(root)

    def survey(self) -> dict[str, Status]:
        """Return the status of everything in the root."""
        return survey(self.root)

    def tree(self) -> dict[str, object]:
        """Return the content of the root in short.

        That is the bytes of a file, "-> target" of a link, "/" for a directory, else the kind.
        """
        return {name: _describe(status) for name, status in self.survey().items() if name != "."}

    def status(self, path: str) -> Status:
        """Return the status of one name in the root."""
        return _status(os.path.join(self.root, path))

    def check(self) -> None:
        """Raise AssertionError if anything outside the root changed or a descriptor stayed open."""
        assert open_descriptors() <= self._descriptors
        self.ground.check()


def _describe(status: Status) -> object:
    if status.kind == "file":
        return status.data
    if status.kind == "symlink":
        return f"-> {status.data}"
    return "/" if status.kind == "directory" else status.kind


def _fill_with_targets(place: Path) -> None:
    """Fill a directory with the files that attacks aim at, with old times, so that any change shows."""
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
