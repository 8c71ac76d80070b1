# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Command line of the server, made from the model of the settings. Called by main.py."""

from __future__ import annotations

import argparse
import re
import typing as t

from ..errors import UsageError
from ..version import VERSION
from .config_file import read_config
from .conflicts import conflict
from .libraries import ValidationError, require_pydantic
from .problems import first_problem
from .settings import Settings
from .value_types import MaybeText, setting

if t.TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class _Switches(Settings):
    """The settings, and the switches that set parts of veraison."""

    veraison_url: MaybeText = setting(None, "URL of the Veraison service; for ra-tls", "URL", "-u")
    veraison_pubkey: MaybeText = setting(None, "public key of the Veraison service, JWK; for ra-tls", "FILE", "-v")


class Command(t.NamedTuple):
    """The settings that the command line gives, and whether to validate them and exit (--check-config)."""

    settings: Settings
    check_only: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> t.NoReturn:
        """Raise UsageError, where argparse would end the process."""
        raise UsageError(f"The command line is wrong: {message}; --help lists the switches.")


def parse_command(arguments: t.Sequence[str]) -> Command:
    """Read the command line and the configuration file that it names; switches override settings of the file.

    Raises UsageError, ConfigError and DependencyMissing; --help and --version print their text and raise SystemExit.
    """
    require_pydantic()
    parser = _parser()
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    config, check_only = given.pop("config", None), given.pop("check_config")
    try:
        switches = _Switches.model_validate(given)
    except ValidationError as exc:
        parser.error(first_problem(exc, _Switches, switch))
    settings = Settings() if config is None else read_config(config)
    settings = settings.model_copy(update=_changes(switches, settings))
    problem = conflict(settings)
    if problem:
        raise UsageError(f"The settings are wrong: {problem}; correct the command line or the configuration file.")
    return Command(settings, check_only)


def _changes(switches: _Switches, settings: Settings) -> dict[str, object]:
    """Return what the switches change in the settings of the configuration file."""
    given = switches.model_fields_set
    changes = {name: getattr(switches, name) for name in given & Settings.model_fields.keys()}
    if given & {"host", "port"} and "listen" not in given:
        # listen in the file would override the host and port of the command line
        changes["listen"] = ()
    parts = {"url": switches.veraison_url, "key": switches.veraison_pubkey}
    if any(parts.values()):
        # the key of the switch replaces the pinned key of the file
        kept = {name: part for name, part in (settings.veraison or {}).items() if name != "pin" or not parts["key"]}
        changes["veraison"] = {**kept, **{name: part for name, part in parts.items() if part}}
    return changes


def _parser() -> _Parser:
    parser = _Parser(
        prog="attested.registry",
        description="Serve a directory of OCI image layouts as a registry.",
        epilog="The configuration file has the same settings under their long names, with underscores; --veraison-url "
        "and --veraison-pubkey are veraison.url and veraison.key there.",
        allow_abbrev=False,
    )
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {VERSION}")
    parser.add_argument("--config", metavar="FILE", help="YAML configuration file; switches override its settings")
    parser.add_argument("--check-config", action="store_true", help="validate the settings and exit")
    for name, field in _Switches.model_fields.items():
        _add(parser, name, field)
    return parser


def _add(parser: _Parser, name: str, field: FieldInfo) -> None:
    extra = t.cast("dict[str, t.Any]", field.json_schema_extra)
    # short names first, as in other programs
    names = sorted([switch(name), *extra["names"]], key=lambda text: text.startswith("--"))
    options: dict[str, t.Any] = {"dest": name, "help": _help(field)}
    if field.annotation is bool:
        parser.add_argument(*names, action="store_const", const=True, **options)
    elif extra["metavar"]:
        action = "append" if _is_list(field.annotation) else "store"
        number = _number if field.annotation in (int, float) else str
        parser.add_argument(*names, action=action, type=number, metavar=extra["metavar"], **options)


def _is_list(annotation: object) -> bool:
    return t.get_origin(annotation) is tuple or any(map(_is_list, t.get_args(annotation)))


def _number(text: str) -> float | str:
    """Return the number, or a text that is not the usual form of one, which the model refuses."""
    # no longer number is in range, and the conversion of long numbers takes long
    if re.fullmatch(r"0|[1-9][0-9]{0,11}", text, re.ASCII):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,6}", text, re.ASCII) else text


def switch(name: str) -> str:
    """Return the long switch of a setting, such as --log-level for log_level."""
    return "--" + name.replace("_", "-")


def _help(field: FieldInfo) -> str:
    default = field.default
    if default is None or default is False or default in ("", ()):
        return str(field.description)
    return f"{field.description} ({', '.join(default) if isinstance(default, tuple) else default})"


__all__ = ("Command", "parse_command", "switch")
