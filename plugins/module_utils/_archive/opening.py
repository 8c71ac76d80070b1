# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Open the images at a path: the directory of a layout, an OCI archive, or an archive of docker save.

What it is, the content says and not the name. _module/registry/layout_source.py calls this.
"""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from .._base.text import visible
from .._layout.directory import LayoutDirectory
from .._layout.errors import LayoutError, LayoutInvalid
from .._unpack.limits import DEFAULT_LIMITS
from .content import read_at
from .docker_save import DockerArchive
from .layouts import LayoutArchive, LayoutFolder
from .tar_file import TarFile, invalid_error

if t.TYPE_CHECKING:
    from .._unpack.limits import Limits
    from .layouts import ImageFiles

# Without O_NONBLOCK, opening a fifo would wait for a writer.
_FLAGS: t.Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def opened_images(path: str, *, folder: t.Callable[[], str], limits: Limits = DEFAULT_LIMITS) -> t.Iterator[ImageFiles]:
    """Yield the images at a path.

    A compressed archive is decompressed, within limits, in the private directory that folder returns. Raises
    LayoutError, CompressionUnavailable.
    """
    with contextlib.ExitStack() as stack:
        try:
            fd = os.open(path, _FLAGS)
        except OSError as exc:
            raise LayoutInvalid(
                f"Opening {visible(path)} failed: {exc.strerror}; the option layout must be the path of a layout, an "
                "OCI archive or an archive of docker save that the user of the task may read.",
                path=visible(path),
            ) from None
        stack.callback(os.close, fd)
        try:
            files = _open(fd, path, folder, limits, stack)
        except LayoutError as exc:
            raise exc.add_context(path=visible(path)) from None
        yield files


def _open(fd: int, path: str, folder: t.Callable[[], str], limits: Limits, stack: contextlib.ExitStack) -> ImageFiles:
    kind = os.fstat(fd).st_mode
    if stat.S_ISDIR(kind):
        return LayoutFolder(stack.enter_context(LayoutDirectory(path, folder=fd)))
    if stat.S_ISREG(kind):
        return open_archive(fd, path, folder, stack, limits=limits)
    raise invalid_error(path, "it is neither a file nor a directory", "check the path")


def open_archive(
    fd: int,
    path: str,
    folder: t.Callable[[], str],
    stack: contextlib.ExitStack,
    *,
    limits: Limits = DEFAULT_LIMITS,
) -> LayoutArchive | DockerArchive:
    """Return the images in an archive in a regular file, which the caller keeps open. Raises as opened_images()."""
    from .._unpack.pipeline.decompress import MAGIC_BYTES, detect

    if detect(read_at(fd, 0, MAGIC_BYTES, path=path)) != "none":
        from .decompressed import decompress_to_file

        fd = decompress_to_file(fd, path=path, folder=folder(), limits=limits, stack=stack)
    archive = TarFile(fd, path=path)
    if "oci-layout" in archive.members:
        return LayoutArchive(archive)
    listing = archive.file("manifest.json")
    if listing is not None:
        return DockerArchive(archive, listing)
    raise invalid_error(path, *_unknown(archive))


def _unknown(archive: TarFile) -> tuple[str, str]:
    why = "it has neither a file oci-layout (OCI archive) nor manifest.json (docker save)"
    inner = [name for name in archive.members if name.endswith(("/oci-layout", "/manifest.json"))]
    if inner:
        below = os.path.dirname(min(inner, key=len))
        return (
            f"{why} at its top, but below {visible(below)}",
            f"archive the content of that directory: tar -C {visible(below)} .",
        )
    return why, "check the path"


__all__ = ("open_archive", "opened_images")
