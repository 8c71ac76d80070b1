# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import errno
import os
import stat
import typing as t

from .entry import Entry
from .entry_path import split_path
from .errors import LayerInvalid, UnpackError, filesystem_error, printable
from .file_content import CREATE, write_content, write_sparse
from .inode_table import InodeTable, Scratch
from .limits import Budget
from .metadata import Attributes, Attributor
from .tar import TarReader
from .tree import Directory, Tree
from .whiteout import PREFIX, Pruner, is_aufs_metadata, parse_whiteout

DevicePolicy = t.Literal["create", "skip", "fail"]
Warn = t.Callable[[str], None]

_NODES = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
_MAJOR_BITS = 12
_MINOR_BITS = 20
"""What Linux's device numbers hold."""

_SKIPPED_NAMES = 65536
"""How many device nodes that were left out are remembered, for the hard links to them."""

_NOWHERE = (errno.ENOENT, errno.ENOTDIR)
_MISLED = {
    errno.ELOOP: "lies behind symbolic links that lead in circles",
    errno.ENOTDIR: "lies behind a symbolic link to something that is no directory",
}


class Changeset:
    """Applies the entries of one layer to a tree, as image-spec, layer.md, "Applying Changesets" says.

    lower tells whether there may be anything of lower layers in the tree; digests, if given, receives the SHA-256
    digest of each regular file's content by inode number. Raises UnpackError; what was done until then stays.
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
        """Applies all entries that reader yields."""
        for entry in reader.entries():
            self._budget.add_entry()
            self._guarded(entry.path, self._entry, entry, reader)
        for directory, inode, name in self._hidden_files:
            self._guarded(os.path.join(directory, name), self._hide_file, directory, inode, name)
        self._tree.forget()
        if self._skipped_devices:
            self._warn(f"{self._skipped_devices} device nodes of the image were left out; devices: create makes them.")

    def _guarded(self, path: bytes, action: t.Callable[..., None], *arguments: t.Any) -> None:
        """Calls action; whatever fails names path."""
        self._tree.release()
        try:
            action(*arguments)
        except UnpackError as exc:
            raise exc.add_context(path=printable(path)) from exc.__cause__
        except OSError as exc:
            if exc.errno in _MISLED:
                raise _broken(path, _MISLED[exc.errno]) from exc
            raise filesystem_error(exc, doing="unpacking", path=path) from exc

    def _entry(self, entry: Entry, reader: TarReader) -> None:
        directory, name = split_path(entry.path)
        if not name:
            self._root(entry)
        elif PREFIX not in entry.path or not self._marker(directory, name):
            self._make(self._tree.directory(directory, make=True), name, entry, reader)

    def _root(self, entry: Entry) -> None:
        if entry.kind != "directory":
            raise _broken(entry.path, f"would make the root of the tree a {entry.kind}")
        self._tree.set_root(self._held(entry))

    def _marker(self, directory: bytes, name: bytes) -> bool:
        """Acts on a whiteout or AUFS bookkeeping; returns whether it was one."""
        components = directory.split(b"/")
        if is_aufs_metadata(name) or any(map(is_aufs_metadata, components)):
            return True
        if any(component.startswith(PREFIX) for component in components):
            raise _broken(directory + b"/" + name, "lies below a name that is kept for whiteouts")
        whiteout = parse_whiteout(name)
        if whiteout is None:
            return False
        if self._lower is not None:
            self._hide(directory, whiteout.name, self._lower)
        return True

    def _hide(self, directory: bytes, name: bytes, lower: Pruner) -> None:
        """Removes what lower layers have at name in directory, or with an empty name all they have there.

        Regular files go at the end of the layer: a hard link of the layer may still refer to one.
        """
        found = self._look(directory, name)
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
        """Removes a lower layer's file, unless its name is by now the layer's own or leads to another directory."""
        found = self._look(directory, name)
        if found is None or self._lower is None:
            return
        parent, mode = found
        if parent.inode == inode and stat.S_ISREG(mode) and not self._lower.has(inode, name):
            self._tree.remove(parent, name)

    def _look(self, directory: bytes, name: bytes) -> tuple[Directory, int] | None:
        """Returns the directory and the mode of name in it, or of itself for an empty name; none if there is none."""
        try:
            parent = self._tree.directory(directory)
            return parent, self._tree.status(parent, name or b".").st_mode
        except OSError as exc:
            if exc.errno in _NOWHERE:
                return None
            raise

    def _make(self, parent: Directory, name: bytes, entry: Entry, reader: TarReader) -> None:
        if entry.kind == "file":
            self._file(parent, name, entry, reader)
        elif entry.kind == "directory":
            self._tree.make_directory(parent, name, self._held(entry))
        elif entry.kind == "symlink":
            self._symlink(parent, name, entry)
        elif entry.kind == "hardlink":
            if not self._hardlink(parent, name, entry):
                return
        elif not self._node(parent, name, entry):
            return
        if self._lower is not None:
            self._lower.add(parent.inode, name)

    def _held(self, entry: Entry) -> Attributes:
        """The attributes of a directory, which are put on at the end."""
        attributes = self._attributor.kept(_attributes(entry))
        self._budget.hold(sum(len(name) + len(value) for name, value in attributes.xattrs.items()))
        return attributes

    def _file(self, parent: Directory, name: bytes, entry: Entry, reader: TarReader) -> None:
        descriptor = self._replacing(parent, name, lambda: os.open(name, CREATE, 0o600, dir_fd=parent.descriptor))
        try:
            if entry.sparse is None:
                digest = write_content(descriptor, reader.content())
            else:
                digest = write_sparse(descriptor, reader.content(), entry.sparse, budget=self._budget)
            self._attributor.set_file(descriptor, _attributes(entry))
            if self._digests is not None:
                self._digests[os.fstat(descriptor).st_ino] = digest
        finally:
            os.close(descriptor)

    def _symlink(self, parent: Directory, name: bytes, entry: Entry) -> None:
        if not entry.target:
            raise _broken(entry.path, "is a symbolic link without a target")
        self._replacing(parent, name, lambda: os.symlink(entry.target, name, dir_fd=parent.descriptor))
        self._attributor.set_symlink(parent.descriptor, name, _attributes(entry))

    def _hardlink(self, parent: Directory, name: bytes, entry: Entry) -> bool:
        """Links to what entry.target names below the root; the attributes in a link's header do not count. Returns
        whether it did: a link to a device node that was left out is one too."""
        directory, target = split_path(entry.target)
        found = self._look(directory, target)
        if found is None and self._is_skipped(directory, target):
            self._skip(parent, name)
            return False
        if found is None or stat.S_ISDIR(found[1]):
            raise _broken(entry.path, f"is a hard link to {printable(entry.target)}, where there is no file")
        source = found[0]
        if (source.inode, target) == (parent.inode, name):
            raise _broken(entry.path, "is a hard link to itself")

        def link() -> None:
            os.link(target, name, src_dir_fd=source.descriptor, dst_dir_fd=parent.descriptor, follow_symlinks=False)

        try:
            self._replacing(parent, name, link)
        except FileNotFoundError as exc:
            raise _broken(entry.path, f"is a hard link to {printable(entry.target)}, which it replaces") from exc
        return True

    def _node(self, parent: Directory, name: bytes, entry: Entry) -> bool:
        """Makes a device node or fifo; returns whether the policy let it be made."""
        major, minor = entry.device
        if not (0 <= major < 1 << _MAJOR_BITS and 0 <= minor < 1 << _MINOR_BITS):
            raise _broken(entry.path, f"has a device number that Linux does not have ({major}, {minor})")
        if entry.kind != "fifo" and self._devices != "create":
            if self._devices == "fail":
                raise _broken(entry.path, "is a device node, which devices: fail does not accept")
            self._skip(parent, name)
            return False
        number = os.makedev(major, minor)
        mode = _NODES[entry.kind] | 0o600
        self._replacing(parent, name, lambda: os.mknod(name, mode, number, dir_fd=parent.descriptor))
        self._attributor.set_node(parent.descriptor, name, _attributes(entry))
        return True

    def _skip(self, parent: Directory, name: bytes) -> None:
        """Leaves a device node out, and whatever lower layers have there."""
        self._skipped_devices += 1
        if len(self._skipped) < _SKIPPED_NAMES:
            self._skipped.add((parent.inode, name))
        self._replacing(parent, name, lambda: self._must_be_free(parent, name))

    def _is_skipped(self, directory: bytes, name: bytes) -> bool:
        found = self._look(directory, b"") if self._skipped else None
        return found is not None and (found[0].inode, name) in self._skipped

    def _must_be_free(self, parent: Directory, name: bytes) -> None:
        try:
            self._tree.status(parent, name)
        except FileNotFoundError:
            return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)

    def _replacing(self, parent: Directory, name: bytes, make: t.Callable[[], t.Any]) -> t.Any:
        """Calls make; if something has the name already, that is removed first, whatever it is."""
        try:
            return make()
        except FileExistsError:
            self._tree.remove(parent, name)
            return make()


class _HiddenFiles:
    """Names of files to be removed: path and inode number of the directory, and the name. Holds their bytes alone."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._directory: tuple[bytes, int] | None = None

    def add(self, directory: bytes, inode: int, name: bytes) -> None:
        if self._directory != (directory, inode):
            self._directory = (directory, inode)
            self._data += b"/%d/%s\0" % (inode, directory)  # no name has a slash
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


def _attributes(entry: Entry) -> Attributes:
    return Attributes(entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs)


def _broken(path: bytes, why: str) -> LayerInvalid:
    shown = printable(path)
    return LayerInvalid(f"The entry {shown} of the layer {why}; the image cannot be unpacked.", path=shown)


__all__ = ("Changeset", "DevicePolicy")
