# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports follow the layering; every file under plugins/ keeps the other rules, and every file has a docstring."""

from __future__ import annotations

import ast
import functools
import graphlib
import json
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

COLLECTION = "ansible_collections.attested.registry"
ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
PLUGINS = ROOT / "plugins"
FILES = sorted(PLUGINS.rglob("*.py"))
UTILS = [path for path in FILES if path.is_relative_to(PLUGINS / "module_utils")]
PRIVATE = [path for path in FILES if path.relative_to(PLUGINS).parts[0] in ("module_utils", "doc_fragments")]
# The directories of the other Python files; ruff's D100 cannot stand in for the test, because it passes over test_*.py.
OTHERS = ("benchmarks", "examples", "roles", "tests/integration", "tests/support", "tests/unit", "tools")

# which packages each package imports besides itself, for types included: the edges that exist and no more
BELOW = {
    "_base": (),
    "_oci": ("_base",),
    "_tls13": ("_base",),
    "_ratls": ("_base",),
    "_registry": ("_ratls", "_tls13", "_oci", "_base"),
    "_unpack": ("_oci", "_base"),
    "_destination": ("_unpack", "_oci", "_base"),
    "_layout": ("_oci", "_base"),
    "_archive": ("_unpack", "_layout", "_oci", "_base"),
    "_trust": ("_oci", "_base"),
    "_server": ("_trust", "_layout", "_ratls", "_tls13", "_oci", "_base"),
    "_module": ("_trust", "_registry", "_destination", "_archive", "_unpack", "_layout", "_ratls", "_oci", "_base"),
    "modules": ("_module", "_ratls", "_oci", "_base"),
    "filter": ("_oci",),
    "lookup": ("_module", "_oci", "_base"),
    "plugin_utils": ("_module", "_destination", "_unpack", "_base"),
    "action": ("plugin_utils",),
    "doc_fragments": (),
}
# which rooms, the folders of a package, each room imports besides itself; files on top of a package belong to no room
ROOMS = {
    "_tls13/crypto": (),
    "_ratls/token": (),
    "_ratls/evidence": ("token",),
    "_ratls/appraisal": ("evidence", "token"),
    "_ratls/veraison": ("appraisal", "token"),
    "_registry/transport": (),
    "_registry/auth": ("transport",),
    "_registry/push": ("transport",),
    "_unpack/tar": (),
    "_unpack/tree": (),
    "_unpack/changeset": ("tar", "tree"),
    "_unpack/record": ("tree",),
    "_unpack/pipeline": (),
    "_server/config": (),
    "_server/content": ("config",),
    "_server/access": ("config",),
    "_server/metrics": ("content",),
    "_server/api": ("access", "config", "content"),
    "_server/attestation": ("access", "config", "metrics"),
    "_server/connections": ("access", "api", "attestation", "config", "metrics"),
    "_server/processes": ("access", "api", "attestation", "config", "connections", "content", "metrics"),
    "_module/options": (),
    "_module/registry": ("options",),
    "_module/artifact": ("registry",),
    "_module/index": ("registry",),
    "_module/image": ("options", "registry"),
    "_module/layer": ("options",),
    "_module/login": ("options", "registry"),
    "_module/layout": ("options", "registry"),
    "_module/archive": ("layout", "options", "registry"),
    "_module/copy": ("layout", "options", "registry"),
    "_module/export": ("archive", "image", "options", "registry"),
    "_module/runtime": ("options", "registry"),
}
MAY_IMPORT_ANSIBLE = ("_module", "modules", "filter", "lookup", "plugin_utils", "action")
THIRD_PARTY = {
    "_archive": {"zstandard"},
    "_base": {"cryptography"},
    "_module": {"jmespath"},
    "_registry": {"botocore", "keyring", "requests", "urllib3"},
    "_unpack": {"isal", "zstandard"},
    "_server": {"aiohttp", "bcrypt", "multidict", "prometheus_client", "pydantic", "yaml", "yarl"},
    "_ratls": {"aiohttp", "cryptography", "cbor2", "yarl"},
    "_tls13": {"cryptography"},
}

# How many files of module_utils each module reaches by imports, those inside of functions and for types included.
# Ansible sends all of them to the host with each task, and a run that changes nothing spends most of its time on that.
# Change a number knowingly.
REACHED = {
    "cca_token_info": 26,
    "oci_archive": 209,
    "oci_artifact": 194,
    "oci_blob": 139,
    "oci_catalog": 127,
    "oci_image_copy": 207,
    "oci_image_export": 255,
    "oci_image_info": 178,
    "oci_image_unpack": 250,
    "oci_image_unpack_info": 50,
    "oci_image_unpack_probe": 21,
    "oci_index": 134,
    "oci_layer_unpack": 69,
    "oci_layout": 204,
    "oci_layout_info": 45,
    "oci_login": 140,
    "oci_login_info": 44,
    "oci_manifest": 167,
    "oci_referrers": 167,
    "oci_runtime_config": 200,
    "oci_tag": 133,
    "oci_tags": 127,
}

