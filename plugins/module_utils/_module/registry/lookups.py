# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The registry clients of the lookups. A process keeps them, so that the lookups of a loop share one connection."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..._base.errors import CollectionError
from ..._oci.reference import Reference
from ..._registry.errors import ConfigurationError
from ..options.mirrors import settle_mirrors
from ..options.ratls_options import attestation_problem
from ..options.spec import EXCLUSIVE, MIRROR, MIRROR_RULES, REGISTRY, REQUIRED_BY, TOGETHER, merge
from .connection import make_source

if t.TYPE_CHECKING:
    from ..options.spec import Options
    from .sources import RegistrySource

Params = dict[str, t.Any]
Warn = t.Callable[[str], None]

_MAX_KEPT: t.Final = 8
_OPTIONAL_REGISTRY: t.Final[Options] = {"registry": {"type": "str", "aliases": ["host"]}}
# by process and options: a worker that was forked must not use the connection of its parent
_kept: dict[tuple[int, str], RegistrySource] = {}


class _LookupTask:
    """A Task of connection.py for a lookup. Ansible masks nothing in what a lookup returns; it returns no secret."""

    def __init__(self, params: Params, warn: Warn) -> None:
        self.params = params
        self.no_log_values: set[str] = set()
        self._warn = warn

    def warn(self, warning: str) -> None:
        """Show a warning."""
        self._warn(warning)


def check_options(given: t.Mapping[str, t.Any], own: Options) -> Params:
    """Return the options of a lookup with their defaults; own are those that it has besides the registry's.

    Raises ConfigurationError and OptionInvalid.
    """
    validator = ArgumentSpecValidator(
        merge(REGISTRY, _OPTIONAL_REGISTRY, own),
        mutually_exclusive=EXCLUSIVE,
        required_together=TOGETHER,
        required_by=REQUIRED_BY,
    )
    result = validator.validate(dict(given))
    params: Params = result.validated_parameters
    problem = "; ".join(result.error_messages) or attestation_problem(params)
    if problem:
        raise ConfigurationError(problem)
    settle_mirrors(params, MIRROR, MIRROR_RULES)
    return params


@contextlib.contextmanager
def reported_errors(error: type[Exception]) -> t.Iterator[None]:
    """Turn every error of the collection into error, which a controller alone has: AnsibleLookupError."""
    try:
        yield
    except CollectionError as exc:
        raise error(exc.message) from exc


@contextlib.contextmanager
def named_source(term: str, params: Params, *, warn: Warn) -> t.Iterator[tuple[RegistrySource, Reference]]:
    """Yield the client of the registry of a term, and the name in the term.

    A term is a name in the option registry or, without it, one with its registry as docker writes it. After an error,
    and with total_timeout, the client is not kept. Raises ReferenceInvalid, and as make_source() does.
    """
    name = Reference.parse(term if params["registry"] is None else f"localhost/{term}", default_tag=None)
    params = {**params, "registry": params["registry"] or name.registry}
    key = os.getpid(), repr(sorted(params.items()))
    source = _kept.pop(key, None) or make_source(_LookupTask(params, warn))
    try:
        yield source, name
    except BaseException:
        source.close()
        raise
    if params["total_timeout"] is not None:  # it limits all that one client does
        source.close()
        return
    # closing a connection of the parent would end it for the parent, too
    own = [kept for kept in _kept if kept[0] == os.getpid()]
    while len(own) >= _MAX_KEPT:
        _kept.pop(own.pop(0)).close()
    _kept[key] = source


__all__ = ("check_options", "named_source", "reported_errors")
