#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# demo.sh [modules] [service]
# Serves examples/registry with the collection's own server and runs the playbooks demo*.yml of examples/playbooks, which use the
# modules; then that of the role image_service, in a container, as root.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Pipelining saves a process and a file a task, and changes nothing else.
export PATH="$USER_VENV/bin:$CALLER_PATH" ANSIBLE_PIPELINING=true ANSIBLE_DISPLAY_SKIPPED_HOSTS=false
export PYTHONPATH=$BUILD ANSIBLE_COLLECTIONS_PATH=$BUILD ANSIBLE_HOME=$BUILD/ansible-home ANSIBLE_REMOTE_TMP=$BUILD/ansible-home/tmp
exec python -m ansible_collections.attested.registry.tests.support.demo "$@"
