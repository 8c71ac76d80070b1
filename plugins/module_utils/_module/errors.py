# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The conversion of errors into failed results: the only place that does it. Called by main() of every module."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._base.errors import CollectionError, DependencyMissing
from .._base.text import path_text
from .dependencies import dependency_message
from .process_end import skip_last_collection

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


@contextlib.contextmanager
def reported_errors(module: AnsibleModule, *, doing: str) -> t.Iterator[None]:
    """Turn every error raised inside into a failed result: one sentence in msg, the fields in error.

    doing names the operation of the task as a gerund phrase, for errors whose message does not name it. Ansible adds
    the traceback if the user has enabled that.
    """
    skip_last_collection()
    doing = path_text(doing)
    try:
        yield
    except CollectionError as exc:
        message = dependency_message(exc) if exc.kind == DependencyMissing.kind else exc.message
        _fail(module, message, exc.as_result())
    except MemoryError:
        _fail(
            module, f"While {doing}: the host ran out of memory; free some, then run the task again.", _facts("memory")
        )
    except OSError as exc:
        _fail(module, _os_message(exc, doing=doing), {**_facts("filesystem"), **_errno(exc)})
    except Exception as exc:  # an unexpected error is a defect; its message must be readable as well
        _fail(module, _defect_message(exc, doing=doing), {**_facts("internal"), "exception": type(exc).__name__})


def _fail(module: AnsibleModule, message: str, error: t.Mapping[str, str | int]) -> None:
    module.fail_json(msg=message, error=dict(error))


def _facts(kind: str) -> dict[str, str | int]:
    return {"kind": kind}


def _errno(error: OSError) -> dict[str, str | int]:
    facts = {"errno": errno.errorcode.get(error.errno or 0), "path": _path(error)}
    return {name: value for name, value in facts.items() if value}


def _path(error: OSError) -> str:
    return path_text(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else ""


def _os_message(error: OSError, *, doing: str) -> str:
    reason = error.strerror or type(error).__name__
    where = f" ({_path(error)})" if _path(error) else ""
    return f"While {doing}: {reason}{where}; fix the cause, then run the task again."


def _defect_message(error: Exception, *, doing: str) -> str:
    return (
        f"While {doing}: unexpected error, {type(error).__name__}: {_one_line(str(error))}; please report it with the"
        " output of the same task run with ANSIBLE_DISPLAY_TRACEBACK=error."
    )


def _one_line(text: str, *, maximum: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= maximum else line[: maximum - 3] + "..."


__all__ = ("reported_errors",)
