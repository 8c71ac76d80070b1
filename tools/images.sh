#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The images and the root filesystem that the integration tests use and keep. To make them takes minutes, of which most is waiting,
# so make test does that beside other stages.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ "$(id -u)" = 0 ] || die "the integration tests need root: they build a Debian root filesystem and unpack files of other owners."
tools/packages.sh integration
say "- images of a Debian root filesystem, and the root filesystem of hosts"
PYTHONPATH=$BUILD python -m ansible_collections.attested.registry.tests.support.kept_images "$BUILD/images"