HEADER = (
    "# Copyright (c) 2026, attested.registry contributors",
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
PRIVATE_NOTE = {
    "module_utils": "# This module util is PRIVATE to the collection and can change at any time.",
    "doc_fragments": "# This doc fragment is PRIVATE to the collection and can change at any time.",
}


@dataclass(frozen=True)
class Import:
    """An import statement: the dotted name of what it loads, and whether it is there for type checkers alone."""

    name: str
    line: int
    typing_only: bool

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


def label(path: Path) -> str:
    return str(path.relative_to(PLUGINS))


def package_of(path: Path) -> str:
    parts = path.relative_to(PLUGINS).parts
    return parts[1] if parts[0] == "module_utils" else parts[0]


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 9))


def dotted(path: Path) -> str:
    return ".".join((COLLECTION, "plugins", *path.relative_to(PLUGINS).with_suffix("").parts))


@functools.cache
def imports(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(parse(path), dotted(path).split(".")[:-1], typing_only=False))


def _imports(node: ast.AST, package: list[str], *, typing_only: bool) -> t.Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, typing_only) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        prefix = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*prefix, *([node.module] if node.module else [])])
        yield from (Import(f"{base}.{alias.name}", node.lineno, typing_only) for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("t.TYPE_CHECKING", "TYPE_CHECKING"):
        for statement in node.body:
            yield from _imports(statement, package, typing_only=True)
        for statement in node.orelse:
            yield from _imports(statement, package, typing_only=typing_only)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, typing_only=typing_only)


def inside(name: str) -> str | None:
    """The package of the collection that a dotted name belongs to, None for what is outside of the collection."""
    parts = name.split(".")
    prefix = [*COLLECTION.split("."), "plugins"]
    if parts[:4] != prefix:
        return None
    rest = parts[4:]
    return rest[1] if rest[0] == "module_utils" and len(rest) > 1 else rest[0]


def is_third_party(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ("ansible", "ansible_collections")


def test_the_plugins_are_found() -> None:
    assert PLUGINS / "module_utils" / "_oci" / "digest.py" in UTILS


def test_no_init_files() -> None:
    assert [label(path) for path in FILES if path.name == "__init__.py"] == []


def test_every_package_has_its_place() -> None:
    assert {package_of(path) for path in FILES} <= set(BELOW)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_inside_the_collection_go_downwards(path: Path) -> None:
    package = package_of(path)
    wrong = [
        f"line {found.line}: {found.name}"
        for found in imports(path)
        if found.top == "ansible_collections"
        and (inside(found.name) or "outside of the collection") not in (package, *BELOW[package])
    ]
    assert wrong == []


def test_the_table_lists_no_edge_that_does_not_exist() -> None:
    found = {package: set[str]() for package in BELOW}
    for path in FILES:
        found[package_of(path)].update(inside(item.name) or "" for item in imports(path))
    missing = {package: set(below) - found[package] for package, below in BELOW.items()}
    assert {package: below for package, below in missing.items() if below} == {}


@functools.cache
def files_below(path: Path) -> frozenset[Path]:
    """The files of module_utils that a file imports itself."""
    names = {found.name for found in imports(path)}
    by_name = {dotted(util): util for util in UTILS if util != path}
    return frozenset(by_name[name] for name in names | {name.rpartition(".")[0] for name in names} if name in by_name)


def reached(path: Path) -> set[Path]:
    found: set[Path] = set()
    todo = [path]
    while todo:
        new = files_below(todo.pop()) - found
        found |= new
        todo += new
    return found


def test_how_many_files_each_module_reaches() -> None:
    assert {path.stem: len(reached(path)) for path in FILES if package_of(path) == "modules"} == REACHED


def test_no_files_import_each_other() -> None:
    """Not through others either, and not for types: what can be read by itself can be understood by itself."""
    try:
        tuple(graphlib.TopologicalSorter({path: files_below(path) for path in UTILS}).static_order())
    except graphlib.CycleError as exc:
        pytest.fail(" -> ".join(label(path) for path in exc.args[1]))


def room_of(path: Path) -> str | None:
    parts = path.relative_to(PLUGINS / "module_utils").parts
    return "/".join(parts[:2]) if len(parts) > 2 else None


def test_rooms_import_only_those_listed() -> None:
    """And are listed below those that they import, so rooms do not import each other."""
    found: dict[str, set[str]] = {}
    for path in UTILS:
        room = room_of(path)
        if room is not None:
            package = package_of(path)
            below = {room_of(file) for file in files_below(path) if package_of(file) == package}
            found.setdefault(room, set()).update(other for other in below if other not in (room, None))
    assert found == {room: {f"{room.partition('/')[0]}/{name}" for name in below} for room, below in ROOMS.items()}
    order = list(ROOMS)
    assert all(order.index(other) < order.index(room) for room, below in found.items() for other in below)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_imports_inside_a_package_are_relative(path: Path) -> None:
    levels = {node.module: node.level for node in ast.walk(parse(path)) if isinstance(node, ast.ImportFrom)}
    absolute = [
        module for module, level in levels.items() if module and inside(module) == package_of(path) and not level
    ]
    assert absolute == []


@pytest.mark.parametrize("path", FILES, ids=label)
def test_ansible_stays_in_its_rooms(path: Path) -> None:
    if package_of(path) not in MAY_IMPORT_ANSIBLE:
        assert [found for found in imports(path) if found.top == "ansible"] == []


@pytest.mark.parametrize("package", sorted(BELOW))
def test_third_party_imports_are_known_and_in_one_file(package: str) -> None:
    where: dict[str, set[str]] = {}
    for path in FILES:
        if package_of(path) == package:
            for found in imports(path):
                if is_third_party(found.name) and not found.typing_only:
                    where.setdefault(found.top, set()).add(label(path))
    assert set(where) <= THIRD_PARTY.get(package, set())
    assert {library: files for library, files in where.items() if len(files) > 1} == {}


@pytest.mark.parametrize("path", FILES, ids=label)
def test_third_party_imports_for_types_are_known(path: Path) -> None:
    known = THIRD_PARTY.get(package_of(path), set())
    assert {found.top for found in imports(path) if is_third_party(found.name)} <= known


@pytest.mark.parametrize("path", FILES, ids=label)
def test_syntax_is_that_of_python_3_9(path: Path) -> None:
    parse(path)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_nothing_newer_than_python_3_9_is_called(path: Path) -> None:
    newer = {"dataclass": {"slots", "kw_only"}, "zip": {"strict"}, "field": {"kw_only"}}
    found = [
        f"line {node.lineno}: {ast.unparse(node.func)}({keyword.arg}=)"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in newer.get(ast.unparse(node.func).rpartition(".")[2], ())
    ]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=label)
