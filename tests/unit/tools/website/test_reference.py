# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of antsibull-docs have short titles and no advice about Galaxy; one that looks otherwise is an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tools.website import reference

PAGE = """\
.. Document meta

:orphan:

.. |nbsp| unicode:: 0xA0
    :trim:

.. _ansible_collections.attested.registry.oci_tags_module:

.. Title

attested.registry.oci_tags module -- List the tags of a repository
++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++

.. Collection note

.. note::
    This module is part of the `attested.registry collection <https://galaxy.example.com/>`_ (version 0.3.0).

    To install it, use: :code:`ansible\\-galaxy collection install attested.registry`.

.. contents::
   :local:
   :depth: 1

Synopsis
--------

- Use :ref:`ansible.builtin.file <ansible_collections.ansible.builtin.file_module>`.
- See :ref:`here <common_return_values>`.
- See :ref:`attested.registry.oci\\_tag <ansible_collections.attested.registry.oci_tag_module>`.

.. note::
    This one stays.

.. Authors

Authors
~~~~~~~

- attested.registry contributors (@attested-registry)


.. Extra links

Collection links
~~~~~~~~~~~~~~~~

.. ansible-links::

  - title: "Issue Tracker"
    external: true


.. Parsing errors
"""


def test_the_title_is_the_name_and_the_rest_of_it_a_line() -> None:
    page, summary = reference.fitted(PAGE)
    assert summary == "List the tags of a repository"
    assert "\noci_tags module\n+++++++++++++++\n\n.. rst-class:: lead\n\nList the tags of a repository\n" in page


def test_the_entry_point_of_a_role_does_not_repeat_the_summary() -> None:
    entry = "Entry point ``main`` -- Deploy it\n---------------------------------\n"
    page = reference.fitted(PAGE.replace("oci_tags module", "x role").replace("Synopsis\n--------\n", entry))[0]
    assert "\nEntry point ``main``\n--------------------\n" in page
    assert "Deploy it" not in page


def test_what_is_of_a_site_of_all_collections_is_gone() -> None:
    page = reference.fitted(PAGE)[0]
    for part in ("galaxy", ":orphan:", "contents::", "Collection links", "Issue Tracker", "Authors\n"):
        assert part not in page
    assert "This one stays." in page
    assert ".. _ansible_collections.attested.registry.oci_tags_module:" in page


def test_links_into_the_documentation_of_ansible_lead_there() -> None:
    page = reference.fitted(PAGE)[0]
    assert re.search(r"`ansible\.builtin\.file <https://\S+/collections/ansible/builtin/file_module\.html>`__", page)
    assert re.search(r"`here <https://\S+/common_return_values\.html>`__", page)
    assert ":ref:`attested.registry.oci\\_tag <ansible_collections.attested.registry.oci_tag_module>`" in page


@pytest.mark.parametrize("part", [".. Collection note", ".. contents::", ":orphan:", "Collection links", "module -- "])
def test_a_page_without_what_is_expected_is_an_error(part: str) -> None:
    with pytest.raises(reference.PageError):
        reference.fitted(PAGE.replace(part, "something else"))


def test_lists_have_every_page_and_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "oci_tags_module.rst").write_text(PAGE)
    (tmp_path / "oci_tags_info_module.rst").write_text("This redirect is part of the collection.\n")
    (tmp_path / "environment_variables.rst").write_text("Index\n=====\n\nNo environment variables have been defined.\n")
    reference.fit(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "filters.rst",
        "lookups.rst",
        "modules.rst",
        "oci_tags_module.rst",
        "roles.rst",
    ]
    modules = (tmp_path / "modules.rst").read_text()
    assert ":doc:`oci_tags <oci_tags_module>`\n     - List the tags of a repository\n" in modules
    assert modules.endswith("\n   oci_tags <oci_tags_module>\n")


def test_a_page_of_another_kind_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x_connection.rst").write_text(PAGE)
    with pytest.raises(reference.PageError, match="of no kind"):
        reference.fit(tmp_path)
