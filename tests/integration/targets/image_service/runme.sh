#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Makes the images, boots hosts by tests/support/hosts/systemd_hosts.py and plays the playbooks of this directory on them.

set -euo pipefail
target=$PWD
root=${ANSIBLE_COLLECTIONS_PATH%%:*}
cache=$root/ansible_collections/attested/registry/../../../../images
support=ansible_collections.attested.registry.tests.support
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
export PYTHONPATH=$root
python -m "$support.hosts.service_images" "$cache" "$images"
python -m "$support.hosts.systemd_hosts" --cache "$cache" --compiled-modules --hosts one,two:trixie --registry "$images" -- "$target/plays.sh" "$images"
