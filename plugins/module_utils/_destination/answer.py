# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The kept answer of a destination, answer.json: what a task returns that finds nothing to change.

A task of oci_image_unpack keeps it (_module/image/kept_answer.py). The next one with the same options returns it if all
that it depends on is unchanged (_module/image/probe.py), which needs a tenth of the code. The file is a cache: where it
is missing, or anything in it does not fit, the task decides by itself. So it is not synced; a checksum shows whether it
is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from .durable import read_file
from .place import Place
from .private import GENERATIONS, STAMP, STATE, opened_private

ANSWER: t.Final = "answer.json"
# The name of the file while it is written begins with this.
NEW_ANSWER: t.Final = f"{ANSWER}.new"

# A stamp, of which an answer has about three times the content, may have as many.
MAX_BYTES: t.Final = 32 * 1024 * 1024

_CREATE: t.Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Answer = dict[str, t.Any]


def read_answer(state_fd: int) -> Answer | None:
    """Return the answer in an open state directory, None if there is none that is whole. Raises OSError."""
    data = read_file(state_fd, ANSWER, maximum=MAX_BYTES) or b""
    checksum, dummy, text = data.partition(b"\n")
    if len(data) > MAX_BYTES or checksum != _checksum(text):
        return None
    answer = json.loads(text)
    return answer if isinstance(answer, dict) else None


def write_answer(state_fd: int, answer: Answer) -> None:
    """Replace the answer atomically, unless it is the same or too long. Raises OSError."""
    text = json.dumps(answer).encode("ascii")
    data = _checksum(text) + b"\n" + text
    if len(data) > MAX_BYTES or read_file(state_fd, ANSWER, maximum=MAX_BYTES) == data:
        return
    new = f"{NEW_ANSWER}-{os.urandom(8).hex()}"  # store.py removes those of killed runs
    with open(os.open(new, _CREATE, 0o600, dir_fd=state_fd), "wb") as file:
        file.write(data)
    os.rename(new, ANSWER, src_dir_fd=state_fd, dst_dir_fd=state_fd)


def describe_files(place: Place, state_fd: int, generation: int) -> Answer:
    """Return what changes with every change of the destination, and with all that a run leaves when it is killed.

    The state names the present generation and an interrupted change, and the stamp has the image and the options. Names
    of unfinished directories and files show what the next run would remove. dest is the destination that the state must
    belong to if the option state_dir names its directory. Raises OSError, DestinationError.
    """
    with opened_private(place, state_fd, GENERATIONS) as fd:
        generations = sorted(os.listdir(fd))
    with opened_private(place, state_fd, GENERATIONS, str(generation)) as fd:
        stamp = read_file(fd, STAMP, maximum=MAX_BYTES)
    state = read_file(state_fd, STATE, maximum=MAX_BYTES)
    return {
        "names": sorted({*os.listdir(state_fd), ANSWER}),
        "generations": generations,
        "state": hashlib.sha256(state or b"").hexdigest(),
        "stamp": hashlib.sha256(stamp or b"").hexdigest(),
        "dest": place.state.dest,
    }


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode("ascii")


__all__ = ("ANSWER", "NEW_ANSWER", "Answer", "describe_files", "read_answer", "write_answer")
