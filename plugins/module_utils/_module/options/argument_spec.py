# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Shared argument specs for all modules, and the AnsibleModule of every module but cca_token_info.

doc_fragments/ documents the same options; a unit test compares the two.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..._base.errors import CollectionError
from ..._base.text import describe
from .given import given_options
from .mirrors import mirror_secrets, settle_mirrors
from .naming import conversion_warnings, settle_layout, settle_names
from .ratls_options import attestation_problem

# An argument spec as AnsibleModule takes it.
Options = dict[str, dict[str, t.Any]]

# The options that a registry and a mirror have both.
_CONNECTION: t.Final[Options] = {
    "tls": {"type": "str", "choices": ["no-tls", "tls", "ra-tls"]},
    "ratls": {
        "type": "dict",
        "options": {
            "evidence": {
                "type": "str",
                "choices": ["file", "command", "rsi", "tsm", "simulated"],
                "required": True,
            },
            "path": {"type": "path"},
            "argv": {"type": "list", "elements": "str"},
            "key_type": {"type": "str", "choices": ["rsa-2048", "ec-p256"], "default": "rsa-2048", "no_log": False},
            "timeout": {"type": "float", "default": 30},
        },
    },
    "ca_path": {"type": "path", "aliases": ["root_ca"]},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "validate_certs": {"type": "bool", "default": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "identity_token": {"type": "str", "no_log": True},
    "auth_file": {"type": "path", "aliases": ["authfile"]},
    "aws_profile": {"type": "str"},
    "aws_region": {"type": "str"},
}

# The options of a dictionary in mirrors. What is not set is as for a mirror that is given by its name.
MIRROR: t.Final[Options] = {
    "registry": {"type": "str", "required": True, "aliases": ["host"]},
    "repository_prefix": {"type": "str"},
    **_CONNECTION,
    "validate_certs": {"type": "bool"},
}

# The option target of modules that write to another registry. What is not set is as for the registry of the task.
TARGET: t.Final[Options] = {
    "image": {"type": "str"},
    "registry": {"type": "str", "aliases": ["host"]},
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "tags": {"type": "list", "elements": "str"},
    **_CONNECTION,
    "validate_certs": {"type": "bool"},
}

# The options of the fragment attested.registry.registry.
REGISTRY: t.Final[Options] = {
    "registry": {"type": "str", "default": "localhost:1337", "aliases": ["host"]},
    **_CONNECTION,
    "trusted_realm_hosts": {"type": "list", "elements": "str", "default": []},
    "trusted_redirect_hosts": {"type": "list", "elements": "str", "default": []},
    # mirrors.py validates the elements
    "mirrors": {"type": "list", "elements": "raw", "default": [], "options": MIRROR},
    "timeout": {"type": "float", "default": 30},
    "connect_timeout": {"type": "float", "default": 10},
    "total_timeout": {"type": "float"},
    "minimum_throughput": {"type": "int", "default": 1024},
    "retries": {"type": "int", "default": 4},
}

# The options of the fragment attested.registry.registry.repository.
REPOSITORY: t.Final[Options] = {
    "repository": {"type": "str", "required": True, "aliases": ["app_name", "name"]},
}

# The options of the fragment attested.registry.registry.name.
NAME: t.Final[Options] = {
    "image": {"type": "str"},
    "repository": {"type": "str", "required": False, "aliases": ["app_name", "name"]},
    "reference": {"type": "str", "default": "latest"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
}

# The options of the fragments attested.registry.registry.name and attested.registry.registry.image.
IMAGE: t.Final[Options] = {
    **NAME,
    "platform": {"type": "str"},
    "foreign_layers": {"type": "bool", "default": False},
}

# The options of the fragment attested.registry.registry.layout.
LAYOUT: t.Final[Options] = {"layout": {"type": "path"}}

# The option of the fragment attested.registry.registry.signature.
SIGNATURE: t.Final[Options] = {
    "signature": {
        "type": "dict",
        "options": {
            "format": {"type": "str", "choices": ["cosign", "islet"], "default": "cosign"},
            "keys": {"type": "list", "elements": "path", "required": True, "no_log": False},
            "signatures": {"type": "int", "default": 1},
            "identity": {"type": "str", "choices": ["exact", "none"]},
        },
    },
}

# The options of the fragment attested.registry.registry.download.
DOWNLOAD: t.Final[Options] = {
    "parallel": {"type": "int", "default": 4},
    "limit_rate": {"type": "bytes"},
    "cache": {"type": "path"},
    "cache_size": {"type": "bytes", "default": "10G"},
}

# The option of the fragment attested.registry.registry.progress.
PROGRESS: t.Final[Options] = {"progress": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"}}

# The options of the fragment attested.registry.tree.
TREE: t.Final[Options] = {
    "ownership": {"type": "bool", "default": True},
    "xattrs": {"type": "str", "choices": ["keep", "require", "skip"], "default": "keep"},
    "devices": {"type": "str", "choices": ["create", "skip", "fail"], "default": "skip"},
    "max_unpacked_bytes": {"type": "bytes", "default": "100G"},
    "max_entries": {"type": "int", "default": 10000000},
    "max_ratio": {"type": "int", "default": 2000},
    "lock_timeout": {"type": "float", "default": 60},
}

# The options of the modules that list names.
LISTING: t.Final[Options] = {
    "n": {"type": "int"},
    "last": {"type": "str"},
    "pattern": {"type": "str"},
    "pattern_type": {"type": "str", "choices": ["fnmatch", "regex"], "default": "fnmatch"},
}

# The option tags_from of modules that copy many tags.
TAGS_FROM: t.Final[Options] = {
    "tags_from": {
        "type": "dict",
        "options": {
            "pattern": {"type": "str"},
            "pattern_type": {"type": "str", "choices": ["fnmatch", "regex"], "default": "fnmatch"},
            "newest": {"type": "int"},
            "limit": {"type": "int"},
            "prune": {"type": "bool", "default": False},
        },
    },
}

# The options of the fragment attested.registry.registry.query.
QUERY: t.Final[Options] = {"query": {"type": "str"}}

# USER:PASSWORD@ before a host, with or without a scheme, but not the tag in NAME:TAG@DIGEST
_LOGIN: t.Final = re.compile(r"\s*(?:[A-Za-z]+://)?[^/@:\s]*:(?!//)([^@\s]+)@(?!sha[0-9]+:)")

# Rules about the options of REGISTRY.
TOGETHER: t.Final = [("username", "password")]
EXCLUSIVE: t.Final = [
    ("token", "username"),
    ("token", "password"),
    ("identity_token", "token"),
    ("identity_token", "username"),
    ("identity_token", "password"),
]
REQUIRED_BY: t.Final = {"client_key": "client_cert"}
MIRROR_RULES: t.Final = (TOGETHER, EXCLUSIVE, REQUIRED_BY)


class _RegistryModule(AnsibleModule):
    """An AnsibleModule that masks the secrets of mirrors before it validates, logs or reports any option.

    misfit is the option ratls if that is of a type on which Ansible's validation fails without naming the option.
    """

    misfit: object = None

    def _load_params(self) -> None:
        AnsibleModule._load_params(self)
        self.no_log_values.update(mirror_secrets(self.params.get("mirrors"), MIRROR))
        if not isinstance(self.params.get("ratls"), (dict, str, type(None))):
            self.misfit = self.params.pop("ratls")


def registry_module(
    *options: Options,
    required_if: t.Sequence[t.Sequence[t.Any]] = (),
    required_one_of: t.Sequence[t.Sequence[str]] = (),
    mutually_exclusive: t.Sequence[tuple[str, str]] = (),
    add_file_common_args: bool = False,
) -> AnsibleModule:
    """Return the AnsibleModule of a task that connects to a registry, with the options of REGISTRY and options.

    The task fails if the options of attestation, or those that name the image, contradict each other.
    """
    _reset_sigchld()
    spec = merge(REGISTRY, *options)
    make: t.Callable[..., _RegistryModule] = _RegistryModule
    module = make(
        argument_spec=spec,
        required_together=TOGETHER,
        mutually_exclusive=[*EXCLUSIVE, *mutually_exclusive],
        required_by=REQUIRED_BY,
        required_if=required_if,
        required_one_of=required_one_of,
        add_file_common_args=add_file_common_args,
        supports_check_mode=True,
    )
    module.no_log_values.update(_misplaced_secrets(module.params))
    given = given_options()
    problem = attestation_problem(module.params)
    if module.misfit is not None:
        problem = f"The option ratls is {describe(module.misfit)}; give a dictionary with evidence in it."
    if problem is not None:
        module.fail_json(msg=problem, error={"kind": "configuration"})
    try:
        settle_layout(module.params, given, spec)
        settle_names(module.params, given, spec)
        settle_mirrors(module.params, MIRROR, MIRROR_RULES)
    except CollectionError as exc:
        module.fail_json(msg=exc.message, error=exc.as_result())
    _encode_paths(module.params, module.argument_spec)
    for warning in conversion_warnings(module.params, given):
        module.warn(warning)
    return module


def _misplaced_secrets(params: t.Mapping[str, t.Any]) -> set[str]:
    """Return the secrets in options that take none: logins in registry names, private keys in place of their paths."""
    mirrors = params["mirrors"]
    places = [params, *(entry for entry in mirrors if isinstance(entry, dict))]
    names = [place.get(option) for place in places for option in ("registry", "host", "repository", "image")] + mirrors
    logins = {found.group(1) for found in (_LOGIN.match(name) for name in names if isinstance(name, str)) if found}
    paths = [str(place.get(option)) for place in places for option in ("client_key", "client_cert", "ca_path")]
    paths += map(str, (params.get("signature") or {}).get("keys", ()))
    keys = {line for path in paths if "PRIVATE KEY-----" in path for line in path.splitlines() if len(line) > 3}
    return logins | keys


def local_module(options: Options) -> AnsibleModule:
    """Return the AnsibleModule of a task that connects to no registry."""
    _reset_sigchld()
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    _encode_paths(module.params, options)
    return module


def _encode_paths(params: dict[str, t.Any], options: t.Mapping[str, t.Any]) -> None:
    """Convert all paths to the filesystem encoding of Python: Ansible passes paths as UTF-8 in every locale."""
    if sys.getfilesystemencoding() == "utf-8":
        return
    for name, option in options.items():
        value = params.get(name)
        if "options" in option:
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict):
                    _encode_paths(part, option["options"])
        elif isinstance(value, str) and option.get("type") == "path":
            params[name] = _encode_path(value)
        elif isinstance(value, list) and option.get("elements") == "path":
            params[name] = [_encode_path(path) for path in value]


def _encode_path(path: str) -> str:
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def _reset_sigchld() -> None:
    """Restore the default action of SIGCHLD. If a parent process ignored it, the status of children would be lost."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def merge(*parts: Options) -> Options:
    """Return the options of all parts as one argument spec; a later part overrides an earlier one."""
    return {name: dict(option) for part in parts for name, option in part.items()}


__all__ = (
    "DOWNLOAD",
    "EXCLUSIVE",
    "IMAGE",
    "LAYOUT",
    "LISTING",
    "MIRROR",
    "MIRROR_RULES",
    "NAME",
    "PROGRESS",
    "QUERY",
    "REGISTRY",
    "REPOSITORY",
    "REQUIRED_BY",
    "SIGNATURE",
    "TAGS_FROM",
    "TARGET",
    "TOGETHER",
    "TREE",
    "Options",
    "local_module",
    "merge",
    "registry_module",
)
