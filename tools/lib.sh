# shellcheck shell=bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Sourced by the other scripts: strict mode, the top of the checkout as working directory, and a few paths.

set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
TOP=$PWD
BUILD=$TOP/build
VENV=$TOP/.venv
USER_VENV=$BUILD/user-venv
LINKED=$BUILD/ansible_collections/attested/registry
COPIED=$BUILD/${TREE:-tree}/ansible_collections/attested/registry
export TOP BUILD VENV USER_VENV LINKED COPIED

# Nothing of the caller's own Ansible or Python set-up may change a result, or have each process compile the sources again.
unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV ANSIBLE_INVENTORY ANSIBLE_COLLECTIONS_PATH ANSIBLE_COLLECTIONS_PATHS MYPYPATH
CALLER_PATH=${PATH//"$VENV/bin:"/}
export PATH="$VENV/bin:$CALLER_PATH" PIP_DISABLE_PIP_VERSION_CHECK=1
export ANSIBLE_CONFIG=$TOP/tools/ansible.cfg

# Ansible refuses to work in the locale of a machine that has none set.
unset LC_CTYPE LC_MESSAGES
export LC_ALL=C.UTF-8 LANG=C.UTF-8

# Processes of pytest: one more than processors, as each waits for the disk and for other processes, a fifth of the time.
export WORKERS=$(($(nproc) + 1))

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The files that git tracks, without those deleted on disk.
tracked_files() { git ls-files -z --cached -- "$@" | sort -zu | _on_disk; }

# The files of the project: tracked ones and new ones that are not ignored, without those deleted on disk.
project_files() { git ls-files -z --cached --others --exclude-standard -- "$@" | sort -zu | _on_disk; }

_on_disk() {
  local name
  while IFS= read -r -d '' name; do
    if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\0' "$name"; fi
  done
}
