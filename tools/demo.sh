#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Serves examples/registry with the collection's own server, and runs examples/playbooks/demo.yml against it.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Pipelining saves a process and a file a task, and changes nothing else.
export PATH="$USER_VENV/bin:$CALLER_PATH" ANSIBLE_PIPELINING=true
export PYTHONPATH=$BUILD ANSIBLE_COLLECTIONS_PATH=$BUILD ANSIBLE_HOME=$BUILD/ansible-home
exec python -m ansible_collections.attested.registry.tests.support.demo
