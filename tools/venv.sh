#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes .venv from the python3 on PATH (or $PYTHON) with what requirements-dev.txt names. A second run only compares a hash.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PATH=$CALLER_PATH # the python3 that .venv is made from is never .venv's own
python=${PYTHON:-python3}
stamp=$VENV/.ready
command -v "$python" >/dev/null || tools/apt-need.sh "the tests" "$python=python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$python" --version) is too old: the tools need Python 3.11 or newer. Name one with: make PYTHON=/path/to/python3.11 ..."

wanted=$({ "$python" -c 'import sys; print(sys.version, sys.prefix)'; cat requirements*.txt; printf '%s\n' "$TOP"; } | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$VENV/bin/python" -c '' 2>/dev/null; then exit 0; fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
  # Ubuntu's and deadsnakes' Pythons have a venv package each; Debian's plain name covers the default one.
  tools/apt-need.sh "a virtual environment" "/usr/lib/python$version/ensurepip=python$version-venv"
}

say "making .venv with Python $version (a minute or two, the first time only)"
rm -rf "$VENV"
"$python" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --requirement requirements-dev.txt </dev/null
printf '%s\n' "$wanted" >"$stamp"
