# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The AnsibleModule of every module but cca_token_info, made of the options in spec.py."""

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
from .spec import EXCLUSIVE, MIRROR, MIRROR_RULES, REGISTRY, REQUIRED_BY, TOGETHER, Options, merge

# USER:PASSWORD@ before a host, with or without a scheme, but not the tag in NAME:TAG@DIGEST
_LOGIN: t.Final = re.compile(r"\s*(?:[A-Za-z]+://)?[^/@:\s]*:(?!//)([^@\s]+)@(?!sha[0-9]+:)")


class RegistryModule(AnsibleModule):
    """An AnsibleModule that masks the secrets of mirrors before it validates, logs or reports any option.

    misfit is the option ratls if that is of a type on which Ansible's validation fails without naming the option. asked
    are the options as Ansible validated them, before they are changed to what they mean. has_warned tells whether the
    results have warnings of this collection.
    """

    misfit: object = None
    asked: t.Mapping[str, t.Any]
    has_warned = False

    def warn(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Add a warning to the results, as AnsibleModule does."""
        self.has_warned = True
        super().warn(*args, **kwargs)

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
) -> RegistryModule:
    """Return the AnsibleModule of a task that connects to a registry, with the options of REGISTRY and options.

    The task fails if the options of attestation, or those that name the image, contradict each other.
    """
    _reset_sigchld()
    spec = merge(REGISTRY, *options)
    make: t.Callable[..., RegistryModule] = RegistryModule
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
    module.asked = dict(module.params)
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


def local_module(options: Options, *, required_one_of: t.Sequence[t.Sequence[str]] = ()) -> AnsibleModule:
    """Return the AnsibleModule of a task that connects to no registry."""
    _reset_sigchld()
    module = AnsibleModule(argument_spec=options, required_one_of=required_one_of, supports_check_mode=True)
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


__all__ = ("RegistryModule", "local_module", "registry_module")
