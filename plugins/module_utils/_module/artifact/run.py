# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_artifact: find the files of the artifact, write those that differ, remove those of earlier ones."""

from __future__ import annotations

import contextlib
import os
import typing as t
from contextlib import nullcontext
from dataclasses import replace

from ..._base.text import path_text, visible
from ..._destination.os_errors import translated
from ..._oci.errors import Unsupported
from ..._oci.manifest import Manifest
from ..._oci.platform import Platform
from ..blob_file import BlobFile, Download, partial_name
from ..blob_results import file_results, place
from ..registry.attestation import attestation_results
from ..registry.image_source import opened_image
from ..registry.signature_option import signature_check, signature_results
from .files import Artifact, ArtifactFile, find_files
from .record import ArtifactDirectory, Record

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._oci.digest import Digest
    from ..._oci.reference import Selector
    from ..._trust.policy import Verified
    from ..blob_file import OpenStream
    from ..registry.signatures import SignatureCheck
    from ..registry.sources import ImageSource

Results = dict[str, t.Any]


def run_artifact(module: AnsibleModule) -> Results:
    """Bring the directory to the requested state and return the results of oci_artifact."""
    directory = ArtifactDirectory(module.params["dest"])
    if directory.warning is not None:
        module.warn(directory.warning)
    if module.params["state"] == "absent":
        return _ensure_absent(module, directory)
    check = signature_check(module)
    with opened_image(module) as (source, selector):
        record = directory.read()
        # with signatures, the index itself must lead to the artifact
        known = _recorded(module, record, source, selector) if check is None else None
        artifact = known or _find(module, source, selector)
        verified = None if check is None else _verify(check, artifact, source, module, selector)
        results = _ensure_present(module, directory, record, artifact, source)
        return {**results, **signature_results(verified), **attestation_results(source)}


def _verify(
    check: SignatureCheck, artifact: Artifact, source: ImageSource, module: AnsibleModule, selector: Selector
) -> Verified:
    """Verify the signatures of an artifact; those of the format islet cover images alone. Raises SignatureInvalid."""
    digests = dict.fromkeys((artifact.requested, artifact.digest))
    return check.verify(source, module.params["repository"] or "", selector, digests=tuple(digests))


def _media_types(module: AnsibleModule) -> tuple[str, ...] | None:
    given = module.params["media_types"]
    return None if given is None else tuple(sorted(set(given)))


def _recorded(module: AnsibleModule, record: Record | None, source: ImageSource, selector: Selector) -> Artifact | None:
    """Return the artifact of the record, if the reference still leads to it. A tag is asked for by HEAD."""
    if record is None or record.artifact is None or not record.complete:
        return None
    if (record.media_types, record.platform) != (_media_types(module), module.params["platform"]):
        return None
    digest = selector.digest
    if selector.tag is not None:
        digest = source.head_manifest(module.params["repository"] or "", selector).digest
    return record.artifact if digest == record.artifact.requested else None


def _find(module: AnsibleModule, source: ImageSource, selector: Selector) -> Artifact:
    params, repository = module.params, module.params["repository"] or ""
    fetched = source.manifest(repository, selector)
    digest, document = fetched.digest, fetched.document
    if params["platform"] is not None:
        platform = Platform.parse(params["platform"])
        image = source.resolve(repository, selector, platform=platform, fetched=fetched)
        digest, document = image.digest, image.manifest
    if not isinstance(document, Manifest):
        raise Unsupported(
            f"The reference {selector} of {source.repository(repository)} leads to an index of several artifacts;"
            " choose one with the option platform, or give its digest."
        )
    files = find_files(document, media_types=params["media_types"], warn=module.warn)
    return Artifact(digest, fetched.digest, document.artifact, files)


def _ensure_present(
    module: AnsibleModule,
    directory: ArtifactDirectory,
    record: Record | None,
    artifact: Artifact,
    source: ImageSource,
) -> Results:
    targets = [_Target(module, directory, file) for file in artifact.files]
    gone = [] if record is None else _leftovers(record, artifact)
    changed = any(not target.is_right for target in targets) or _differs(record, artifact)
    removed: list[str] = []
    if changed and module.check_mode:
        removed = _remove(module, directory, gone)
    elif changed:
        with directory.opened() as (folder, made):
            record = directory.read_in(folder)  # another task may have written it meanwhile
            gone = [] if record is None else _leftovers(record, artifact)
            earlier = () if record is None else _existing(folder, record.all_files)
            made = made if record is None else record.made
            begun = Record(artifact, _media_types(module), module.params["platform"], made, complete=False)
            directory.write(folder, replace(begun, earlier=earlier))
            for target in targets:
                target.write(source)
            removed = _remove(module, directory, gone, folder=folder)
            _remove_partials(folder, earlier, keep={file.content.digest for file in artifact.files})
            directory.write(folder, replace(begun, complete=True))
    elif not module.check_mode:
        directory.tidy()
    results = [target.results() for target in targets]
    return {
        "changed": changed or any(one["changed"] for one in results),
        "dest": path_text(directory.path),
        "digest": str(artifact.digest),
        "artifact_type": artifact.artifact_type,
        "files": [target.describe() for target in targets],
        "removed": removed,
        "stats": {
            "written": sum(target.was_written for target in targets),
            "downloaded_bytes": source.downloaded,
            "requests": source.requests,
        },
        **_diff(module, directory, [one["diff"] for one in results if one["changed"]], removed),
    }


