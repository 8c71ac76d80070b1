#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Boots a host by tests/support/hosts/systemd_hosts.py, with a registry that has the images of make_images.py, and plays on it.

set -euo pipefail
target=$PWD
root=${ANSIBLE_COLLECTIONS_PATH%%:*}
cache=$root/ansible_collections/attested/registry/../../../../images
registry=$(mktemp -d)
trap 'rm -rf "$registry"' EXIT
export PYTHONPATH=$root
python make_images.py "$registry" "$cache"
python -m ansible_collections.attested.registry.tests.support.hosts.systemd_hosts \
  --cache "$cache" --hosts one --registry "$registry" -- \
  "$target/plays.sh"
