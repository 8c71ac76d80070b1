# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Bring the file of oci_runtime_config to a text: atomically, with the attributes of the task, and with a diff of text.

run.py calls it.
"""

from __future__ import annotations

import typing as t
from contextlib import nullcontext

from ..._base.text import path_text
from ..._oci.digest import Digest
from ..blob_file import BlobFile, Content, Download
from ..blob_results import place, rest_of

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json

# A config of 4 MiB with all characters escaped is smaller; a longer file was not made by this module.
MAX_BYTES: t.Final = 32 * 1024 * 1024


def write_file(module: AnsibleModule, data: bytes, *, what: str, is_same: t.Callable[[bytes], bool]) -> Json:
    """Bring the file dest to these bytes, unless is_same says so of those that it has; return changed, dest and diff.

    In check mode nothing changes. Raises BlobFileError, ParentRefused, FilesystemError, Locked.
    """
    path: str = module.params["dest"]
    file = BlobFile(path, Digest.of(data), what=what)
    if file.warning is not None:
        module.warn(file.warning)
    found = file.content()
    text = None if found is None else file.beginning(min(found.size, MAX_BYTES))
    if found is not None and text is not None and (found.digest == file.digest or is_same(text)):
        done, after = Download(found.size, 0, changed=False), text
    else:
        done, after = _place(module, file, data, before=found), data
    diff = {
        "before_header": path_text(path),
        "after_header": path_text(path),
        "before": "" if text is None else text.decode("utf-8", "replace"),
        "after": after.decode("utf-8", "replace"),
    }
    # Ansible adds the attributes to a dictionary, not to text
    attributes: Json = {}
    changed = _set_attributes(module, file, attributes, changed=done.changed)
    return {"changed": changed, "dest": path, "diff": [diff, *([attributes] if attributes else [])]}


def _place(module: AnsibleModule, file: BlobFile, data: bytes, *, before: Content | None) -> Download:
    if module.check_mode:
        return Download(len(data), 0)
    return place(
        module, file, lambda offset, state: nullcontext(rest_of(data, file.digest, offset, state)), before=before
    )


def _set_attributes(module: AnsibleModule, file: BlobFile, diff: Json, *, changed: bool) -> bool:
    """Set owner, group and mode by the options of the task, and return whether anything has changed."""
    wanted = module.load_file_common_arguments(module.params)
    with file.reached() as path:
        return bool(module.set_fs_attributes_if_different({**wanted, "path": path}, changed, diff))


__all__ = ("MAX_BYTES", "write_file")
