# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The steps of oci_runtime_config: read image and tree, convert the config, bring the file to the result."""

from __future__ import annotations

import json
import re
import typing as t

from ..._base.errors import JsonInvalid
from ..._base.strict_json import load
from ..._base.text import ignore, visible
from ..._unpack.accounts import Accounts
from ..._unpack.tree.mount_points import MAX_POINTS, MountPoints
from .file import MAX_BYTES, write_file
from .mount_points import SYSTEMD_BASE, missing_points, needed_points, with_links_of_systemd
from .process import make_process
from .program import find_program
from .settings import parse_settings
from .source import opened_unpacked
from .spec import make_spec
from .unit import make_unit
from .unit_text import parse_unit_options

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..._base.strict_json import Json
    from .process import Process
    from .settings import Settings
    from .source import UnpackedImage

# Paths that YAML takes for text in a list as they are.
_PLAIN: t.Final = re.compile(r"[\w/.@%+-]+", re.ASCII)

UnitOptions = dict[str, dict[str, tuple[str, ...]]]


def run_runtime_config(module: AnsibleModule) -> Json:
    """Bring the file to the requested state and return the results of the module."""
    params = module.params
    settings = parse_settings(params)
    unit_options = parse_unit_options(params["unit_options"])
    with opened_unpacked(module) as image:
        if image is None:
            module.warn(
                f"The tree {visible(params['root'])} does not exist yet, so check mode cannot tell what the file would"
                " contain."
            )
            return {"changed": True, "dest": params["dest"]}
        runtime = image.config.runtime
        user = (runtime.user or "") if params["user"] is None else params["user"]
        account = Accounts(image.root, image.path).find(user)
        process = make_process(runtime, settings, account)
        results, data = _convert(module, image, process, settings, unit_options)
        results.update(_check_mount_points(module, image, process, settings))
    is_same = _is_same_json(data) if params["format"] == "oci" else data.__eq__
    what = "config" if params["format"] == "oci" else "unit"
    return {**results, **write_file(module, data, what=what, is_same=is_same), **image.attested}


def _convert(
    module: AnsibleModule, image: UnpackedImage, process: Process, settings: Settings, unit_options: UnitOptions
) -> tuple[Json, bytes]:
    """Return the results that describe the conversion, and the bytes of the file."""
    account = process.account
    results: Json = {
        "args": list(process.args),
        "digest": image.digest,
        "user": {
            "uid": account.uid,
            "gid": account.gid,
            "additional_gids": list(account.additional_gids),
            "home": account.home,
        },
    }
    if module.params["format"] == "oci":
        spec = make_spec(image.config, process, settings, root=image.path, warn=module.warn)
        return {**results, "config": spec}, to_bytes(spec)
    unit = make_unit(
        image.config,
        process,
        settings,
        root=image.path,
        program=find_program(image.root, process, path=image.path),
        name=image.name,
        changes=unit_options,
        warn=module.warn,
    )
    return {**results, "unit": unit}, unit.encode("utf-8", "surrogateescape")


def _check_mount_points(module: AnsibleModule, image: UnpackedImage, process: Process, settings: Settings) -> Json:
    """Return the mount points that the tree should be unpacked with; warn if it lacks some."""
    is_unit, before = module.params["format"] == "systemd", image.mount_points
    needed = needed_points(image.config, process, settings, is_unit=is_unit, warn=ignore)
    if is_unit:
        needed = with_links_of_systemd(image.root, needed)
    lacking = missing_points(image.root, needed)
    results: Json = {
        "missing_mount_points": sorted((*lacking.directories, *lacking.files)),
        "mount_points": sorted({*before.directories, *lacking.directories}),
        "mount_files": sorted({*before.files, *lacking.files}),
    }
    made = results["missing_mount_points"]
    if is_unit and process.cwd not in SYSTEMD_BASE:
        absent = set(missing_points(image.root, MountPoints((process.cwd,))).directories).intersection(made)
        made = [path for path in made if path not in absent]
        if absent:
            module.warn(
                f"The tree {visible(image.path)} lacks the working directory {visible(process.cwd)}, without which"
                f" systemd cannot start the process. {_advice(results)}"
            )
    if made:
        module.warn(
            f"The tree {visible(image.path)} lacks {visible(', '.join(made))}, which"
            f" {'systemd' if is_unit else 'the runtime'} makes there when the process starts, and the next"
            f" oci_image_unpack finds that the tree has changed and unpacks the image again. {_advice(results)}"
        )
    return results


def _advice(results: Json) -> str:
    names = [name for name in ("mount_points", "mount_files") if results[name]]
    if any(len(results[name]) > MAX_POINTS for name in names):
        return (
            f"Build the image with what is missing, which is more than the {MAX_POINTS} paths that an option can have."
        )
    given = [f"{name}: [{', '.join(map(_in_yaml, results[name]))}]" for name in names]
    shown = visible(" and ".join(given), limit=4096)
    return f"Unpack the image with {shown}, or build it with what is missing."


def _in_yaml(path: str) -> str:
    """Return a path as an entry of a list in YAML: the name of a volume can have commas and quotes."""
    return path if _PLAIN.fullmatch(path) else json.dumps(path, ensure_ascii=False)


def to_bytes(spec: Json) -> bytes:
    """Return config.json as bytes, the same for equal values."""
    return (json.dumps(spec, indent=2, sort_keys=True) + "\n").encode("ascii")


def _is_same_json(data: bytes) -> t.Callable[[bytes], bool]:
    """Return a function that tells whether a document has the same values as data, in whatever form."""
    wanted = json.loads(data)

    def is_same(text: bytes) -> bool:
        try:
            found = load(text, what="the file", max_bytes=MAX_BYTES)
        except JsonInvalid:
            return False
        # compared as text, because Python holds 1, 1.0 and true for equal
        return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)

    return is_same


__all__ = ("run_runtime_config", "to_bytes")
