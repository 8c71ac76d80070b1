#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# unit.sh [PYTEST ARGUMENT...]
# With arguments: just pytest. Without: all unit tests, on all cores; with COVERAGE=1, which takes half as long again, the
# coverage of each package is held to 80 %.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools/packages.sh unit

if [ $# -gt 0 ]; then exec python -m pytest "$@"; fi

if [ -z "${COVERAGE:-}" ]; then exec python -m pytest --numprocesses="$WORKERS" --dist=loadfile --no-loadscope-reorder tests/unit; fi
export COVERAGE_FILE=$BUILD/coverage
python -m pytest --numprocesses="$WORKERS" --dist=loadfile --no-loadscope-reorder --cov=plugins --cov-branch --cov-report= tests/unit
python -m coverage json --quiet -o "$BUILD/coverage.json"
python tools/coverage_gate.py "$BUILD/coverage.json" --minimum 80 # the server forks, and what its processes run is not seen
