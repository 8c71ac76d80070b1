# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The retry when a directory above a destination is removed while the destination is being opened.

A failing task removes the empty directories above its destination that it created, even if another task has just found
them. Used by BlobFile, LayeredDirectory and image/tree.py.
"""

from __future__ import annotations

import contextlib
import typing as t

from .._unpack.errors import FilesystemError

_TRIES: t.Final = 10
_T = t.TypeVar("_T")


@contextlib.contextmanager
def opened_again(enter: t.Callable[[contextlib.ExitStack], _T]) -> t.Iterator[_T]:
    """Yield the return value of enter, which registers its clean-up on the stack; call it again if it raises ENOENT.

    Raises what enter raises; FilesystemError with ENOENT only after the last try.
    """
    for left in reversed(range(_TRIES)):
        with contextlib.ExitStack() as stack:
            try:
                found = enter(stack)
            except FilesystemError as exc:
                if not left or exc.fields.get("errno") != "ENOENT":
                    raise
                continue
            yield found
            return


__all__ = ("opened_again",)
