# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Command line of the server, made from the same fields as the configuration file. Called by main.py."""

from __future__ import annotations

import argparse
import typing as t

from ..errors import UsageError
from ..version import VERSION
from .attestation_settings import VERAISON_SWITCHES, with_veraison
from .config_file import read_config
from .fields import FIELDS, make_settings
from .settings import Settings
from .value_types import Field, Flag

_SWITCHES: t.Final = {**FIELDS, **{name: field for name, (dummy, field) in VERAISON_SWITCHES.items()}}


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
    parser = _parser()
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    config, check_only = given.pop("config", None), given.pop("check_config")
    veraison = {name: _value(parser, name, given.pop(name)) for name in VERAISON_SWITCHES if name in given}
    switches = {name: _value(parser, name, value) for name, value in given.items()}
    values = {} if config is None else read_config(config)
    if switches.keys() & {"host", "port"} and "listen" not in switches:
        # listen in the file would override the host and port of the command line
        values.pop("listen", None)
    if veraison:
        values["veraison"] = with_veraison(values.get("veraison"), veraison)
    return Command(make_settings({**values, **switches}), check_only)


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
    for name, field in _SWITCHES.items():
        _add(parser, name, field)
    return parser


def _add(parser: _Parser, name: str, field: Field) -> None:
    names = [*([field.short] if field.short else []), switch(name), *field.also]
    text = _help(name, field.help)
    if isinstance(field.kind, Flag):
        parser.add_argument(*names, dest=name, action="store_const", const="true", help=text)
    elif field.metavar:
        action = "append" if field.kind.many else "store"
        parser.add_argument(*names, dest=name, action=action, metavar=field.metavar, help=text)


def switch(name: str) -> str:
    """Return the long switch of a setting, such as --log-level for log_level."""
    return "--" + name.replace("_", "-")


def _help(name: str, text: str) -> str:
    default = getattr(Settings, name, None)
    if default is None or default is False or default == ():
        return text
    shown = f"{default:04o}" if name == "unix_mode" else ", ".join(default) if isinstance(default, tuple) else default
    return f"{text} ({shown})"


def _value(parser: _Parser, name: str, given: str | list[str]) -> object:
    field = _SWITCHES[name]
    try:
        parsed: object = (
            [field.kind.parse(text) for text in given] if isinstance(given, list) else field.kind.parse(given)
        )
        return field.kind.check(parsed)
    except ValueError as exc:
        parser.error(f"{switch(name)} {exc}")


__all__ = ("Command", "parse_command", "switch")
