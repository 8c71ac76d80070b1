# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The check of the options for attestation, called by registry_module.

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


def attestation_problem(params: Params) -> str | None:
    """Return a message about options of attestation that contradict each other, None if there are none."""
    if params["tls"] != "ra-tls":
        if params["ratls"] is None:
            return None
        return "The option ratls is given without tls=ra-tls, so nothing would be attested; set tls to ra-tls as well."
    if params["ratls"] is None:
        return f"The option ratls is missing: tls=ra-tls needs it; give ratls.evidence, which is {_KINDS}."
    for option in ("client_cert", "client_key"):
        if params[option] is not None:
            return (
                f"The option {option} cannot be used with tls=ra-tls, which generates a client certificate for each "
                f"connection; leave {option} out."
            )
    return _evidence_problem(params["ratls"])


def _evidence_problem(ratls: Params) -> str | None:
    kind = ratls["evidence"]
    needed, remedy = _NEEDED.get(kind, (None, ""))
    if needed is not None and not ratls[needed]:
        return f"The option ratls.{needed} is missing: ratls.evidence={kind} needs it; {remedy}."
    takes_path = kind != "command"
    for option, taken in (("path", takes_path), ("argv", not takes_path)):
        if ratls[option] is not None and not taken:
            return (
                f"The option ratls.{option} has no use with ratls.evidence={kind}, which takes {_OF_OTHERS[option]}; "
                f"leave ratls.{option} out."
            )
    problem = seconds_problem(ratls["timeout"])
    return None if problem is None else f"The option ratls.timeout is {ratls['timeout']:g}: {problem}; correct it."


__all__ = ("Params", "attestation_problem")
