# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options tls and ratls are checked against each other, and make an Attester for each kind of evidence."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.options.ratls_options import attestation_problem
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import REGISTRY
from ansible_collections.attested.registry.plugins.module_utils._module.registry.attestation import make_attester


def params(
    tls: str | None = "ra-tls", /, *, ratls: dict[str, t.Any] | None = None, **others: t.Any
) -> dict[str, t.Any]:
    """The options of a task as the argument spec makes them."""
    given = {name: option.get("default") for name, option in REGISTRY.items()}
    suboptions = {name: option.get("default") for name, option in REGISTRY["ratls"]["options"].items()}
    return {**given, "tls": tls, "ratls": None if ratls is None else {**suboptions, **ratls}, **others}


@pytest.mark.parametrize(
    "given",
    [
        params(None),
        params("tls", client_cert="/c", client_key="/k"),
        params(ratls={"evidence": "rsi"}),
        params(ratls={"evidence": "rsi", "path": "/dev/other"}),
        params(ratls={"evidence": "tsm"}),
        params(ratls={"evidence": "tsm", "path": "/sys/other", "key_type": "ec-p256"}),
        params(ratls={"evidence": "file", "path": "/t"}),
        params(ratls={"evidence": "simulated", "path": "/r"}),
        params(ratls={"evidence": "command", "argv": ["/bin/token", "{challenge}"], "timeout": 5.0}),
    ],
)
def test_options_that_go_together(given: dict[str, t.Any]) -> None:
    assert attestation_problem(given) is None
    if given["ratls"] is not None:
        attester = make_attester(given["ratls"])
        assert attester.source.kind == given["ratls"]["evidence"]
        assert attester.key_type == given["ratls"]["key_type"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            params(None, ratls={"evidence": "rsi"}),
            "The option ratls is given without tls=ra-tls, so nothing would be attested; set tls to ra-tls as well.",
        ),
        (
            params("tls", ratls={"evidence": "rsi"}),
            "The option ratls is given without tls=ra-tls, so nothing would be attested; set tls to ra-tls as well.",
        ),
        (
            params(),
            "The option ratls is missing: tls=ra-tls needs it; give ratls.evidence, which is file, command, rsi, tsm "
            "or simulated.",
        ),
        (
            params(ratls={"evidence": "rsi"}, client_cert="/c", client_key="/k"),
            "The option client_cert cannot be used with tls=ra-tls, which generates a client certificate for each "
            "connection; leave client_cert out.",
        ),
        (
            params(ratls={"evidence": "file"}),
            "The option ratls.path is missing: ratls.evidence=file needs it; set it to the file with the token.",
        ),
        (
            params(ratls={"evidence": "simulated"}),
            "The option ratls.path is missing: ratls.evidence=simulated needs it; set it to the directory of the "
            "simulated realm.",
        ),
        (
            params(ratls={"evidence": "command", "path": "/t"}),
            "The option ratls.argv is missing: ratls.evidence=command needs it; set it to the program that "
            "generates tokens, and its arguments.",
        ),
        (
            params(ratls={"evidence": "command", "argv": []}),
            "The option ratls.argv is missing: ratls.evidence=command needs it; set it to the program that "
            "generates tokens, and its arguments.",
        ),
        (
            params(ratls={"evidence": "command", "argv": ["/bin/token"], "path": "/t"}),
            "The option ratls.path has no use with ratls.evidence=command, which takes no path; leave ratls.path out.",
        ),
        (
            params(ratls={"evidence": "tsm", "argv": ["/bin/token"]}),
            "The option ratls.argv has no use with ratls.evidence=tsm, which takes no command; leave ratls.argv out.",
        ),
        (
            params(ratls={"evidence": "tsm", "timeout": 0.0}),
            "The option ratls.timeout is 0: it must be more than 0 and at most 1000000 seconds; correct it.",
        ),
    ],
)
def test_options_that_do_not_go_together(given: dict[str, t.Any], problem: str) -> None:
    assert attestation_problem(given) == problem
