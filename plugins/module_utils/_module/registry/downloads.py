# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The blobs of one image, from the cache of the host (options cache and cache_size) or from their source.

Called by _module/image/present.py for layers and by _module/layout/fill.py for the files of a layout.
"""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from ..._layout.errors import LayoutError
from ..._oci.errors import OciError
from ..stopwatch import Stopwatch
from .parallel import Stop

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from ..._base.text import Warn
    from ..._layout.blob_cache import BlobCache, CachedBlob
    from ..._layout.partial import Partial
    from ..._oci.descriptor import Descriptor
    from ..._oci.digest import Digest
    from .sources import ImageSource, Stream


# Called before each piece is written; raises an error to end a download.
Check = t.Callable[[], None]


def _go_on(*dummy: object) -> None:
    """Do nothing."""


class Downloads:
    """The blobs of a repository, with or without a cache. A context manager; threads may share it.

    watch counts the bytes that arrive, for the progress. open_cache opens the cache, which is done when the first blob
    is needed; None for no cache. trim is called with it at the end. hits counts the blobs that came from the cache,
    hit_bytes their bytes.

    Each blob of the cache is hashed before it is used. What is not there is downloaded into it first, all of it, so
    that a later task resumes or uses it. If another task downloads the same blob for longer than patience seconds, the
    blob comes from the source, past the cache. Downloads that have not ended at the end are stopped.
    """

    def __init__(
        self,
        source: ImageSource,
        repository: str,
        *,
        watch: Stopwatch | None = None,
        open_cache: t.Callable[[], BlobCache] | None = None,
        trim: t.Callable[[BlobCache], None] = _go_on,
        warn: Warn = _go_on,
        patience: float = 0,
    ) -> None:
        self._source, self._repository = source, repository
        self.watch = watch or Stopwatch()
        self._open_cache, self._trim, self._warn, self._patience = open_cache, trim, warn, patience
        self._lock, self._stop = threading.Lock(), Stop()
        self._cache: BlobCache | None = None
        self.hits = self.hit_bytes = 0

    def __enter__(self) -> Downloads:
        return self

    def __exit__(self, *dummy: object) -> None:
        with self._lock:
            self._open_cache = None
        self._stop.set()
        if self._cache is not None:
            self._trim(self._cache)
            self._cache.close()

    @property
    def uses_cache(self) -> bool:
        """Whether blobs come through a cache, complete and verified."""
        return self._open_cache is not None

    def use(self, digests: t.Iterable[Digest]) -> None:
        """Count blobs of the cache as used now. Raises LayoutError if the cache cannot be opened."""
        cache = self._opened_cache()
        if cache is not None:
            cache.use(digests)

    def stream(self, descriptor: Descriptor, *, offset: int = 0, state: t.Any = None) -> Stream:
        """Return the blob from the source, from an offset on; see Registry.blob()."""
        return self._source.blob(self._repository, descriptor, offset=offset, digest_state=state)

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor, *, check: Check = _go_on) -> t.Iterator[t.Iterator[bytes]]:
        """Yield an iterator over the bytes, verified at its end. Raises LayoutError, and what the source raises."""
        cache = self._opened_cache()
        cached = None if cache is None else self._fetch(cache, descriptor, check)
        if cached is None:
            with self.stream(descriptor) as pieces:
                yield self.watch.counted(pieces)
            return
        with contextlib.closing(cached):
            yield cached.pieces()

    def _opened_cache(self) -> BlobCache | None:
        with self._lock:
            if self._cache is None and self._open_cache is not None:
                self._cache = self._open_cache()
            return self._cache

    def _fetch(self, cache: BlobCache, descriptor: Descriptor, check: Check) -> CachedBlob | None:
        """Return the blob in the cache, downloaded if necessary; None if another task downloads it for too long."""
        found = self._find(cache, descriptor)
        if found is not None:
            return found
        with cache.partial(descriptor.digest, deadline=time.monotonic() + self._patience) as partial:
            if partial is None:
                return None
            found = self._find(cache, descriptor)  # another task may have brought it meanwhile
            if found is not None:
                return found

            def check_both() -> None:
                check()
                self._stop.check()

            resume(partial, self, descriptor, check_both)
            return cache.keep(partial)

    def _find(self, cache: BlobCache, descriptor: Descriptor) -> CachedBlob | None:
        def warn(why: str) -> None:
            self._warn(
                f"The blob {descriptor.digest} in the cache {cache.path} is damaged: {why}; it was removed and is"
                " downloaded again."
            )

        found = cache.find(descriptor.digest, descriptor.size, damaged=warn)
        if found is not None:
            with self._lock:
                self.hits += 1
                self.hit_bytes += found.size
            self.watch.skip(found.size)
        return found


def resume(partial: Partial, downloads: Downloads, descriptor: Descriptor, check: Check) -> None:
    """Complete the file of an unfinished download.

    If the part that an earlier run left was damaged, all of it is downloaded again. Raises what Registry.blob() raises,
    WriteFailed, and what check raises.
    """
    if partial.size > descriptor.size:
        partial.reset()
    begun = partial.size
    try:
        _append_rest(partial, downloads, descriptor, check)
    except OciError:
        if not begun:
            raise
        partial.reset()
        _append_rest(partial, downloads, descriptor, check)


def _append_rest(partial: Partial, downloads: Downloads, descriptor: Descriptor, check: Check) -> None:
    offset, state = partial.read_back()
    downloads.watch.resume(offset)
    with downloads.stream(descriptor, offset=offset, state=state) as pieces:
        for piece in downloads.watch.counted(pieces):
            check()
            partial.append(piece)


def check_cache_option(module: AnsibleModule) -> None:
    """Raise NotACache for a directory that cannot be the cache. Nothing is written."""
    if _has_cache(module):
        from ..._layout.blob_cache import check_cache  # imported late: most tasks have no cache

        check_cache(module.params["cache"])


def opened_downloads(module: AnsibleModule, source: ImageSource, watch: Stopwatch) -> Downloads:
    """Return the Downloads of the options of the task, a context manager. The cache is trimmed at its end."""
    params = module.params
    repository = params["repository"] or ""
    if not _has_cache(module):
        return Downloads(source, repository, watch=watch)

    from ..._layout.blob_cache import BlobCache

    def trim(cache: BlobCache) -> None:
        try:
            cache.trim(params["cache_size"])
        except LayoutError as exc:
            module.warn(exc.message)

    return Downloads(
        source,
        repository,
        watch=watch,
        open_cache=lambda: BlobCache(params["cache"]),
        trim=trim,
        warn=module.warn,
        patience=params["lock_timeout"],
    )


def cache_stats(module: AnsibleModule, downloads: Downloads) -> Json:
    """Return the fields of the return value stats about the cache; none without a cache."""
    if not _has_cache(module):
        return {}
    return {"cache_hits": downloads.hits, "cache_bytes": downloads.hit_bytes}


def _has_cache(module: AnsibleModule) -> bool:
    return module.params["cache"] is not None and module.params["layout"] is None


__all__ = ("Check", "Downloads", "cache_stats", "check_cache_option", "opened_downloads", "resume")
