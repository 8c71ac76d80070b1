#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A server for attested clients, by the example of the documentation, and realms that are simulated: one that may unpack, one
# for which the same repository does not exist, and one that nobody vouches for.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

others=$collection/tests/integration/targets/registry_server
secrets=/etc/registry_server/main
keys=$work/keys
mkdir -p "$keys/platforms"

# realm NAME [OPTION...]: a simulated realm on host two, whose reference values are $work/NAME/reference.json
realm() {
  python -m ansible_collections.attested.registry.plugins.module_utils._ratls.simulate \
    make "$work/$1" --name "$@"
  on two mkdir -p /etc/realms
  scp -q -r -F "$TEST_SSH_CONFIG" "$work/$1" two:/etc/realms/
}

# serve [ARGUMENT...]: the server's part of the example
example=("$collection/examples/playbooks/registry_server_ratls.yml" -e
  "{\"keys\": \"$keys\", \"ratls\": {\"evidence\": \"simulated\", \"path\": \"/etc/realms/app\"}}")
serve() { play "${example[@]}" --limit registry "$@"; }

# unpack REALM [REPOSITORY REFERENCE]: the task of the example's other part, for a realm; the result is in $work/out
unpack() {
  ansible two -i "$TEST_INVENTORY" -e ansible_python_interpreter=/opt/attested/bin/python -m attested.registry.oci_image_unpack -a "{
    \"registry\": \"$(address one):1337\", \"tls\": \"ra-tls\", \"ca_path\": \"/opt/attested/registry.crt\",
    \"ratls\": {\"evidence\": \"simulated\", \"path\": \"/etc/realms/$1\"},
    \"repository\": \"com.example.${2:-app}\", \"reference\": \"${3:-stable}\", \"dest\": \"/srv/com.example.${2:-app}\"}" 2>&1 |
    tee "$work/out"
}

# refused_to TEXT REALM: with that text, the task must fail
refused_to() {
  if unpack "$2"; then die "the task did not fail"; fi
  grep -qE "$1" "$work/out" || die "the task failed, but not with: $1"
}
journal() { on one journalctl --unit registry-server-main --output cat --no-pager; }
in_journal() { journal | grep -qE "$1" || { journal | tail -n 20; die "not in the journal: $1"; }; }

for name in app greeter stranger; do realm "$name"; done
for name in app greeter; do
  cp "$work/$name/cpak.pem" "$keys/platforms/$name.pem"
  cp "$work/$name/reference.json" "$keys/$name.json"
done
certificate registry
mv "$work/registry.crt" "$work/registry.key" "$keys"

say "deploy, and unpack in the realm that may"
play "${example[@]}"
on two test -e /srv/com.example.app/etc || die "nothing was unpacked"

say "second run"
unchanged "${example[@]}"

say "who may read what"
same "$(on one "cd $secrets && stat -c '%a %U %G %n' *")" "640 root registry-server attestation-1-app.pem
640 root registry-server attestation-2-greeter.pem
640 root registry-server attestation-3-app.json
640 root registry-server attestation-4-greeter.json
640 root registry-server cert.pem
640 root registry-server key.pem" "the files of the server"
on one systemd-analyze security --no-pager --threshold=20 registry-server-main | tail -n 1

say "for another realm, the repository does not exist"
refused_to "There is no repository .*com.example.app" greeter
unpack greeter greeter 1.0
on two /srv/com.example.greeter/usr/bin/greet world | grep -q "Hello, world" || die "the unpacked program does not run"

say "a realm of an unknown platform is refused, with the reason in the journal only"
refused_to "rejected the attestation of this host" stranger
if grep -q "is not signed" "$work/out"; then die "the client was told why"; fi
in_journal "check=platform_signature .*is not signed with a key that is trusted"

say "changed reference values reload"
pid=$(main_pid)
cp "$work/greeter/reference.json" "$keys/app.json"
serve --diff
grep -q '^+.*rim' "$work/out" || die "the change of the reference values is not shown"
same "$(main_pid)" "$pid" "the process after a change of reference values"
unpack greeter
refused_to "There is no repository .*com.example.app" app

say "what the server cannot use is refused before anything is touched"
before=$(on one "cat $secrets/* /opt/registry_server/instances/main/applied" | sha256sum)
echo '{"realm": {}}' >"$keys/app.json"
refused "is refused, and nothing was changed: .*attestation-3-app.json has no realm.reference-values" "${example[@]}" --limit registry
same "$(on one "cat $secrets/* /opt/registry_server/instances/main/applied" | sha256sum)" "$before" "what is in place"
same "$(main_pid)" "$pid" "the process after a refusal"

say "Veraison is asked by the service as it is confined, and what it does not affirm is refused"
coproc VERAISON { exec python "$(dirname "$0")/veraison.py" "$(address one | sed 's/[0-9]*$/1/')" "$work"; }
# shellcheck disable=SC2154 # coproc sets it
cleanup+=("kill $VERAISON_PID 2>/dev/null || true")
read -r url <&"${VERAISON[0]}"
play "$others/deploy.yml" -e "{\"registry_server_tls\": \"ra-tls\", \"registry_server_cert_file\": \"$keys/registry.crt\",
  \"registry_server_key_file\": \"$keys/registry.key\", \"registry_server_reference_values\": [\"$work/stranger/reference.json\"],
  \"registry_server_veraison\": {\"url\": \"$url\", \"key\": \"$work/veraison.jwk\", \"ca_path\": \"$work/veraison-ca.pem\"},
  \"registry_server_allow_unauthenticated_evidence\": true}"
grep -q "WARNING: registry_server_allow_unauthenticated_evidence is true" "$work/out" || die "the play does not warn"
same "$(on one ls "$secrets" | tr '\n' ' ')" \
  "attestation-1-reference.json attestation-2-veraison.jwk attestation-3-veraison-ca.pem cert.pem key.pem " "the files of the server"
unpack stranger
touch "$work/bad"
refused_to "rejected the attestation of this host" stranger
in_journal "attestation refused: .*contraindicated"

say "absent"
play "$others/absent.yml"
if on one ls /opt/registry_server /etc/registry_server; then die "something is left"; fi