def _differs(record: Record | None, artifact: Artifact) -> bool:
    """Tell whether the record does not say that exactly these files are there."""
    if record is None or record.artifact is None or not record.complete:
        return True
    return _contents(record.artifact.files) != _contents(artifact.files)


def _contents(files: t.Iterable[ArtifactFile]) -> set[tuple[str, Digest]]:
    return {(file.name, file.content.digest) for file in files}


def _leftovers(record: Record, artifact: Artifact) -> list[ArtifactFile]:
    names = {file.name for file in artifact.files}
    return [file for file in record.all_files if file.name not in names]


class _Target:
    """One of the wanted files, and what was found and done at its place."""

    def __init__(self, module: AnsibleModule, directory: ArtifactDirectory, file: ArtifactFile) -> None:
        self._module = module
        self._file = file
        self._blob = BlobFile(os.path.join(directory.path, file.name), file.content.digest, what="file")
        self._found = self._blob.content()
        self.is_right = self._found is not None and self._found.digest == file.content.digest
        self.was_written = not self.is_right
        self._done = Download(file.content.size, 0, changed=not self.is_right)

    def write(self, source: ImageSource) -> None:
        """Download the file and put it in place, unless it is right."""
        if not self.is_right:
            self._done = place(self._module, self._blob, self._opener(source), before=self._found)

    def _opener(self, source: ImageSource) -> OpenStream:
        content, repository = self._file.content, self._module.params["repository"] or ""
        if content.data is not None:  # embedded in the manifest, and verified with it
            return lambda offset, state: nullcontext(iter((t.cast(bytes, content.data)[offset:],)))
        return lambda offset, state: source.blob(repository, content, offset=offset, digest_state=state)

    def results(self) -> Results:
        """Set owner and mode of the file by the options; return the results changed and diff."""
        return file_results(self._module, self._blob, before=self._found, done=self._done)

    def describe(self) -> Results:
        """Return the element of the result files."""
        content = self._file.content
        return {
            "name": self._file.name,
            "path": path_text(self._blob.path),
            "digest": str(content.digest),
            "size": content.size,
            "media_type": content.media_type,
        }


def _ensure_absent(module: AnsibleModule, directory: ArtifactDirectory) -> Results:
    record = directory.read()
    removed: list[str] = []
    if record is not None and module.check_mode:
        removed = _remove(module, directory, record.all_files)
    elif record is not None:
        with directory.opened() as (folder, dummy):
            record = directory.read_in(folder) or record
            removed = _remove(module, directory, record.all_files, folder=folder)
            _remove_partials(folder, record.all_files, keep=set())
            directory.discard(folder)
        if record.made:
            directory.remove_empty()
    elif not module.check_mode:
        directory.tidy()
    return {
        "changed": record is not None,
        "dest": path_text(directory.path),
        "digest": None,
        "artifact_type": None,
        "files": [],
        "removed": removed,
        "stats": {"written": 0, "downloaded_bytes": 0, "requests": 0},
        **_diff(module, directory, [], removed),
    }


def _remove(
    module: AnsibleModule, directory: ArtifactDirectory, files: t.Sequence[ArtifactFile], *, folder: int | None = None
) -> list[str]:
    """Remove recorded files and return their names; without folder, only predict that.

    A file with another content than any that was recorded for its name was changed by others: it stays, with a warning.
    """
    contents: dict[str, set[Digest]] = {}
    for file in files:
        contents.setdefault(file.name, set()).add(file.content.digest)
    removed = []
    for name, digests in sorted(contents.items()):
        path = os.path.join(directory.path, name)
        if not os.path.lexists(path):
            continue
        if not any(_has(path, digest) for digest in digests):
            module.warn(
                f"The file {visible(path)} is not removed, because it was changed after this module wrote it; remove it"
                " if it is not needed."
            )
            continue
        removed.append(name)
        if folder is not None:
            with translated("removing", path), contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    return removed


def _has(path: str, digest: Digest) -> bool:
    """Tell whether path is a regular file, not a link to one, with this content."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    found = BlobFile(path, digest, what="file").content()
    return found is not None and found.digest == digest


def _existing(folder: int, files: t.Iterable[ArtifactFile]) -> tuple[ArtifactFile, ...]:
    """Return the files that are there, complete or not, so that failed runs do not make the record longer."""
    names = set(os.listdir(folder))
    return tuple(file for file in files if {file.name, partial_name(file.content.digest)} & names)


def _remove_partials(folder: int, files: t.Iterable[ArtifactFile], *, keep: set[Digest]) -> None:
    """Remove the unfinished downloads of files that are not wanted any more."""
    for digest in {file.content.digest for file in files} - keep:
        with contextlib.suppress(OSError):
            os.unlink(partial_name(digest), dir_fd=folder)


def _diff(module: AnsibleModule, directory: ArtifactDirectory, changed: list[Results], removed: list[str]) -> Results:
    if not module._diff:
        return {}
    paths = [path_text(os.path.join(directory.path, name)) for name in removed]
    gone = [
        {"before_header": path, "after_header": path, "before": {"state": "present"}, "after": {"state": "absent"}}
        for path in paths
    ]
    return {"diff": [*changed, *gone]}


__all__ = ("run_artifact",)
