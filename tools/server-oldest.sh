#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# server-oldest.sh [PYTEST ARGUMENT...]
# The server's unit tests with the oldest libraries that requirements-server.txt promises, which are laid over those of .venv.
# PyYAML is left out: its oldest version has no wheel for current Pythons.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

oldest=$BUILD/server-oldest
mapfile -t wanted < <(sed -nE 's/^(aiohttp|bcrypt|cbor2|prometheus-client|pydantic)>=/\1==/p' requirements-server.txt)
if [ "${wanted[*]}" != "$(cat "$oldest/wanted" 2>/dev/null)" ]; then
  rm -rf "$oldest"
  python -m pip install --quiet --only-binary :all: --target "$oldest" "${wanted[@]}"
  printf '%s\n' "${wanted[*]}" >"$oldest/wanted"
fi
say "- the server with ${wanted[*]}"
if [ $# -eq 0 ]; then set -- tests/unit/plugins/module_utils/{_server,_ratls/veraison}; fi
PYTHONPATH=$oldest exec python -m pytest -q "$@"
