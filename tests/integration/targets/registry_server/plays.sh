#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The life of a deployed server: each step looks at what is served afterwards, from outside of the host.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

example=$collection/examples/playbooks/registry_server.yml
url=http://$(address one):1337
source_registry=$(sed -n 's/.*"source_registry": "\(.*\)".*/\1/p' "$TEST_INVENTORY")
image() { printf '{"registry": "%s", "tls": "no-tls", "repository": "com.example.%s", "reference": "%s"}' "$source_registry" "$1" "$2"; }
images="\"registry_server_images\": [$(image app stable), $(image greeter 1.0)]"
deploy() { printf '{%s%s}' "$images" "${1:+, $1}"; }
tags() { get "$@" | tr -d ' '; }

say "check mode on a fresh host, with files of all sorts"
certificate check
openssl pkey -in "$work/check.key" -pubout -out "$work/check.pub"
signed=$(image app stable | sed "s|}|, \"signature\": {\"keys\": [\"$work/check.pub\"]}}|")
play deploy.yml --check -e "$(
  images="\"registry_server_images\": [$signed, $(image greeter 1.0)]" deploy "\"registry_server_tls\": \"ra-tls\", \"registry_server_trust_anchors\": [\"$example\"],
  \"registry_server_cert_content\": \"-----BEGIN CERTIFICATE-----\", \"registry_server_key_file\": \"$work/check.key\""
)"
grep -q "would be installed: .*python3-requests, python3-cryptography" "$work/out" || die "the libraries of the images are not named"
if on one ls /opt/registry_server /etc/registry_server; then die "check mode made something"; fi

say "deploy with libraries from wheels, fill with two images, unpack them on the other host"
mkdir "$work/wheels"
platforms=()
for libc in 2014 _2_17 _2_28 _2_34; do platforms+=(--platform "manylinux${libc}_$(uname -m)"); done
python -m pip download --quiet --require-hashes --only-binary=:all: --no-deps --dest "$work/wheels" --python-version 3.11 \
  "${platforms[@]}" --requirement "$collection/roles/registry_server/files/requirements/3.11.txt"
libraries=(-e registry_server_python=/usr/bin/python3 -e "registry_server_wheel_dir=$work/wheels")
play "$example" "${libraries[@]}"
grep -q "\"$url serves 2 repositories\"" "$work/out" || die "the play does not end by saying what is served"
same "$(tags "$url/v2/com.example.greeter/tags/list")" '{"name":"com.example.greeter","tags":["1.0"]}' "the tags"
on two /srv/com.example.greeter/usr/bin/greet world | grep -q "Hello, world" || die "the unpacked program does not run"

say "check mode on the deployed host"
unchanged "$example" "${libraries[@]}" --check

say "the unit"
on one systemd-analyze verify --man=no --recursive-errors=no /etc/systemd/system/registry-server-main.service
on one systemd-analyze security --no-pager --threshold=20 registry-server-main | tail -n 1

say "a change of content reloads: all tags of a repository, and an image from a layout"
pid=$(main_pid)
many=$(image greeter '' | sed 's/"reference": ""/"tags": {"pattern": "1.*", "prune": true}/')
copy='{"layout": "/var/lib/registry_server/main/com.example.app", "reference": "stable", "name": "copies/app", "tag": "1"}'
images="\"registry_server_images\": [$(image app stable), $many, $copy]"
play deploy.yml "${libraries[@]}" -e "$(deploy)"
same "$(main_pid)" "$pid" "the process after a reload"
same "$(tags "$url/v2/com.example.greeter/tags/list")" '{"name":"com.example.greeter","tags":["1.0","1.1"]}' "the tags"
same "$(get "$url/v2/copies/app/manifests/1")" "$(get "$url/v2/com.example.app/manifests/stable")" "the image from the layout"

say "a configuration that the server refuses is refused before anything is touched"
before=$(on one cat /etc/registry_server/main.yml /opt/registry_server/instances/main/applied)
refused "is refused, and nothing was changed: .*allow names users" deploy.yml "${libraries[@]}" \
  -e "$(deploy '"registry_server_allow": [{"users": ["nobody"], "repositories": ["*"]}]')"
same "$(on one cat /etc/registry_server/main.yml /opt/registry_server/instances/main/applied)" "$before" "what is in place"
same "$(main_pid)" "$pid" "the process after a refusal"
get "$url/v2/" >/dev/null

say "code that does not start is rolled back"
release=$(on one readlink -f /opt/registry_server/instances/main/current)
changed=$work/changed/ansible_collections/attested/registry
mkdir -p "$changed"
cp -r "$collection"/{galaxy.yml,meta,plugins,roles} "$changed"
echo 'import os; os.environ.get("NOTIFY_SOCKET") and os._exit(77)' >>"$changed/plugins/module_utils/_server/api/app.py"
ANSIBLE_COLLECTIONS_PATH=$work/changed refused "are restored and running.*status=77" deploy.yml "${libraries[@]}" -e "$(deploy)"
same "$(on one readlink -f /opt/registry_server/instances/main/current)" "$release" "the release"
get "$url/v2/com.example.app/manifests/stable" >/dev/null

