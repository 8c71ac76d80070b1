#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# clean.sh [--all]

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible tests/output
find . -name .git -prune -o -path ./.venv -prune -o -path ./build -prune -o -type d -name __pycache__ -print0 | xargs -0 -r rm -rf
if [ "${1-}" = --all ]; then rm -rf build .venv; exit 0; fi
# The images take minutes to make and are good until their recipe changes; so are the environments.
if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name images ! -name '*-venv' -exec rm -rf {} +; fi
