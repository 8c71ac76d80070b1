# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Tell whether a task of oci_image_unpack would change nothing, with a tenth of its code.

Nearly all tasks change nothing, and to pack, send and load the code of oci_image_unpack takes longer than what such a
task does. So this interprets no options, images or stamps. A task of oci_image_unpack keeps what it would return if it
ran again (kept_answer.py), and this returns it if all that it depends on is unchanged: the options of the task, the
state and the stamp of the tree, the tree at the level metadata, the directories above it, the platform of the host, and
the digest that the registry states for the same request. Otherwise, and if anything is unusual or fails, the answer is
"not known": oci_image_unpack then decides, and reports the reason. Nothing is written, and no lock is waited for.

The module oci_image_unpack_probe calls run_probe(). Every file that is imported here is sent to the host in each task.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._destination.answer import Answer
    from ..._destination.lock import StateDirectory
    from ..._destination.place import Place
    from ..._registry.plain_head import SentHead

Params = t.Mapping[str, t.Any]

# The version of what is kept. It must be raised when oci_image_unpack begins to return, or to check, something else.
FORMAT: t.Final = 1

# The options with which there is never an answer: other sources, logins, or checks that need more code.
UNANSWERED: t.Final = (
    "layout",
    "mirrors",
    "signature",
    "cache",
    "ratls",
    "client_cert",
    "client_key",
    "username",
    "password",
    "token",
    "identity_token",
    "auth_file",
    "aws_profile",
    "aws_region",
)

_PROXIES: t.Final = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def run_probe(module: AnsibleModule) -> Answer:
    """Return the results of oci_image_unpack_probe."""
    answer = None
    with contextlib.suppress(Exception):  # oci_image_unpack reports what is wrong
        answer = _find_answer(module.params)
    if answer is None:
        return {"changed": False, "unchanged": False}
    module.params.update(answer["settled"])  # so that the results have the same invocation
    diff = {"diff": answer["diff"]} if module._diff else {}
    return {**answer["results"], **diff, "unchanged": True}


def is_answerable(params: Params) -> bool:
    """Tell whether there can be an answer to a task with these options, of which those with defaults may be missing.

    The action plugin asks too, before the options are validated.
    """
    if params.get("state") not in (None, "present") or params.get("drift") == "content":
        return False
    if params.get("tls") == "ra-tls" or params.get("validate_certs") is False:
        return False
    return not any(params.get(name) for name in UNANSWERED)


def surroundings() -> Answer | None:
    """Return what an answer depends on besides the options and the files; None with a proxy, which may be used."""
    if any(os.environ.get(name) for name in _PROXIES):
        return None
    host = os.uname()
    return {"system": host.sysname, "machine": host.machine, "encoding": sys.getfilesystemencoding()}


def _find_answer(params: Params) -> Answer | None:
    if not is_answerable(params):
        return None
    # imported late, as all below, because "not known" should be cheap before the first unpack
    from ..._destination.answer import read_answer

    with contextlib.ExitStack() as request:
        with contextlib.ExitStack() as stack:
            place = _open_place(params, stack)
            directory = None if place is None else _lock(place, stack)
            answer = None if directory is None else read_answer(directory.fd)
            if place is None or directory is None or answer is None or not _fits(answer, params):
                return None
            begin = time.monotonic()
            head = _send(answer, params, request)
            spent = time.monotonic() - begin
            if not _is_as_kept(answer, place, directory.fd, params, stack):
                return None
        if head is None:
            return answer
        begin = time.monotonic()
        if head.digest() != answer["digest"]:
            return None
        spent += time.monotonic() - begin
    stats = answer["results"]["stats"]
    stats["requests"], stats["seconds"]["resolve"] = 1, round(spent, 3)
    return answer


def _fits(answer: Answer, params: Params) -> bool:
    around = surroundings()
    return (
        around is not None
        and answer["format"] == FORMAT
        and answer["asked"] == params
        and answer["surroundings"] == around
    )


def _open_place(params: Params, stack: contextlib.ExitStack) -> Place | None:
    """Open the place of the tree with all checks; None if it is missing, or if there is something to warn of."""
    from ..._destination.location import Location

    location = stack.enter_context(Location(params["dest"], params["state_dir"], make=False))
    if location.parents.missing:
        return None
    place = location.open()
    stack.callback(place.close)
    return None if place.warnings else place


def _lock(place: Place, stack: contextlib.ExitStack) -> StateDirectory | None:
    """Open and lock the state directory. Raises Locked if another run holds the lock."""
    from ..._destination.lock import StateDirectory

    directory = StateDirectory.open(place, create=False, exclusive=False, timeout=0.0)
    if directory is not None:
        stack.callback(directory.close)
    return directory


def _send(answer: Answer, params: Params, stack: contextlib.ExitStack) -> SentHead | None:
    """Send the request of the kept answer; None if it needs none."""
    if answer["head"] is None:
        return None
    from ..._registry.plain_head import PlainHead, SentHead

    limits = [params[name] for name in ("connect_timeout", "timeout", "total_timeout") if params[name] is not None]
    head = PlainHead(*answer["head"])
    return stack.enter_context(SentHead(head, ca_path=params["ca_path"], seconds=min(limits)))


def _is_as_kept(answer: Answer, place: Place, state_fd: int, params: Params, stack: contextlib.ExitStack) -> bool:
    """Tell whether the tree, its stamp and its state are those that the answer was kept with."""
    from ..._destination.answer import describe_files
    from ..._destination.private import GENERATIONS, RECORD, opened_private
    from ..._unpack.record.unchanged import is_unchanged
    from ..._unpack.tree.descent import DIRECTORY

    generation = answer["generation"]
    if place.look() is None or place.mounts.below(place.canonical):
        return False
    if describe_files(place, state_fd, generation) != answer["files"]:
        return False
    if params["drift"] == "none":
        return True
    root_fd = os.open(place.name, DIRECTORY, dir_fd=place.parent_fd)
    stack.callback(os.close, root_fd)
    with opened_private(place, state_fd, GENERATIONS, str(generation)) as fd:
        record_fd = os.open(RECORD, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    with open(record_fd, "rb") as record:
        return is_unchanged(record, root_fd)


__all__ = ("FORMAT", "UNANSWERED", "is_answerable", "run_probe", "surroundings")
