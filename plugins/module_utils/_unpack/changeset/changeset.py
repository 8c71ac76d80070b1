# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Apply the entries of one layer to a tree: image-spec, layer.md, "Applying Changesets" and "Whiteouts".

writer.py makes one Changeset for each layer.

A layer is a set of changes to the layers below it. Its entries are applied in the order of the archive. A file, link,
device node or fifo replaces whatever has its name, a directory included; a directory merges with a directory and
replaces its attributes. A whiteout (.wh.NAME) removes NAME and an opaque whiteout (.wh..wh..opq) removes everything in
its directory, but only what lower layers put there, wherever in the archive the marker stands. So each layer keeps a
table of the names that it made (whiteout.Pruner). A regular file that a whiteout names is removed only after the last
entry of the layer, because a hard link of the layer may still refer to it; all that a hidden or opaque directory holds
is removed at once. Attributes of directories are set after the last layer (tree.Tree.finish),
because each change in a directory changes its times and may need its permissions.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import typing as t

from ..._base.text import Warn, visible
from ..errors import LayerInvalid, UnpackError, filesystem_error
from ..limits import Budget
from ..tar.entry import Entry
from ..tar.reader import TarReader
from ..tree.inode_table import InodeTable, Scratch
from ..tree.metadata import Attributes, Attributor
from ..tree.tree import Directory, Tree
from .entry_path import split_path
from .file_content import CREATE, write_content, write_sparse
from .whiteout import PREFIX, Pruner, is_aufs_metadata, parse_whiteout

DevicePolicy = t.Literal["create", "skip", "fail"]

_NODES: t.Final = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
# The width of Linux's device numbers.
_MAJOR_BITS: t.Final = 12
_MINOR_BITS: t.Final = 20

# The most skipped device nodes that are remembered, so that hard links to them are skipped too.
_SKIPPED_NAMES: t.Final = 65536

_NOWHERE: t.Final = (errno.ENOENT, errno.ENOTDIR)
_MISLED: t.Final = {
    errno.ELOOP: "lies behind a loop of symbolic links",
    errno.ENOTDIR: "lies behind a symbolic link to something that is not a directory",
}


