#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Serves examples/registry with the collection's own server until it is interrupted; PORT in the environment is where (1337).

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

port=${PORT:-1337}
registry=localhost:$port
say "The example registry, at $registry until Ctrl-C. In another terminal, in $TOP:

  export PATH=$USER_VENV/bin:\$PATH ANSIBLE_COLLECTIONS_PATH=$BUILD
  ansible localhost -m attested.registry.oci_tags -a 'registry=$registry repository=com.example.greeter'
  ansible localhost -m attested.registry.oci_image_unpack \\
    -a 'registry=$registry repository=com.example.greeter reference=1.0 dest=/tmp/greeter ownership=false'
  /tmp/greeter/usr/bin/greet world
"
export PYTHONPATH=$BUILD
exec "$USER_VENV/bin/python" -m ansible_collections.attested.registry.plugins.module_utils._server.serve \
  --root examples/registry --port "$port"
