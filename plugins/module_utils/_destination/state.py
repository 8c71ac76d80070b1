# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The state of a destination, state.json: its generations, and a change that was announced.

store.py reads and writes it, publish.py computes the next one.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass, field, replace

from .._base.strict_json import JsonObject, JsonValue
from .stamp import FORMAT, StampInvalid, load_format

# The largest state.json that is read.
MAX_BYTES: t.Final = 1024 * 1024

Operation = t.Literal["publish", "restore", "roll_back", "remove"]
_OPERATIONS: t.Final[tuple[Operation, ...]] = ("publish", "restore", "roll_back", "remove")
_MAX_GENERATIONS: t.Final = 10_000


@dataclass(frozen=True)
class Pending:
    """A change of the destination that was announced and may not be finished.

    root is the inode number of the directory that the change brings to the destination, or that remove takes away from
    there: whether it is there tells whether the step was made. generation is the generation that comes; previous the
    one of the present tree, None if that is not kept; drifted says that the present tree changed since it was unpacked.
    mode and previous_mode are the final modes of the two directories, since an ordinary user can only move a directory
    that it may write to.
    """

    operation: Operation
    root: int
    generation: int | None = None
    previous: int | None = None
    drifted: bool = False
    mode: int | None = None
    previous_mode: int | None = None


@dataclass(frozen=True)
class DestinationState:
    """The generations of a destination. Every change atomically replaces the file that holds the state.

    current is the generation whose tree is at the destination. kept are those that can be brought back, in the order in
    which they would be; drifted are those of them that had changed since they were unpacked, and are not rolled back
    to. rolled_back_from is set from a roll-back until the next other change. dest is the path of the destination from a
    state directory that is not beside it; Store.save() sets it.
    """

    next: int = 1
    current: int | None = None
    kept: tuple[int, ...] = ()
    drifted: tuple[int, ...] = ()
    rolled_back_from: int | None = None
    pending: Pending | None = None
    dest: str | None = field(default=None, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to keep: no generation and no change in progress."""
        return self == DestinationState(next=self.next)

    @property
    def generations(self) -> frozenset[int]:
        """Every generation that the state lists; any other on disk is left over."""
        known = {*self.kept, self.current}
        if self.pending is not None:
            known |= {self.pending.generation, self.pending.previous}
        return frozenset(number for number in known if number is not None)

    @property
    def roll_back_target(self) -> int | None:
        """The generation that a roll-back brings back, None if there is none."""
        return next((number for number in self.kept if number not in self.drifted), None)

    def completed(self) -> DestinationState:
        """Return the state after the pending change."""
        pending = self.pending
        if pending is None:
            return self
        if pending.operation == "remove":
            return DestinationState(next=self.next)
        rest = tuple(number for number in self.kept if number != pending.generation)
        before = () if pending.previous is None else (pending.previous,)
        back = pending.operation == "roll_back"
        kept = rest + before if back else before + rest
        drifted = {*self.drifted, *(before if pending.drifted else ())}
        return DestinationState(
            next=self.next,
            current=pending.generation,
            kept=kept,
            drifted=tuple(number for number in kept if number in drifted),
            rolled_back_from=self.current if back else None,
        )

    def undone(self) -> DestinationState:
        """Return the state before the pending change."""
        return replace(self, pending=None)

    def pruned(self, keep: int) -> DestinationState:
        """Return the state with at most keep kept generations, and the newest drifted one besides unless keep is 0.

        A tree that was changed and then repaired must neither displace a good one nor be lost at once.
        """
        good = [number for number in self.kept if number not in self.drifted][:keep]
        drifted = [number for number in self.kept if number in self.drifted][: min(keep, 1)]
        kept = tuple(number for number in self.kept if number in (*good, *drifted))
        return replace(self, kept=kept, drifted=tuple(drifted))

    def to_json(self) -> bytes:
        """Return the bytes that parse_state() reads."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True).encode("ascii")


def parse_state(data: bytes) -> DestinationState:
    """Parse any bytes as a state. Raises StampInvalid and nothing else."""
    fields = load_format(data, maximum=MAX_BYTES)
    pending = fields.get("pending")
    state = DestinationState(
        next=_number(fields.get("next"), "next"),
        current=_optional_number(fields, "current"),
        kept=_numbers(fields, "kept"),
        drifted=_numbers(fields, "drifted"),
        rolled_back_from=_optional_number(fields, "rolled_back_from"),
        pending=None if pending is None else _pending(pending),
        dest=_dest(fields),
    )
    _check_consistent(state)
    return state


def _pending(value: JsonValue) -> Pending:
    if not isinstance(value, dict):
        raise StampInvalid("its field pending is not an object")
    operation = next((known for known in _OPERATIONS if known == value.get("operation")), None)
    if operation is None:
        raise StampInvalid("its pending operation is unknown")
    generation = _optional_number(value, "generation")
    if (generation is None) != (operation == "remove"):
        raise StampInvalid("its pending operation does not match its generation")
    return Pending(
        operation=operation,
        root=_number(value.get("root"), "root"),
        generation=generation,
        previous=_optional_number(value, "previous"),
        drifted=value.get("drifted") is True,
        mode=_mode(value, "mode"),
        previous_mode=_mode(value, "previous_mode"),
    )


def _check_consistent(state: DestinationState) -> None:
    generations = [*state.kept, *([] if state.current is None else [state.current])]
    if len(set(generations)) != len(generations) or (state.kept and state.current is None):
        raise StampInvalid("its generations contradict each other")
    if not set(state.drifted) <= set(state.kept) or any(number >= state.next for number in state.generations):
        raise StampInvalid("it names impossible generations")


def _number(value: JsonValue, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise StampInvalid(f"its field {name} is not a number")
    return value


def _optional_number(fields: JsonObject, name: str) -> int | None:
    return None if fields.get(name) is None else _number(fields[name], name)


def _dest(fields: JsonObject) -> str | None:
    dest = fields.get("dest")
    if dest is not None and not isinstance(dest, str):
        raise StampInvalid("its field dest is not text")
    return dest


def _mode(fields: JsonObject, name: str) -> int | None:
    mode = _optional_number(fields, name)
    if mode is not None and mode > 0o7777:
        raise StampInvalid(f"its field {name} is not a mode")
    return mode


def _numbers(fields: JsonObject, name: str) -> tuple[int, ...]:
    values = fields.get(name)
    if not isinstance(values, list) or len(values) > _MAX_GENERATIONS:
        raise StampInvalid(f"its field {name} is not a list of generations")
    return tuple(_number(value, name) for value in values)


__all__ = ("MAX_BYTES", "DestinationState", "Operation", "Pending", "parse_state")
