# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._oci.errors import ReferenceInvalid
from .given import given_options
from .naming import conversion_warnings, settle_names
from .ratls_options import attestation_problem

Options = dict[str, dict[str, t.Any]]
"""Options of a module in the form that AnsibleModule takes them."""

REGISTRY: t.Final[Options] = {
    "registry": {"type": "str", "default": "localhost:1337", "aliases": ["host"]},
    "repository": {"type": "str", "required": True, "aliases": ["app_name", "name"]},
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
    "auth_file": {"type": "path", "aliases": ["authfile"]},
    "trusted_realm_hosts": {"type": "list", "elements": "str", "default": []},
    "trusted_redirect_hosts": {"type": "list", "elements": "str", "default": []},
    "mirrors": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 30},
    "connect_timeout": {"type": "float", "default": 10},
    "total_timeout": {"type": "float"},
    "minimum_throughput": {"type": "int", "default": 1024},
    "retries": {"type": "int", "default": 4},
}
"""The options of the fragment attested.registry.registry."""

IMAGE: t.Final[Options] = {
    "image": {"type": "str"},
    "repository": {"type": "str", "required": False, "aliases": ["app_name", "name"]},
    "reference": {"type": "str", "default": "latest"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
    "platform": {"type": "str"},
    "foreign_layers": {"type": "bool", "default": False},
}
"""The options of the fragment attested.registry.registry.image."""

TREE: t.Final[Options] = {
    "ownership": {"type": "bool", "default": True},
    "xattrs": {"type": "str", "choices": ["keep", "require", "skip"], "default": "keep"},
    "devices": {"type": "str", "choices": ["create", "skip", "fail"], "default": "skip"},
    "max_unpacked_bytes": {"type": "bytes", "default": "100G"},
    "max_entries": {"type": "int", "default": 10000000},
    "max_ratio": {"type": "int", "default": 2000},
    "lock_timeout": {"type": "float", "default": 60},
}
"""The options of the fragment attested.registry.tree."""

QUERY: t.Final[Options] = {"query": {"type": "str"}}
"""The options of the fragment attested.registry.registry.query."""

# USER:PASSWORD@ before a host, with or without a scheme, but not the tag in NAME:TAG@DIGEST
_LOGIN: t.Final = re.compile(r"\s*(?:[A-Za-z]+://)?[^/@:\s]*:(?!//)([^@\s]+)@(?!sha[0-9]+:)")
_TOGETHER: t.Final = [("username", "password")]
_EXCLUSIVE: t.Final = [("token", "username"), ("token", "password")]
_REQUIRED_BY: t.Final = {"client_key": "client_cert"}


def registry_module(
    *options: Options,
    required_if: t.Sequence[t.Sequence[t.Any]] = (),
    required_one_of: t.Sequence[t.Sequence[str]] = (),
    add_file_common_args: bool = False,
) -> AnsibleModule:
    """Return the module of a task that speaks to a registry, with the shared options and options.

    The task fails if options of attestation, or those that name the image, do not go together.
    """
    _ask_for_children()
    spec = merge(REGISTRY, *options)
    module = AnsibleModule(
        argument_spec=spec,
        required_together=_TOGETHER,
        mutually_exclusive=_EXCLUSIVE,
        required_by=_REQUIRED_BY,
        required_if=required_if,
        required_one_of=required_one_of,
        add_file_common_args=add_file_common_args,
        supports_check_mode=True,
    )
    _encode_paths(module.params, module.argument_spec)
    module.no_log_values.update(_misplaced_secrets(module.params))
    given = given_options()
    problem = attestation_problem(module.params)
    if problem is not None:
        module.fail_json(msg=problem, error={"kind": "configuration"})
    try:
        settle_names(module.params, given, spec)
    except ReferenceInvalid as exc:
        module.fail_json(msg=exc.message, error=exc.as_result())
    for warning in conversion_warnings(module.params, given):
        module.warn(warning)
    return module


def _misplaced_secrets(params: t.Mapping[str, t.Any]) -> set[str]:
    """Return what no result may show of options that are not secret: logins in names, a key in place of its path."""
    names = [params.get(option) for option in ("registry", "repository", "image")] + params["mirrors"]
    logins = {found.group(1) for found in (_LOGIN.match(name) for name in names if isinstance(name, str)) if found}
    paths = [params.get(option) or "" for option in ("client_key", "client_cert", "ca_path")]
    keys = {line for path in paths if "PRIVATE KEY-----" in path for line in path.splitlines() if len(line) > 3}
    return logins | keys


def local_module(options: Options) -> AnsibleModule:
    """Return the module of a task that speaks to no registry."""
    _ask_for_children()
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    _encode_paths(module.params, options)
    return module


def _encode_paths(params: dict[str, t.Any], options: t.Mapping[str, t.Any]) -> None:
    """Write all paths in the form in which Python names files of this locale, as Ansible's paths are UTF-8 in any."""
    if sys.getfilesystemencoding() == "utf-8":
        return
    for name, option in options.items():
        value = params.get(name)
        if isinstance(value, dict) and "options" in option:
            _encode_paths(value, option["options"])
        elif isinstance(value, str) and option.get("type") == "path":
            params[name] = os.fsdecode(value.encode("utf-8", "surrogateescape"))


def _ask_for_children() -> None:
    """Have the system keep the status of child processes: whatever started this one may ignore SIGCHLD."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def merge(*parts: Options) -> Options:
    """Return all options of parts as one spec; a later part wins."""
    return {name: dict(option) for part in parts for name, option in part.items()}


__all__ = ("IMAGE", "QUERY", "REGISTRY", "TREE", "Options", "local_module", "merge", "registry_module")
