# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dictionaries in the option mirrors are validated like options, named in messages, and their secrets masked."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._module.options.mirrors import (
    mirror_secrets,
    settle_mirrors,
)
from ansible_collections.attested.registry.plugins.module_utils._module.options.ranges import OptionInvalid
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import MIRROR, MIRROR_RULES
from hypothesis import given
from hypothesis import strategies as st

RATLS = {"evidence": "tsm"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(MIRROR)), inner),
    max_leaves=12,
)


def settled(*entries: t.Any) -> list[t.Any]:
    params: dict[str, t.Any] = {"mirrors": list(entries), "ratls": None}
    settle_mirrors(params, MIRROR, MIRROR_RULES)
    found: list[t.Any] = params["mirrors"]
    return found


def refusal(*entries: t.Any) -> OptionInvalid:
    with pytest.raises(OptionInvalid) as caught:
        settled(*entries)
    return caught.value


def test_names_stay_and_dictionaries_have_every_option() -> None:
    name, entry = settled("m.example", {"host": "h.example", "repository_prefix": "hub", "root_ca": "~/ca.pem"})
    assert name == "m.example"
    assert list(entry) == list(MIRROR)
    given = {name: value for name, value in entry.items() if value is not None}
    assert list(given) == ["registry", "repository_prefix", "ca_path"]
    assert (given["registry"], given["repository_prefix"]) == ("h.example", "hub")
    assert given["ca_path"].startswith("/")


def test_types_are_converted_as_in_options() -> None:
    (entry,) = settled({"registry": "h", "validate_certs": "no", "password": 1234, "username": "me", "token": None})
    assert (entry["validate_certs"], entry["password"], entry["token"]) == (False, "1234", None)
    (entry,) = settled({"registry": "h", "tls": "ra-tls", "ratls": {"evidence": "file", "path": "/token"}})
    assert (entry["ratls"]["key_type"], entry["ratls"]["timeout"]) == ("rsa-2048", 30)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "mirrors[1].registry"),
        ({"repository_prefix": "hub"}, "missing required arguments: mirrors[1].registry"),
        ({"registry": None}, "missing required arguments: mirrors[1].registry"),
        ({"registry": "h", "prefix": "hub"}, "mirrors[1].prefix does not exist; a mirror has the options registry, "),
        ({"registry": "h", "tls": "yes"}, "value of mirrors[1].tls must be one of: no-tls, tls, ra-tls"),
        ({"registry": "h", "ratls": 7}, "mirrors[1].ratls is not a dictionary"),
        ({"registry": "h", "ratls": "tsm"}, "argument 'mirrors[1].ratls' is of type"),
        ({"registry": "h", "tls": "ra-tls", "ratls": {"evidence": "t"}}, "found in mirrors[1].ratls"),
        ({"registry": "h", "validate_certs": "perhaps"}, "mirrors[1].validate_certs"),
        ({"registry": "h", "username": "me"}, "mirrors[1].username, mirrors[1].password"),
        ({"registry": "h", "token": "t0", "username": "m0", "password": "p0"}, "mirrors[1].token|mirrors[1].username"),
        ({"registry": "h", "client_key": "/key"}, "'mirrors[1].client_key': mirrors[1].client_cert"),
        ({"registry": "h", "tls": "ra-tls"}, "The option mirrors[1].ratls is missing"),
        ({"registry": "h", "ratls": RATLS}, "The option mirrors[1].ratls is given without mirrors[1].tls=ra-tls"),
        ({"registry": "h", "tls": "ra-tls", "ratls": {}}, "found in mirrors[1].ratls"),
        (
            {"registry": "h", "tls": "ra-tls", "ratls": {"evidence": "file"}},
            "The option mirrors[1].ratls.path is missing",
        ),
        (
            {"registry": "h", "tls": "ra-tls", "ratls": RATLS, "client_cert": "/cert"},
            "The option mirrors[1].client_cert cannot be used",
        ),
        (["h"], "mirrors[1] is neither the name of a registry nor a dictionary"),
        (None, "mirrors[1] is neither"),
        (7, "mirrors[1] is neither"),
        ('[{"registry": "h"', "mirrors[1] is a dictionary as text"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(entry: t.Any, words: str) -> None:
    error = refusal("m.example", entry)
    assert words in error.message
    assert error.as_result() == {"kind": "option_invalid", "option": "mirrors[1]"}


@pytest.mark.parametrize(
    ("entries", "secrets"),
    [
        (None, set()),
        ("m.example,n.example:5000", set()),
        (["m.example", "https://[::1]:5000/a"], set()),
        ([{"registry": "h", "username": "me", "ca_path": "/ca", "repository_prefix": "hub"}], set()),
        ([{"registry": "h", "password": "s3cret"}, {"token": "t0ken"}], {"s3cret", "t0ken"}),
        ([{"password": 1234, "token": ["a", {"b": "c"}, None, True]}], {"1234", "a", "c"}),
        ([{"registry": "h", "passwd": "s3cret"}], {"s3cret"}),
        ({"registry": "h", "password": "s3cret"}, {"s3cret"}),
        (["[{'registry': 'h'", " 'password': 's3cret'}]"], {"[{'registry': 'h'", " 'password': 's3cret'}]"}),
    ],
)
def test_secrets_are_found_wherever_they_are(entries: t.Any, secrets: set[str]) -> None:
    assert mirror_secrets(entries, MIRROR) == secrets


def test_a_message_has_no_secret() -> None:
    error = refusal({"registry": "h", "username": "me", "password": "s3cret", "tls": "s3cret"})
    assert "mirrors[0].tls" in error.message
    assert "s3cret" not in error.message + str(error) + str(error.args)
    assert error.__cause__ is None
    assert error.__suppress_context__


@given(JSON)
def test_any_value_is_settled_or_refused(value: t.Any) -> None:
    assert "" not in mirror_secrets(value, MIRROR)
    entries = value if isinstance(value, list) else [value]
    with contextlib.suppress(OptionInvalid):
        assert len(settled(*entries)) == len(entries)
