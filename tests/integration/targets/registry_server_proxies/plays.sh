#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The examples that put the server behind nginx and HAProxy, and what clients get through them.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

examples=$collection/examples/playbooks
repository=v2/com.example.greeter

# looks_right URL: the manifest and all of its blobs have their digests, and a range is a range.
looks_right() {
  local digest digests size
  get "$1/$repository/manifests/1.0" >"$work/manifest"
  same "sha256:$(sha256sum <"$work/manifest" | cut -d' ' -f1)" \
    "$(get --head "$1/$repository/manifests/1.0" | tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p')" "the manifest"
  mapfile -t digests < <(grep -o 'sha256:[0-9a-f]*' "$work/manifest")
  for digest in "${digests[@]}"; do
    get "$1/$repository/blobs/$digest" >"$work/blob"
    same "sha256:$(sha256sum <"$work/blob" | cut -d' ' -f1)" "$digest" "a blob"
    size=$(stat -c %s "$work/blob")
    get --range "$((size - 5))-" "$1/$repository/blobs/$digest" >"$work/end"
    cmp "$work/end" <(tail -c 5 "$work/blob") || die "a range of $digest is not its end"
  done
}

say "nginx sends the files"
play "$examples/registry_server_nginx.yml"
url=http://$(address one):8080
looks_right "$url"
blob=$(grep -o 'sha256:[0-9a-f]*' "$work/manifest" | tail -n 1)
get --head "$url/$repository/blobs/$blob" | tr -d '\r' >"$work/head"
grep -qi '^server: nginx' "$work/head" || die "nginx did not answer"
grep -qi "^docker-content-digest: $blob" "$work/head" || die "the digest is not in the answer"
# It is nginx that read the file: the server itself answers with a redirection and no body.
on one "python3 -c 'import urllib.request as u; a = u.urlopen(\"http://127.0.0.1:1337/$repository/blobs/$blob\"); print(a.headers)'" |
  grep -qi '^x-accel-redirect: /registry-files/' || die "the server did not leave the file to nginx"
same "$(curl --silent --output /dev/null --write-out '%{http_code}' "$url/registry-files/com.example.greeter/index.json")" 404 \
  "what is internal"
# Other targets show that a second run of the role changes nothing.
unchanged "$examples/registry_server_nginx.yml" --start-at-task "Install nginx"

say "HAProxy before two replicas"
# is_asked HOST: whether HAProxy gives requests to the replica, which counts from its start
is_asked() {
  get --output /dev/null "$url/$repository/manifests/1.0"
  get "http://$(address "$1"):9090/metrics" | grep '^attested_registry_requests_total{method="GET",status="200"} [1-9]'
}
printf '[replicas]\none\ntwo\n[balancer]\ntwo\n' >"$work/groups"
play -i "$work/groups" "$examples/registry_server_haproxy.yml" -e registry_server_accel=
url=http://$(address two):5000
until_true get --output /dev/null "$url/v2/"
looks_right "$url"
for host in one two; do
  on "$host" systemctl stop registry-server-main
  for ((i = 0; i < 20; i++)); do get --output /dev/null "$url/$repository/manifests/1.0"; done
  looks_right "$url"
  on "$host" systemctl start registry-server-main
  # HAProxy takes a replica back when it was ready twice.
  until_true is_asked "$host"
done
unchanged -i "$work/groups" "$examples/registry_server_haproxy.yml" --start-at-task "Install HAProxy"

say "nginx as a plain proxy, before a server that has no accel any more"
play "$examples/registry_server_nginx.yml" -e registry_accel= --start-at-task "Install nginx"
looks_right "http://$(address one):8080"
