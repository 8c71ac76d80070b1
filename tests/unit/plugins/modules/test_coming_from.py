# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every task in docs/coming-from.md runs, in the order of the page."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import ansible_collections.attested.registry
import yaml
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry

PAGE = pathlib.Path(ansible_collections.attested.registry.__path__[0], "docs", "coming-from.md")
TASK = re.compile(r"`(oci_\w+): (\{.*?\})`")


def test_every_task_of_the_page_runs(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: pathlib.Path, new: images.Image
) -> None:
    registry.writable = True
    key = SigningKey.make("p256")
    key.write(tmp_path / "cosign.pub")
    signed = signatures([simple_signing(key, new.digest, f"{registry.name}/team/app")])
    registry.publish("team/app", {"1.0": new, signature_tag(new.digest): signed})
    tasks = TASK.findall(PAGE.read_text())
    assert len(tasks) > 20
    for module, text in tasks:
        text = text.replace("registry.example.com", registry.name).replace("/srv/", f"{tmp_path}/")
        options = yaml.safe_load(re.sub(r"sha256:[0-9a-f]{64}", new.layers[0].digest, text))
        if module == "oci_image_unpack" and os.geteuid() != 0:
            options["ownership"] = False
        if module == "oci_layout" and options.get("state") == "absent":
            # what is removed is there
            assert (tmp_path / "app" / "index.json").exists()
        first = run_module(module, **options)
        assert not first.failed, (module, options, first["msg"])
        again = run_module(module, **options)
        assert again.results.get("changed") is False, (module, options)
