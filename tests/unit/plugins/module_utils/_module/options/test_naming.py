# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any combination of the options that name an image gives a name or the error ReferenceInvalid."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.options.naming import settle_names
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import IMAGE, REGISTRY, merge
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import Selector
from hypothesis import given
from hypothesis import strategies as st

NAMES = ["image", "registry", "host", "repository", "name", "app_name", "reference", "tag", "digest"]
PIECES = ["/", ":", "@", ".", "sha256", "a" * 64, "quay.io", "localhost", "org", "app", "1.0", "://", "\n", "\udc80"]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=8).map("".join))


@given(options=st.dictionaries(st.sampled_from(NAMES), TEXTS))
def test_any_text_is_settled_or_refused(options: dict[str, str]) -> None:
    aliases = {"host": "registry", "name": "repository", "app_name": "repository"}
    params: dict[str, t.Any] = dict.fromkeys(NAMES)
    params.update({aliases.get(name, name): text for name, text in options.items()})
    with contextlib.suppress(ReferenceInvalid):
        settle_names(params, options, merge(REGISTRY, IMAGE))
        if "image" in options:
            assert options.keys() == {"image"}
            assert Selector.parse(params["reference"]).path
