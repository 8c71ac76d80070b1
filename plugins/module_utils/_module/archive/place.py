# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The destination of an archive: its directory, the private directory beside it, and the attributes of the file.

oci_archive (run.py) and oci_image_export (_module/export/run.py) write archives.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._archive.pending import PendingArchive, pending_archive, state_name
from ..._base.lock_file import LockFileRefused
from ..._base.parents import ParentRefused, Parents, risk_warning
from ..._base.text import visible
from ..._layout.errors import LayoutError, write_errors
from ..._unpack.errors import FilesystemError
from ..._unpack.tree.reach import inside
from ..replaced_file import take_attributes

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json


class ArchivePlace:
    """The option dest of a task, with the symbolic links above it resolved.

    Warns if another user can replace the archive. Raises ParentRefused for a symbolic link of another user on the path,
    and for missing directories that must not be created; WriteFailed.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        dest: str = module.params["dest"]
        folder, name = os.path.split(dest)
        if name in ("", ".", ".."):
            raise ParentRefused(
                f"The archive cannot be written to {visible(dest)}: it is a directory; give a file in it."
            )
        with write_errors("Opening the directory of", dest), Parents(folder) as parents:
            parents.check()
            warning = risk_warning(f"the archive {visible(dest)}", parents.risk)
            if warning is not None:
                module.warn(warning)
            self.path = os.path.join(parents.path, name)

    @contextlib.contextmanager
    def folder(self) -> t.Iterator[tuple[int | None, bool]]:
        """Yield the open directory of the archive, and whether an ended run may have left something there.

        The directory is None if it does not exist. Raises ParentRefused, WriteFailed.
        """
        folder, name = os.path.split(self.path)
        with write_errors("Opening the directory of", self.path):
            parents = Parents(folder, follow=False)
        with parents:
            if parents.missing:
                yield None, False
            else:
                yield parents.fd, _exists(parents.fd, state_name(name))

    def pending(self) -> t.ContextManager[PendingArchive]:
        """Yield the archive to write, locked; see pending_archive()."""
        return pending_archive(self.path, timeout=self._module.params["lock_timeout"])

    def publish(self, pending: PendingArchive) -> None:
        """Put the new archive in its place, with its attributes. Raises WriteFailed, NoSpace."""
        pending.publish(lambda folder, name, fd: self._prepare(pending.folder, folder, name, fd))

    def _prepare(self, dest_folder: int, folder: int, name: str, fd: int) -> None:
        """Set the attributes of the new archive: those of the one that it replaces, then those of the options."""
        module = self._module
        replaces = take_attributes(fd, dest_folder, os.path.basename(self.path))
        with inside(folder):
            if not replaces and module.selinux_enabled():
                module.set_context_if_different(name, module.selinux_default_context(self.path), False)
            arguments = module.load_file_common_arguments(module.params, path=self.path)
            module.set_fs_attributes_if_different({**arguments, "path": os.path.join(".", name)}, False)

    def update_attributes(self, *, changed: bool, diff: Json) -> bool:
        """Set the attributes of the archive by the options; return whether anything was or would be changed."""
        module = self._module
        folder, name = os.path.split(self.path)
        arguments = module.load_file_common_arguments(module.params, path=self.path)
        with (
            write_errors("Setting the attributes of the archive", self.path),
            Parents(folder, follow=False) as parents,
            inside(parents.fd),
        ):
            relative = os.path.join(".", *parents.missing, name)
            result: bool = module.set_fs_attributes_if_different({**arguments, "path": relative}, changed, diff)
            return result

    def remove_left_over(self) -> None:
        """Remove files of ended runs, unless another run is active or this user lacks permission."""
        refusals = (LayoutError, FilesystemError, LockFileRefused, ParentRefused, OSError)
        with contextlib.suppress(*refusals), pending_archive(self.path, timeout=0) as pending:
            pending.clear()


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


__all__ = ("ArchivePlace",)
