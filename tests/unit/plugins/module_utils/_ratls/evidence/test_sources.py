# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options make the source of evidence that they name; options that do not fit it are refused."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._ratls.errors import ConfigurationInvalid
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.evidence import EVIDENCE_KINDS
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.simulated import SimulatedSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_command import CommandSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_file import FileSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_rsi import RsiSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.source_tsm import TsmSource
from ansible_collections.attested.registry.plugins.module_utils._ratls.evidence.sources import make_source

SOURCES: list[tuple[dict[str, t.Any], object]] = [
    ({"kind": "file", "path": "/token"}, FileSource("/token")),
    ({"kind": "command", "argv": ["a", "b"], "timeout": 5}, CommandSource(("a", "b"), 5)),
    ({"kind": "rsi"}, RsiSource()),
    ({"kind": "rsi", "path": "/dev/x"}, RsiSource("/dev/x")),
    ({"kind": "tsm"}, TsmSource()),
    ({"kind": "tsm", "path": "/x"}, TsmSource("/x")),
    ({"kind": "simulated", "path": "/x"}, SimulatedSource("/x")),
]


@pytest.mark.parametrize(("options", "source"), SOURCES)
def test_each_kind_is_made(options: dict[str, t.Any], source: t.Any) -> None:
    assert make_source(**options) == source
    assert source.kind == options["kind"]


def test_every_kind_is_known() -> None:
    assert {options["kind"] for options, dummy in SOURCES} == set(EVIDENCE_KINDS)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"kind": "file"}, "needs a path"),
        ({"kind": "simulated"}, "needs a path"),
        ({"kind": "command"}, "needs argv"),
        ({"kind": "command", "argv": ["a"], "path": "/x"}, "takes no path"),
        ({"kind": "command", "argv": []}, "empty"),
        ({"kind": "rsi", "argv": ["a"]}, "takes no argv"),
        ({"kind": "file", "path": "/x", "argv": []}, "takes no argv"),
    ],
)
def test_options_that_do_not_fit_the_kind_are_refused(options: dict[str, t.Any], why: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=why):
        make_source(**options)