def test_header(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    lines = lines[1:] if lines[0].startswith("#!") else lines
    assert tuple(lines[:3]) == HEADER
    statements = [node for node in parse(path).body if not isinstance(node, ast.Expr)]
    assert isinstance(statements[0], ast.ImportFrom)
    assert ast.unparse(statements[0]) == "from __future__ import annotations"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parse(path))


def test_every_other_file_says_what_it_is() -> None:
    others = [path for directory in OTHERS for path in (ROOT / directory).rglob("*.py")]
    assert Path(__file__) in others
    assert [str(path.relative_to(ROOT)) for path in others if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


@pytest.mark.parametrize("path", PRIVATE, ids=label)
def test_private_note(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    note = lines[4:6] if lines[3] in ("", "#") else lines[3:5]
    assert note == [
        PRIVATE_NOTE[path.relative_to(PLUGINS).parts[0]],
        "# Do not use it from other collections or standalone plugins.",
    ]


def bound_names(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names |= {
        node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return names


@pytest.mark.parametrize("path", [path for path in UTILS if path.name != "__main__.py"], ids=label)
def test_all_is_a_sorted_tuple_at_the_end(path: Path) -> None:
    last = parse(path).body[-1]
    assert isinstance(last, ast.Assign)
    assert [ast.unparse(target) for target in last.targets] == ["__all__"]
    names = ast.literal_eval(last.value)
    assert isinstance(names, tuple)
    # constants first, then classes, then functions, each in order: ruff's RUF022
    assert list(names) == sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
    assert set(names) <= bound_names(parse(path))


# Runs in a Python of its own without site-packages: only what is handed over can be imported. Each file is imported in
# a fork, so that none leans on what another one has loaded.
IMPORTER = """
import dataclasses, hashlib, importlib, importlib.abc, json, os, sys, traceback, typing

job = json.load(sys.stdin)
sys.path[:0] = job["path"]

class OnlyKnown(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

allowed = {*sys.stdlib_module_names, *job["allowed"]}
sys.meta_path.insert(0, OnlyKnown())
failures = {}
for name in job["names"]:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        try:
            importlib.import_module(name)
        except BaseException:
            os.write(writer, traceback.format_exc()[-3000:].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        report = stream.read()
    os.wait()
    if report:
        failures[name] = report
json.dump(failures, sys.stdout)
"""


def import_bare(paths: list[Path], *, allowed: tuple[str, ...], search: tuple[Path, ...] = ()) -> dict[str, str]:
    job = {
        "names": [dotted(path) for path in paths],
        "allowed": ["ansible_collections", *allowed],
        "path": [str(BUILD), *map(str, search)],
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORTER],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=True,
    )
    return t.cast("dict[str, str]", json.loads(done.stdout))


def test_the_bare_python_is_bare() -> None:
    """The test below would notice a package that needs ansible."""
    failures = import_bare([PLUGINS / "filter" / "parse_reference.py"], allowed=())
    assert "No module named 'ansible'" in "".join(failures.values())


def test_every_module_util_imports_on_a_bare_python() -> None:
    paths = [path for path in UTILS if package_of(path) not in MAY_IMPORT_ANSIBLE]
    assert import_bare(paths, allowed=()) == {}


def test_what_may_import_ansible_needs_nothing_more() -> None:
    ansible = pytest.importorskip("ansible")
    site = Path(ansible.__file__).parents[1]
    paths = [path for path in FILES if package_of(path) in ("_module", "modules")]
    assert import_bare(paths, allowed=("ansible",), search=(site,)) == {}
