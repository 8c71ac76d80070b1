#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# bench.sh [NAME...]
# Runs the benchmarks that benchmarks/README.md describes, all when none is named. In the environment: RUNS is how often
# each thing is measured (3); RESULTS is the file for the results (benchmarks/RESULTS.md); SETTLE is how many seconds to
# wait for a low load before each benchmark (240).

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ "$(id -u)" = 0 ] || die "the benchmark needs root: it builds a Debian root filesystem and unpacks files of other owners."
tools/apt-need.sh "the benchmark's images and peers" mmdebstrap=mmdebstrap docker-registry=docker-registry skopeo=skopeo \
  umoci=umoci nginx=nginx wrk=wrk curl=curl openssl=openssl valgrind=valgrind \
  /usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring
[ $# -gt 0 ] || set -- unpack hosts scaling instructions archive copies downloads server ratls listings
for name; do
  PYTHONPATH=$BUILD python -m "ansible_collections.attested.registry.benchmarks.$name" \
    --runs "${RUNS:-3}" --results "${RESULTS:-benchmarks/RESULTS.md}" --settle "${SETTLE:-240}"
done