class Changeset:
    """The rules that apply the entries of one layer to a tree.

    lower says whether the tree may hold files of lower layers. digests, if given, receives the SHA-256 digest of each
    regular file's content by inode number. Raises UnpackError; changes made before the error stay.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        attributor: Attributor,
        devices: DevicePolicy,
        budget: Budget,
        digests: InodeTable | None,
        lower: bool,
        scratch: Scratch,
        warn: Warn,
    ) -> None:
        self._tree = tree
        self._attributor = attributor
        self._devices = devices
        self._budget = budget
        self._digests = digests
        self._warn = warn
        self._lower = Pruner(touch=tree.keep_time, imply=tree.imply, scratch=scratch) if lower else None
        self._hidden_files = _HiddenFiles()
        self._skipped: set[tuple[int, bytes]] = set()
        self._skipped_devices = 0

    def apply(self, reader: TarReader) -> None:
        """Apply all entries that reader yields."""
        for entry in reader.entries():
            self._budget.add_entry()
            self._tree.release()
            try:
                self._apply_entry(entry, reader)
            except (UnpackError, OSError) as exc:
                _raise_for(entry.path, exc)
        for directory, inode, name in self._hidden_files:
            self._tree.release()
            try:
                self._hide_file(directory, inode, name)
            except (UnpackError, OSError) as exc:
                _raise_for(os.path.join(directory, name), exc)
        self._tree.forget()
        if self._skipped_devices:
            count = self._skipped_devices
            self._warn(f"{count} device nodes of the image were skipped; set devices: create to make them.")

    def _apply_entry(self, entry: Entry, reader: TarReader) -> None:
        directory, name = split_path(entry.path)
        if not name:
            self._apply_root(entry)
        elif entry.path.find(PREFIX) < 0 or not self._apply_marker(directory, name):  # see split_path() on find()
            self._make(self._tree.directory(directory, make=True), name, entry, reader)

    def _apply_root(self, entry: Entry) -> None:
        if entry.kind != "directory":
            raise _entry_error(entry.path, f"would make the root of the tree a {entry.kind}")
        self._tree.set_root(self._hold_attributes(entry))

    def _apply_marker(self, directory: bytes, name: bytes) -> bool:
        """Apply a whiteout or skip AUFS bookkeeping; return whether the entry was one of them."""
        components = directory.split(b"/")
        if is_aufs_metadata(name) or any(map(is_aufs_metadata, components)):
            return True
        if any(component.startswith(PREFIX) for component in components):
            raise _entry_error(directory + b"/" + name, "lies below a name that is reserved for whiteouts")
        whiteout = parse_whiteout(name)
        if whiteout is None:
            return False
        if self._lower is not None:
            self._hide(directory, whiteout.name, self._lower)
        return True

    def _hide(self, directory: bytes, name: bytes, lower: Pruner) -> None:
        """Remove the file of lower layers at name in directory, or all files of lower layers there if name is empty.

        A regular file that a whiteout names is removed at the end of the layer: a hard link may still refer to it.
        """
        found = self._find(directory, name)
        if found is None:
            return
        parent, mode = found
        if not name:
            lower.empty(parent.descriptor)
            self._tree.forget()
        elif stat.S_ISDIR(mode):
            lower.remove_directory(parent.descriptor, name)
            self._tree.forget()
        elif lower.has(parent.inode, name):
            return
        elif stat.S_ISREG(mode):
            self._hidden_files.add(directory, parent.inode, name)
        else:
            self._tree.remove(parent, name)

    def _hide_file(self, directory: bytes, inode: int, name: bytes) -> None:
        """Remove a file of lower layers.

        Keep it if the layer has made its name meanwhile, or if the path leads to another directory by now.
        """
        found = self._find(directory, name)
        if found is None or self._lower is None:
            return
        parent, mode = found
        if parent.inode == inode and stat.S_ISREG(mode) and not self._lower.has(inode, name):
            self._tree.remove(parent, name)

    def _find(self, directory: bytes, name: bytes) -> tuple[Directory, int] | None:
        """Return the directory and the mode of name in it; None if there is none.

        With an empty name the mode is that of the directory.
        """
        try:
            parent = self._tree.directory(directory)
            return parent, self._tree.status(parent, name or b".").st_mode
        except OSError as exc:
            if exc.errno in _NOWHERE:
                return None
            raise

    def _make(self, parent: Directory, name: bytes, entry: Entry, reader: TarReader) -> None:
        if entry.kind == "file":
            self._make_file(parent, name, entry, reader)
        elif entry.kind == "directory":
            self._tree.make_directory(parent, name, self._hold_attributes(entry))
        elif entry.kind == "symlink":
            self._make_symlink(parent, name, entry)
        elif entry.kind == "hardlink":
            if not self._make_hardlink(parent, name, entry):
                return
        elif not self._make_node(parent, name, entry):
            return
        if self._lower is not None:
            self._lower.add(parent.inode, name)

    def _hold_attributes(self, entry: Entry) -> Attributes:
        """Return the attributes of a directory, which are set at the end."""
        attributes = self._attributor.filter_xattrs(_attributes(entry))
        if attributes.xattrs:
            self._budget.hold(sum(len(name) + len(value) for name, value in attributes.xattrs.items()))
        return attributes

    def _make_file(self, parent: Directory, name: bytes, entry: Entry, reader: TarReader) -> None:
        descriptor = self._create(parent, name, self._attributor.creation_mode(entry))
        try:
            digest = None if self._digests is None else hashlib.sha256()
            if entry.sparse is None:
                write_content(descriptor, reader.content(), digest)
            else:
                write_sparse(descriptor, reader.content(), entry.sparse, budget=self._budget, digest=digest)
            self._attributor.set_file(descriptor, entry)
            if self._digests is not None and digest is not None:
                self._digests[os.fstat(descriptor).st_ino] = digest.digest()
        finally:
            os.close(descriptor)

    def _create(self, parent: Directory, name: bytes, mode: int) -> int:
        """Open a new file; if the name exists already, remove that first, whatever its type."""
        try:
            return os.open(name, CREATE, mode, dir_fd=parent.descriptor)
        except FileExistsError:
            self._tree.remove(parent, name)
            return os.open(name, CREATE, mode, dir_fd=parent.descriptor)

    def _make_symlink(self, parent: Directory, name: bytes, entry: Entry) -> None:
        if not entry.target:
            raise _entry_error(entry.path, "is a symbolic link without a target")
        self._make_replacing(parent, name, lambda: os.symlink(entry.target, name, dir_fd=parent.descriptor))
        self._attributor.set_symlink(parent.descriptor, name, entry)

    def _make_hardlink(self, parent: Directory, name: bytes, entry: Entry) -> bool:
        """Link to entry.target, which is resolved inside the root as every path is: a hard link cannot leave the tree.

        Attributes in the header of a hard link do not count. Return whether a link was made: a link to a skipped device
        node is skipped too.
        """
        directory, target = split_path(entry.target)
        found = self._find(directory, target)
        if found is None and self._is_skipped(directory, target):
            self._skip(parent, name)
            return False
        if found is None or stat.S_ISDIR(found[1]):
            raise _entry_error(entry.path, f"is a hard link to {visible(entry.target)}, where there is no file")
        source = found[0]
        if (source.inode, target) == (parent.inode, name):
            raise _entry_error(entry.path, "is a hard link to itself")

        def link() -> None:
            os.link(target, name, src_dir_fd=source.descriptor, dst_dir_fd=parent.descriptor, follow_symlinks=False)

        try:
            self._make_replacing(parent, name, link)
        except FileNotFoundError as exc:
            raise _entry_error(entry.path, f"is a hard link to {visible(entry.target)}, which it replaces") from exc
        return True

    def _make_node(self, parent: Directory, name: bytes, entry: Entry) -> bool:
        """Make a device node or fifo; return whether the policy allowed it."""
        major, minor = entry.device
        if not (0 <= major < 1 << _MAJOR_BITS and 0 <= minor < 1 << _MINOR_BITS):
            raise _entry_error(entry.path, f"has a device number that is out of range for Linux ({major}, {minor})")
        if entry.kind != "fifo" and self._devices != "create":
            if self._devices == "fail":
                raise _entry_error(entry.path, "is a device node, which devices: fail refuses")
            self._skip(parent, name)
            return False
        number = os.makedev(major, minor)
        mode = _NODES[entry.kind] | 0o600
        self._make_replacing(parent, name, lambda: os.mknod(name, mode, number, dir_fd=parent.descriptor))
        self._attributor.set_node(parent.descriptor, name, entry)
        return True

    def _skip(self, parent: Directory, name: bytes) -> None:
        """Skip a device node, and remove what lower layers have at its name."""
        self._skipped_devices += 1
        if len(self._skipped) < _SKIPPED_NAMES:
            self._skipped.add((parent.inode, name))
        self._make_replacing(parent, name, lambda: self._must_be_free(parent, name))

    def _is_skipped(self, directory: bytes, name: bytes) -> bool:
        found = self._find(directory, b"") if self._skipped else None
        return found is not None and (found[0].inode, name) in self._skipped

    def _must_be_free(self, parent: Directory, name: bytes) -> None:
        try:
            self._tree.status(parent, name)
        except FileNotFoundError:
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)

    def _make_replacing(self, parent: Directory, name: bytes, make: t.Callable[[], t.Any]) -> t.Any:
        """Call make; if the name exists already, remove that first, whatever its type."""
        try:
            return make()
        except FileExistsError:
            self._tree.remove(parent, name)
            return make()


class _HiddenFiles:
    """Names of files to remove, each with path and inode number of its directory; stored as one byte string."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._directory: tuple[bytes, int] | None = None

    def add(self, directory: bytes, inode: int, name: bytes) -> None:
        """Add a name in the directory of this path and inode number."""
        if self._directory != (directory, inode):
            self._directory = (directory, inode)
            self._data += b"/%d/%s\0" % (inode, directory)  # a slash marks a directory: no name has one
        self._data += name + b"\0"

    def __iter__(self) -> t.Iterator[tuple[bytes, int, bytes]]:
        directory, inode, begin = b"", 0, 0
        while begin < len(self._data):
            end = self._data.index(b"\0", begin)
            name = bytes(self._data[begin:end])
            if name.startswith(b"/"):
                number, dummy, directory = name[1:].partition(b"/")
                inode = int(number)
            else:
                yield directory, inode, name
            begin = end + 1


def _raise_for(path: bytes, error: UnpackError | OSError) -> t.NoReturn:
    """Raise the error of an entry with its path added."""
    if isinstance(error, UnpackError):
        raise error.add_context(path=visible(path)) from error.__cause__
    if error.errno in _MISLED:
        raise _entry_error(path, _MISLED[error.errno]) from error
    raise filesystem_error(error, doing="unpacking", path=path) from error


def _attributes(entry: Entry) -> Attributes:
    return Attributes(entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)


def _entry_error(path: bytes, why: str) -> LayerInvalid:
    shown = visible(path)
    return LayerInvalid(f"The entry {shown} of the layer {why}; the image cannot be unpacked.", path=shown)


__all__ = ("Changeset", "DevicePolicy")
