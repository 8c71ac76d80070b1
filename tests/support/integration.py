# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command while the registries of the integration tests run, with their addresses in a file of variables.

    python -m ansible_collections.attested.registry.tests.support.integration \\
        --images DIR --work DIR --config FILE -- COMMAND...
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from .images import debian_images, small_images
from .module_python import module_python
from .registries import lying_registries
from .registries.slow_front import slow_front
from .servers import attested_registry
from .servers.fake_token_service import FakeTokenService
from .servers.peers import DockerAuth, DockerRegistry, HarborLikeFront, OwnServer, Tls, make_htpasswd, make_tls

TOP: t.Final = Path(__file__).resolve().parent.parent.parent
USERNAME: t.Final = "reader"
# of the stand-in for Harbor, whose robot accounts are named so
MIRROR_USERNAME: t.Final = "robot$hub+reader"
MIRROR_PREFIX: t.Final = "hub"
# umoci does not set the times of directories without an entry in a layer: they have the time of unpacking.
TIMES_OF_UNPACKING: t.Final = ("var/lib:mtime_ns", "var/lib/implied:mtime_ns", "var/lib/implied/parents:mtime_ns")


@contextlib.contextmanager
def registries(made: debian_images.TestImages, work: Path) -> t.Iterator[dict[str, t.Any]]:
    """Start all registries and yield the variables for the integration targets."""
    password = secrets.token_hex(16)
    storage = work / "storage"
    shutil.copytree(made.storage, storage)
    tls = make_tls(work / "tls")
    htpasswd = make_htpasswd(work / "htpasswd", USERNAME, password)
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(DockerRegistry(storage, work / "plain").running())
        small = small_images.small_images(made, work / "small")
        small_images.push(small, plain)
        secured = stack.enter_context(DockerRegistry(storage, work / "secured", tls=tls, htpasswd=htpasswd).running())
        example = stack.enter_context(OwnServer(TOP / "examples" / "registry", work / "own").running())
        example_tls = stack.enter_context(OwnServer(TOP / "examples" / "registry", work / "own-tls", tls=tls).running())
        yield {
            **stack.enter_context(mirrors(plain, work / "mirrors", tls)),
            **stack.enter_context(tokens(storage, work / "tokens", tls)),
            **stack.enter_context(lying_registries.running()),
            **stack.enter_context(attested_registry.running(TOP / "examples" / "registry", work / "attested", tls)),
            "plain_registry": plain,
            "slow_registry": stack.enter_context(slow_front(plain, seconds=14)),
            "tls_registry": secured,
            "example_registry": example,
            "example_tls_registry": example_tls,
            "tls_ca": str(tls.ca),
            "registry_username": USERNAME,
            "registry_password": password,
            "compare_with_1": compare_with(made.expected("1.0")),
            "compare_with_2": compare_with(made.expected("2.0"), *TIMES_OF_UNPACKING),
            "small_layout": str(small.layout),
            "compare_small_1": compare_with(small.expected("1.0")),
            "compare_small_2": compare_with(small.expected("2.0"), *TIMES_OF_UNPACKING),
        }


@contextlib.contextmanager
def mirrors(upstream: str, work: Path, tls: Tls) -> t.Iterator[dict[str, t.Any]]:
    """Start two mirrors of a registry, host:port, and yield the variables about them."""
    work.mkdir()
    password = secrets.token_hex(16)
    cache = DockerRegistry(work / "cache", work / "through", remote=f"http://{upstream}")
    front = HarborLikeFront(
        upstream, MIRROR_PREFIX, work / "front", tls, make_htpasswd(work / "htpasswd", MIRROR_USERNAME, password)
    )
    with cache.running() as through, front.running() as harbor_like:
        yield {
            "pull_through_mirror": through,
            "harbor_like_mirror": harbor_like,
            "harbor_like_prefix": MIRROR_PREFIX,
            "harbor_like_username": MIRROR_USERNAME,
            "harbor_like_password": password,
        }


@contextlib.contextmanager
def tokens(storage: Path, work: Path, tls: Tls) -> t.Iterator[dict[str, t.Any]]:
    """Start a registry that requires tokens, and its token service, and yield the variables about them.

    One user may pull, another one may push too. The service is docker_auth where that is installed.
    """
    users = {USERNAME: secrets.token_hex(16), "writer": secrets.token_hex(16)}
    actions = {USERNAME: ["pull"], "writer": ["pull", "push"]}
    service: DockerAuth | FakeTokenService = FakeTokenService(tls, users, actions)
    if DockerAuth.program() is not None:
        service = DockerAuth(work / "docker_auth", tls, users, actions)
    with service.running() as token, DockerRegistry(storage, work / "registry", token=token).running() as registry:
        yield {
            "token_registry": registry,
            "token_username": USERNAME,
            "token_password": users[USERNAME],
            "token_writer": "writer",
            "token_writer_password": users["writer"],
        }


def compare_with(tree: Path, *ignored: str) -> str:
    """Return the start of a command line that compares a directory with tree, which umoci unpacked."""
    options = "".join(f" --ignore {item}" for item in ignored)
    return f"{sys.executable} {Path(__file__).with_name('images') / 'compare_trees.py'}{options} {tree}"


def tools(work: Path) -> dict[str, str]:
    """Return the variables about this machine: its Python, a bare Python without libraries, a working directory.

    Tasks that name no other interpreter have modules start from the compiled files of this environment's ansible-core.
    """
    bare = work / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    (work / "targets").mkdir()
    return {
        "ansible_python_interpreter": module_python(work),
        "test_python": sys.executable,
        "bare_python": str(bare / "bin" / "python"),
        "work_root": str(work / "targets"),
    }


@contextlib.contextmanager
def ordinary_user() -> t.Iterator[dict[str, str]]:
    """Yield the variables for tasks that run as the user nobody, who may not be able to read .venv or the checkout."""
    with tempfile.TemporaryDirectory(prefix="ordinary-user-") as place:
        Path(place).chmod(0o755)
        libraries = Path(place) / "libraries"
        for name in ("requests", "urllib3", "idna", "certifi", "charset_normalizer"):
            (source,) = importlib.import_module(name).__path__
            shutil.copytree(source, libraries / name)
        yield {"user_root": place, "user_libraries": str(libraries), "user_python": _python_for_all()}


def _python_for_all() -> str:
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        command = ("su", "-s", "/bin/sh", "nobody", "-c", f"{shlex.quote(python)} -c 'import ssl'")
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return python
    sys.exit("error: no Python can be run by an unprivileged user; install the Debian package python3.")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    made = debian_images.test_images(options.images)
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, mode=0o755)
    with registries(made, work) as variables, ordinary_user() as user:
        # JSON is YAML.
        options.config.write_text(json.dumps({**variables, **user, **tools(work)}, indent=2) + "\n")
        status = subprocess.run(options.command, stdin=subprocess.DEVNULL, check=False, env=os.environ).returncode
    if status == 0:
        shutil.rmtree(work)
    return status


if __name__ == "__main__":
    sys.exit(main())
