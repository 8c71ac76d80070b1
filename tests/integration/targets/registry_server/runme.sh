#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Boots hosts by tests/support/hosts/systemd_hosts.py and plays the playbooks of this directory on them, in order.

set -euo pipefail
target=$PWD
root=${ANSIBLE_COLLECTIONS_PATH%%:*}
collection=$root/ansible_collections/attested/registry
PYTHONPATH=$root exec python -m ansible_collections.attested.registry.tests.support.hosts.systemd_hosts \
  --cache "$collection/../../../../images" --compiled-modules --hosts one,two --registry "$collection/examples/registry" -- \
  "$target/plays.sh"
