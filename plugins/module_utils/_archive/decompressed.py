# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Decompress an archive to an anonymous file, since content at an offset of a compressed one cannot be read.

opening.py calls this for each compression that layers may have.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from .._base.text import ignore, visible
from .._unpack.errors import CompressionUnavailable, LimitExceeded, UnpackError
from .._unpack.limits import Budget, Limits
from .._unpack.pipeline.decompress import CompressedInput, decompress
from .content import FileRange
from .errors import ArchiveTooLarge
from .tar_file import invalid_error


def decompress_to_file(fd: int, *, path: str, folder: str, limits: Limits, stack: contextlib.ExitStack) -> int:
    """Return the descriptor of a file without a name in folder, with the decompressed archive. stack closes it.

    The limits of an image apply to the archive as a whole. Raises ArchiveInvalid, ArchiveTooLarge,
    CompressionUnavailable.
    """
    with _translated(path, folder):
        file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - on the stack
        source = CompressedInput(FileRange(fd, 0, os.fstat(fd).st_size, path).pieces())
        budget = Budget(limits)
        for piece in decompress(source, declared=None, warn=ignore):
            budget.add_bytes(len(piece))
            budget.check_ratio(compressed=source.consumed, unpacked=budget.bytes)
            file.write(piece)
        file.flush()
        return file.fileno()


@contextlib.contextmanager
def _translated(path: str, folder: str) -> t.Iterator[None]:
    try:
        yield
    except LimitExceeded as exc:
        why = f"it decompresses to more than the limit ({exc.fields['limit']}: {exc.fields['maximum']})"
        raise _too_large(path, why, "decompress it before the task if you trust it") from None
    except CompressionUnavailable as exc:
        lacking = exc.fields.get("module") or "the library zstandard (0.19 or later; package python3-zstandard)"
        raise CompressionUnavailable(
            f"The archive {visible(path)} cannot be decompressed, because the Python of this host lacks {lacking}: "
            "install it, or decompress the archive before the task.",
            **exc.fields,
        ) from None
    except UnpackError as exc:
        raise invalid_error(path, "it is not a valid compressed file", "copy or save it again") from exc
    except OSError as exc:
        why = f"writing its decompressed content to {visible(folder)} failed ({exc.strerror})"
        advice = "make space there, set remote_tmp of Ansible, or decompress it before the task"
        raise _too_large(path, why, advice) from None


def _too_large(path: str, why: str, advice: str) -> ArchiveTooLarge:
    return ArchiveTooLarge(f"Reading the archive {visible(path)} failed: {why}; {advice}.", path=visible(path))


__all__ = ("decompress_to_file",)
