# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The check of the options for attestation, called by registry_module, the lookups and mirrors.py.

It imports nothing from _ratls, because Ansible sends every imported file to the host with each module.
"""

from __future__ import annotations

import typing as t

from .ranges import seconds_problem

Params = t.Mapping[str, t.Any]

_KINDS: t.Final = "file, command, rsi, tsm or simulated"
_NEEDED: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "file": ("path", "set it to the file with the token"),
    "simulated": ("path", "set it to the directory of the simulated realm"),
    "command": ("argv", "set it to the program that generates tokens, and its arguments"),
}
_OF_OTHERS: t.Final[t.Mapping[str, str]] = {"path": "no path", "argv": "no command"}


def attestation_problem(params: Params, *, prefix: str = "") -> str | None:
    """Return a message about options of attestation that contradict each other, None if there are none.

    prefix comes before the names of the options, such as "mirrors[0].".
    """
    if params["tls"] != "ra-tls":
        if params["ratls"] is None:
            return None
        return (
            f"The option {prefix}ratls is given without {prefix}tls=ra-tls, so nothing would be attested; set "
            f"{prefix}tls to ra-tls as well."
        )
    if params["ratls"] is None:
        return (
            f"The option {prefix}ratls is missing: {prefix}tls=ra-tls needs it; give {prefix}ratls.evidence, which is "
            f"{_KINDS}."
        )
    for option in ("client_cert", "client_key"):
        if params[option] is not None:
            return (
                f"The option {prefix}{option} cannot be used with {prefix}tls=ra-tls, which generates a client "
                f"certificate for each connection; leave {prefix}{option} out."
            )
    return _evidence_problem(params["ratls"], f"{prefix}ratls")


def _evidence_problem(ratls: Params, name: str) -> str | None:
    kind = ratls["evidence"]
    needed, remedy = _NEEDED.get(kind, (None, ""))
    if needed is not None and not ratls[needed]:
        return f"The option {name}.{needed} is missing: {name}.evidence={kind} needs it; {remedy}."
    takes_path = kind != "command"
    for option, taken in (("path", takes_path), ("argv", not takes_path)):
        if ratls[option] is not None and not taken:
            return (
                f"The option {name}.{option} has no use with {name}.evidence={kind}, which takes {_OF_OTHERS[option]}; "
                f"leave {name}.{option} out."
            )
    problem = seconds_problem(ratls["timeout"])
    return None if problem is None else f"The option {name}.timeout is {ratls['timeout']:g}: {problem}; correct it."


__all__ = ("Params", "attestation_problem")
