# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random layers with many colliding names give the tree that a model of the changeset rules gives."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import CollectionError
from ansible_collections.attested.registry.tests.support.examples import examples
from ansible_collections.attested.registry.tests.support.images.changeset_model import Invalid, Model, describe
from ansible_collections.attested.registry.tests.support.images.layer_maker import RESOLVERS, Box, Ground
from ansible_collections.attested.registry.tests.support.images.tar_entries import (
    Entry,
    directory,
    file,
    hardlink,
    opaque,
    symlink,
    whiteout,
)
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
WRITTEN = st.one_of(
    PATHS,
    PATHS,
    PATHS,
    st.builds(
        "{}{}{}".format, st.sampled_from(["/", "../", "./", "a/../"]), PATHS, st.sampled_from(["", "/", "/.", "/../b"])
    ),
)
TARGETS = st.one_of(
    PATHS,
    PATHS.map("/{}".format),
    PATHS.map("../{}".format),
    st.sampled_from(["/", "..", ".", "../..", "/..", "../victim", "/victim/etc", "secret", "a/../b", "/a/./b/"]),
)
MODES = st.sampled_from([0o755, 0o700, 0o1777, 0o000])
TIMES = st.integers(1, 4)
CONTENTS = st.sampled_from([b"", b"1", b"2"])

ENTRIES = st.one_of(
    st.builds(file, WRITTEN, CONTENTS, mode=MODES, mtime=TIMES),
    st.builds(file, WRITTEN, CONTENTS, mode=MODES, mtime=TIMES),
    st.builds(directory, WRITTEN, mode=MODES, mtime=TIMES),
    st.builds(symlink, WRITTEN, TARGETS, mtime=TIMES),
    st.builds(hardlink, WRITTEN, WRITTEN, mode=MODES, mtime=TIMES),
    st.builds(whiteout, PATHS),
    st.builds(opaque, st.one_of(PATHS, st.just(""))),
)
LAYERS = st.lists(st.lists(ENTRIES, min_size=2, max_size=12), min_size=2, max_size=4)


@pytest.fixture(scope="module", autouse=True)
def _in_hostile_directory(ground: Ground) -> t.Iterator[None]:
    before = os.getcwd()
    os.chdir(ground.cwd)
    yield
    os.chdir(before)


def shown(layers: t.Sequence[t.Sequence[Entry]]) -> str:
    headers = [[(entry.header.type, entry.header.name, entry.header.linkname) for entry in layer] for layer in layers]
    return "\n".join(map(repr, headers))


def possible(layers: t.Sequence[t.Sequence[Entry]]) -> list[list[Entry]]:
    """The layers without the entries that make them impossible."""
    kept: list[list[Entry]] = []
    for layer in layers:
        kept.append([])
        for entry in layer:
            kept[-1].append(entry)
            if modelled(kept) is None:
                kept[-1].pop()
    return kept


def modelled(layers: t.Sequence[t.Sequence[Entry]]) -> Model | None:
    """The layers applied to a model; none if that is impossible."""
    model = Model()
    try:
        for layer in layers:
            model.apply(layer)
    except Invalid:
        return None
    return model


@pytest.mark.exhaustive
@settings(max_examples=examples(150), deadline=None)
@given(LAYERS)
def test_the_tree_is_the_model_s_tree(ground: Ground, layers: list[list[Entry]]) -> None:
    layers = possible(layers)
    model = modelled(layers)
    assert model is not None
    for resolver in RESOLVERS:
        box = Box(ground, resolver=resolver)
        box.unpack(*layers)
        assert describe(box.survey()) == model.tree(), shown(layers)
        box.check()


@pytest.mark.exhaustive
@settings(max_examples=examples(80), deadline=None)
@given(LAYERS)
def test_what_the_model_refuses_is_refused(ground: Ground, layers: list[list[Entry]]) -> None:
    model = modelled(layers)
    for resolver in RESOLVERS:
        box = Box(ground, resolver=resolver)
        try:
            box.unpack(*layers)
        except CollectionError:
            assert model is None, shown(layers)
        else:
            assert model is not None, shown(layers)
        box.check()
