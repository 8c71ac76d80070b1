# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import typing as t

from .._oci.errors import CollectionError

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.basic import AnsibleModule

_FILE_MODE: t.Final = "0644"
_DIRECTORY_MODE: t.Final = "0755"
_OPTIONS: t.Final = ("mode", "owner", "group", "seuser", "serole", "setype", "selevel", "attributes")


class AttributesInvalid(CollectionError):
    """The file attributes that a task asks for cannot be understood."""

    kind = "configuration"


class FileAttributes:
    """Mode, owner and so on of the files of a layout, as the task says; directories can be entered by who may read."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._given = any(module.params[name] is not None for name in _OPTIONS)
        mode = module.params["mode"]
        self._modes = (_FILE_MODE, _DIRECTORY_MODE) if mode is None else (mode, _of_directory(mode))

    def prepare(self, path: str, is_directory: bool) -> None:
        """Gives them to a file, or directory, that is not at its place yet."""
        if self._given:
            self._set(path, is_directory, changed=False)

    def bring_in_line(self, root: str, names: Iterable[str]) -> bool:
        """Gives them to what is there: root, and the files of these names below it with their directories.

        Returns whether anything was, or in check mode would be, changed. Modes are left alone unless asked for.
        """
        if not self._given:
            return False
        names = [name for name in names if os.path.isfile(os.path.join(root, name))]
        folders = {os.path.dirname(name) for name in names} | {os.path.dirname(os.path.dirname(name)) for name in names}
        changed = False
        for name in sorted(folders | {""}):
            changed = self._set(os.path.join(root, name).rstrip("/"), True, changed=changed)
        for name in names:
            changed = self._set(os.path.join(root, name), False, changed=changed)
        return changed

    def _set(self, path: str, is_directory: bool, *, changed: bool) -> bool:
        if self._module.check_mode and not os.path.lexists(path):
            return changed
        arguments = self._module.load_file_common_arguments(self._module.params, path=path)
        if self._module.params["mode"] is not None:
            arguments["mode"] = self._modes[is_directory]
        result: bool = self._module.set_fs_attributes_if_different(arguments, changed)
        return result


def _of_directory(mode: t.Any) -> t.Any:
    """The mode of a directory: whoever may read may enter. A symbolic mode says that itself, by a capital X."""
    try:
        number = int(str(mode), 8)
    except ValueError:
        if not isinstance(mode, str):
            raise AttributesInvalid(f"The mode {mode!r} is neither octal nor symbolic.") from None
        return mode
    return f"{number | (number & 0o444) >> 2:04o}"


__all__ = ("AttributesInvalid", "FileAttributes")