say "a change of code restarts"
pid=$(main_pid)
sed -i '$d' "$changed/plugins/module_utils/_server/api/app.py"
echo '# changed' >>"$changed/plugins/module_utils/_server/api/app.py"
ANSIBLE_COLLECTIONS_PATH=$work/changed play deploy.yml "${libraries[@]}" -e "$(deploy)"
[ "$(main_pid)" != "$pid" ] || die "the process is the same after a change of code"
[ "$(on one readlink -f /opt/registry_server/instances/main/current)" != "$release" ] || die "the release is the same"
same "$(on one readlink -f /opt/registry_server/instances/main/previous)" "$release" "the release before"
same "$(on one ls /opt/registry_server/releases | wc -l)" 2 "the number of releases: that which did not start is gone"

say "kill -9 under load"
blob=$(get "$url/v2/com.example.greeter/manifests/1.0" | grep -o 'sha256:[0-9a-f]*' | tail -n 1)
load() { while :; do get --output /dev/null "$url/v2/com.example.greeter/blobs/$blob" || true; sleep 0.1; done 2>/dev/null; }
loads=()
for ((i = 0; i < 2; i++)); do
  load & loads+=($!) cleanup+=("kill $! 2>/dev/null || true")
done
pid=$(main_pid)
on one kill -9 "$pid"
until_true get --output /dev/null "$url/v2/com.example.greeter/blobs/$blob"
[ "$(main_pid)" != "$pid" ] || die "the process was not killed"

say "reboot"
play reboot.yml
until_true get --output /dev/null "$url/v2/com.example.app/manifests/stable"
kill "${loads[@]}"

say "TLS, and a change of certificate reloads"
certificate first
certificate second
tls="\"registry_server_tls\": \"tls\", \"registry_server_cert_file\": \"$work/first.crt\", \"registry_server_key_file\": \"$work/first.key\""
play deploy.yml "${libraries[@]}" -e "$(deploy "$tls")"
get --cacert "$work/first.crt" "https://$(address one):1337/v2/" >/dev/null
pid=$(main_pid)
play deploy.yml "${libraries[@]}" -e "$(deploy "${tls//first/second}")"
get --cacert "$work/second.crt" "https://$(address one):1337/v2/" >/dev/null
same "$(main_pid)" "$pid" "the process after a change of certificate"
same "$(on one stat -c '%a%U%G' /etc/registry_server/main/key.pem)" 640rootregistry-server "who may read the key"
if grep -r "BEGIN .*PRIVATE" "$work/out"; then die "the key is in the output"; fi

say "a second instance, on a port of systemd's, with a certificate of its own, that serves only what is signed of a repository"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/release.key"
openssl pkey -in "$work/release.key" -pubout -out "$work/release.pub"
second="\"registry_server_name\": \"second\", \"registry_server_port\": 443, \"registry_server_tls\": \"tls\",
  \"registry_server_self_signed\": true, \"registry_server_source\": \"$collection/examples/registry\",
  \"registry_server_signatures\": [{\"repositories\": [\"com.example.greeter\"], \"keys\": [\"$work/release.pub\"]}]"
play deploy.yml "${libraries[@]}" -e "{$second}"
on one cat /etc/registry_server/second/cert.pem >"$work/own.crt"
own=(--cacert "$work/own.crt" --output /dev/null)
get "${own[@]}" "https://$(address one)/v2/com.example.app/manifests/stable"
same "$(curl --silent "${own[@]}" --write-out '%{http_code}' "https://$(address one)/v2/com.example.greeter/manifests/1.0")" 404 \
  "the answer for an image that is not signed"
on one cat /etc/registry_server/second/signature-1-release.pub | cmp - "$work/release.pub"
unchanged deploy.yml "${libraries[@]}" -e "{$second}"

say "absent, one by one"
play absent.yml -e registry_server_name=second -e '{"registry_server_remove_content": true}'
get --cacert "$work/second.crt" "https://$(address one):1337/v2/" >/dev/null
play absent.yml --check
get --cacert "$work/second.crt" "https://$(address one):1337/v2/" >/dev/null
play absent.yml
unchanged absent.yml
same "$(on one ls -d /opt/registry_server /etc/registry_server /var/lib/registry_server/* 2>/dev/null)" \
  /var/lib/registry_server/main "what is left"
if on one "id registry-server || systemctl list-units --all --plain --no-legend 'registry-server*' | grep ."; then die "something is left"; fi
play absent.yml -e '{"registry_server_remove_content": true}'
if on one ls /var/lib/registry_server; then die "content is left"; fi
