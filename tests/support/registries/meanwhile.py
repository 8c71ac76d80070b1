# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a function between a request and its answer, to test races of two requests without threads."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from .faulty_registry import FaultyRegistry, Reply, Request


def meanwhile(
    monkeypatch: pytest.MonkeyPatch,
    server: FaultyRegistry,
    path: str,
    action: Callable[[], object],
    *,
    has_token: bool = False,
) -> None:
    """Act once, before the first request with this in its path is answered; has_token: the first with credentials."""
    answer = server.answer
    waiting = [action]

    def act_first(request: Request) -> Reply:
        # the action may make a request of the same sort, which is answered at once
        fits = path in request.path and (request.header("Authorization") is not None or not has_token)
        if fits and waiting:
            waiting.pop()()
        return answer(request)

    monkeypatch.setattr(server, "answer", act_first)


__all__ = ("meanwhile",)
