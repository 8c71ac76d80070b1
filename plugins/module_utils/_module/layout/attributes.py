# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Mode, owner and other attributes of the files of a layout. Called by run.py."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..._base.errors import CollectionError
from ..._unpack.tree.reach import inside

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.basic import AnsibleModule

_FILE_MODE: t.Final = "0644"
_DIRECTORY_MODE: t.Final = "0755"
_DIRECTORY: t.Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPTIONS: t.Final = ("mode", "owner", "group", "seuser", "serole", "setype", "selevel", "attributes")


class AttributesInvalid(CollectionError):
    """The file attributes in the options of a task are invalid."""

    kind = "configuration"


class FileAttributes:
    """The file attributes of the task's options, applied to files of a layout, and to directories with search bits."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._given = any(module.params[name] is not None for name in _OPTIONS)
        mode = module.params["mode"]
        self._modes = (_FILE_MODE, _DIRECTORY_MODE) if mode is None else (mode, _directory_mode(mode))

    def prepare(self, folder: int, name: str, is_directory: bool) -> None:
        """Set the attributes of a new file or directory in the open directory folder, before it is renamed."""
        if self._given:
            with inside(folder):
                self._set(name, is_directory, changed=False)

    def update(self, root: int, names: Iterable[str]) -> bool:
        """Set the attributes of the open directory root, and of the files with these names and their directories.

        Returns whether a file or directory was, or in check mode would be, changed. Follows no symbolic link below
        root. Changes no mode unless the task sets one. Raises OSError.
        """
        if not self._given:
            return False
        found: dict[str, list[str]] = {}
        for name in names:
            folder, base = os.path.split(name)
            found.setdefault(folder, []).append(base)
        with inside(root):
            changed = self._set(".", True, changed=False)
        for folder, files in sorted(found.items()):
            changed = self._update_folder(root, [part for part in folder.split("/") if part], files, changed=changed)
        return changed

    def _update_folder(self, root: int, way: list[str], files: list[str], *, changed: bool) -> bool:
        with contextlib.ExitStack() as stack:
            folder = root
            for part in way:
                try:
                    folder = os.open(part, _DIRECTORY, dir_fd=folder)
                except FileNotFoundError:
                    return changed
                stack.callback(os.close, folder)
                with inside(folder):
                    changed = self._set(".", True, changed=changed)
            with inside(folder):
                for name in files:
                    if os.path.isfile(name) and not os.path.islink(name):
                        changed = self._set(name, False, changed=changed)
        return changed

    def _set(self, name: str, is_directory: bool, *, changed: bool) -> bool:
        """Set the attributes of a name in the working directory. The SELinux context is that of its final path."""
        params = self._module.params
        arguments = self._module.load_file_common_arguments(params, path=os.path.join(params["dest"], name))
        arguments["path"] = os.path.join(".", name)
        if params["mode"] is not None:
            arguments["mode"] = self._modes[is_directory]
        result: bool = self._module.set_fs_attributes_if_different(arguments, changed)
        return result


def _directory_mode(mode: t.Any) -> t.Any:
    """Return an octal mode with search permission wherever it has read permission; a symbolic mode is unchanged."""
    try:
        number = int(str(mode), 8)
    except ValueError:
        if not isinstance(mode, str):
            raise AttributesInvalid(f"The mode {mode!r} is neither octal nor symbolic.") from None
        return mode
    return f"{number | (number & 0o444) >> 2:04o}"


__all__ = ("AttributesInvalid", "FileAttributes")
