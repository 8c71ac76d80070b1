# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

from __future__ import annotations


class ModuleDocFragment:
    """Options of all modules that speak to a registry; kept in step with C(module_utils/_module/argument_spec.py)."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - The registry, as C(host), C(host:port) or C(host:port/prefix). An IPv6 address stands in brackets.
      - V(docker.io) is Docker Hub, where a repository without a namespace is in V(library/).
      - A name that begins with C(http://) or C(https://) says how to speak to it, as O(tls) does.
    type: str
    default: localhost:1337
    aliases:
      - host
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
    type: str
    required: true
    aliases:
      - app_name
      - name
  tls:
    description:
      - How to speak to O(registry).
      - V(tls) uses HTTPS, V(no-tls) plain HTTP.
      - If not set, plain HTTP is used for a registry on the loopback interface (C(localhost), C(127.0.0.0/8), C([::1]))
        unless one of O(ca_path), O(client_cert) or O(client_key) is given, and HTTPS is used for every other registry.
      - Plain HTTP to another host shows everything, credentials included, to whoever is on the way. It has to be asked
        for with V(no-tls), and the result then carries a warning.
      - V(ra-tls) uses HTTPS with TLS 1.3 over which the host attests itself to the registry, as O(ratls) says. A
        registry that does not ask for an attestation is an error. Other hosts, such as token services, storage that the
        registry redirects to, and O(mirrors), are shown no attestation. See the guide on remote attestation.
      - V(ra-tls) goes through HTTP proxies, not through SOCKS ones.
    type: str
    choices:
      - no-tls
      - tls
      - ra-tls
  ratls:
    description:
      - How the host attests itself with O(tls=ra-tls), which requires this option and is required by it.
      - Every connection gets a token of its own.
    type: dict
    version_added: 0.2.0
    suboptions:
      evidence:
        description:
          - Where attestation tokens are from.
          - V(tsm) asks the kernel by configfs, V(rsi) by the device of the Realm Services Interface. Both need a realm
            of the Arm Confidential Compute Architecture, and root.
          - V(command) runs O(ratls.argv) for each token.
          - V(file) shows the token in O(ratls.path) as it is. It was not made for the connection, so a server that
            checks the challenge rejects it; the result carries a warning.
          - V(simulated) makes tokens with the keys in O(ratls.path). They prove nothing and are for tests; the result
            carries a warning.
        type: str
        choices:
          - file
          - command
          - rsi
          - tsm
          - simulated
        required: true
      path:
        description:
          - With V(file) the file with the token, with V(simulated) the directory of the simulated realm; required with
            both.
          - With V(rsi) the device, with V(tsm) the directory for reports, if they are not in the usual place.
        type: path
      argv:
        description:
          - The program that makes tokens, and its arguments; required with V(command) and only used with it.
          - C({challenge}) in an argument is replaced by the 128 hexadecimal digits of the challenge, which are also
            given on the standard input. The program writes the token to its standard output.
          - Ansible's output and the list of processes show the arguments. A secret does not belong there; let the
            program read it from a file.
        type: list
        elements: str
      key_type:
        description:
          - The sort of key that the client certificate gets. The key is made anew by every task.
          - V(ec-p256) is much faster. V(rsa-2048) is what other clients use.
        type: str
        choices:
          - rsa-2048
          - ec-p256
        default: rsa-2048
      timeout:
        description:
          - How many seconds the program of V(command) may take to make a token. They do not count as a part of
            O(connect_timeout).
        type: float
        default: 30
  ca_path:
    description:
      - A file of PEM certificates, or a directory of such files, that are trusted to sign the certificate of the
        registry. For O(registry) itself they replace the certificates that the system trusts.
      - For storage that the registry redirects to, token services and O(mirrors) they are trusted in addition to those
        of the system. If there are O(mirrors) over HTTPS, this holds for O(registry) too, because the certificates may
        be those of a mirror.
    type: path
    aliases:
      - root_ca
  client_cert:
    description:
      - A PEM file with the certificate, and its chain, to present to the registry. It may hold the private key too.
      - It is presented to the host of the registry alone, and not to token services, storage and mirrors on other
        hosts.
      - Cannot be used with O(tls=ra-tls), which makes a certificate for each connection.
    type: path
  client_key:
    description:
      - A PEM file with the private key of O(client_cert). It must not be encrypted.
      - Requires O(client_cert).
    type: path
  validate_certs:
    description:
      - Whether the certificate of the registry must be valid and must be made out to its name.
      - With V(false) anybody on the way can pose as the registry and can read the credentials; the result then carries
        a warning. Give O(ca_path) instead where you can.
      - It holds for the host of the registry and for O(mirrors). The certificates of other hosts, such as token
        services and storage that the registry redirects to, are always checked.
    type: bool
    default: true
  username:
    description:
      - The name to log in with.
      - Requires O(password). Mutually exclusive with O(token).
    type: str
  password:
    description:
      - The password, or access token, of O(username).
      - Requires O(username). Mutually exclusive with O(token).
    type: str
  token:
    description:
      - A bearer token for the registry, ready for use.
      - Mutually exclusive with O(username) and O(password).
    type: str
  auth_file:
    description:
      - A file with credentials as C(podman login), C(skopeo login) and C(docker login) write it. It has to exist, and a
        credential helper that it names for the registry has to work.
      - If neither this nor O(username) nor O(token) is given, the usual places are looked at in this order, and the
        first entry for this registry or repository is taken. They are the file that E(REGISTRY_AUTH_FILE) names,
        C(containers/auth.json) in E(XDG_RUNTIME_DIR), or without that variable C(/run/containers/UID/auth.json) and
        C(/run/user/UID/containers/auth.json), then C(containers/auth.json) in E(XDG_CONFIG_HOME) (or C(~/.config)),
        C(config.json) in E(DOCKER_CONFIG) (or C(~/.docker)), C(~/.dockercfg). With E(XDG_RUNTIME_DIR) the two files
        below C(/run) come last.
      - A file in the usual places that cannot be used, or whose credential helper is not installed, is passed over with
        a warning.
      - The files and variables are those of the user that the task runs as, on the host that it runs on.
    type: path
    aliases:
      - authfile
  trusted_realm_hosts:
    description:
      - Hosts, besides the registry itself, that credentials may be sent to when the registry names them as its token
        service.
      - The host of the registry is always trusted. For other hosts see the guide on authentication.
    type: list
    elements: str
    default: []
  trusted_redirect_hosts:
    description:
      - Hosts, as C(host) or C(host:port), that O(registry) may redirect to although they are further inside than the
        registry itself.
      - A registry at a public address may redirect to public addresses, one at a private address also to private ones,
        one on the loopback interface to any. The address that is connected to decides, or, if a proxy connects, the
        name. Name a host here if the storage of a registry has a private address, such as an endpoint in the network of
        a cloud. The result carries a warning when such a redirect was followed.
      - Link-local addresses and the metadata services of clouds are refused whatever is named here.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  mirrors:
    description:
      - Registries that hold copies, as C(host), C(host:port) or C(host:port/prefix), asked in this order before
        O(registry) whenever a manifest, a config or a layer is fetched. Tags are listed by O(registry) alone.
      - A mirror that does not have the content is passed over. So is one that fails, with one warning in each task that
        names its URL. A mirror that cannot be reached is not asked again by the task.
      - All that is addressed by digest is verified wherever it comes from. A tag is what the first mirror that knows it
        says it is.
      - A mirror on the loopback interface is spoken to over plain HTTP, any other one over HTTPS, unless its name
        begins with C(http://) or C(https://). For mirrors, O(ca_path) is trusted in addition to what the system trusts.
        O(validate_certs) holds for them too. O(client_cert) is not presented to a mirror on another host.
      - O(username), O(password) and O(token) are never sent to a mirror; O(auth_file) may hold credentials for it.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - How many seconds to wait for the next bytes of an answer.
      - O(minimum_throughput) is averaged over the same time, so that each try gives up a slow answer after it.
    type: float
    default: 30
  connect_timeout:
    description:
      - How many seconds to wait for a connection.
    type: float
    default: 10
  total_timeout:
    description:
      - How many seconds one operation may take, such as the download of one layer, tries and waits included. Not
        limited if not set.
    type: float
  minimum_throughput:
    description:
      - The least bytes a second that an answer must bring, averaged over O(timeout) seconds of waiting for it. V(0)
        means any.
    type: int
    default: 1024
  retries:
    description:
      - How many times to try again after a failure that may pass, such as a lost connection or an answer 408, 429 or
        5xx.
      - The wait between tries grows. If the registry says how long to wait (C(Retry-After)), the task waits that long,
        provided that it is within O(total_timeout) or, if that is not set, within 60 seconds. Otherwise the task fails
        at once, and the message and C(error.retry_after) say how long to wait.
    type: int
    default: 4
requirements:
  - requests >= 2.25.0
  - PySocks (if the proxy in the environment is a SOCKS one)
  - cryptography >= 45.0.0 (for O(tls=ra-tls))
"""

    # listed before the fragment above, whose repository is required
    IMAGE = r"""
options:
  image:
    description:
      - The whole name of the image, such as V(quay.io/org/app:1.0) or V(quay.io/org/app@sha256:...), as C(docker) and
        C(podman) take it. A name without a host is one of Docker Hub. Without a tag or digest, the tag is V(latest).
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest), also if
        C(module_defaults) sets one of these, because the credentials set there are for that registry.
      - This or O(repository) is required.
    type: str
    version_added: 0.3.0
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
      - This or O(image) is required to pull.
    type: str
    required: false
    aliases:
      - app_name
      - name
  reference:
    description:
      - Which image of the repository, as a tag, a digest, or both in the form C(tag@digest).
      - With both, the tag must lead to that digest.
      - Mutually exclusive with O(tag) and O(digest).
    type: str
    default: latest
  tag:
    description:
      - The tag of the image, in place of O(reference). With O(digest) too, the tag must lead to that digest.
    type: str
  digest:
    description:
      - The digest of the image, in place of O(reference).
    type: str
  platform:
    description:
      - Which image to take from a reference that leads to an index of images for several platforms, as
        C(os/architecture) or C(os/architecture/variant), for example V(linux/arm64/v8).
      - A reference that leads to a single image, for another platform, is an error. Fields that the image config leaves
        out match every platform.
      - If not set, the platform of the host that the task runs on. A reference that leads to a single image, for
        another platform, is then accepted, with a warning in every run.
      - If an index does not offer the platform of the host but variants that its processor can run, such as
        V(linux/amd64/v3), the highest of these is taken.
    type: str
  foreign_layers:
    description:
      - Whether layers that the manifest places outside of the registry, by a C(urls) list, may be fetched from there.
      - Those addresses are chosen by whoever made the image, not by you.
    type: bool
    default: false
"""

    QUERY = r"""
options:
  query:
    description:
      - A JMESPath expression that is applied to what the module returns. The outcome is returned as RV(query_result),
        and the other return values are left out.
      - If it finds nothing (V(null) or an empty list), the result carries a warning.
      - Requires the Python library C(jmespath) on the host that the task runs on.
    type: str
requirements:
  - jmespath >= 0.10.0 (for O(query))
"""


__all__ = ("ModuleDocFragment",)
