# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This doc fragment is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Documentation fragments: options for registries, images and queries; types: _module/options/spec.py."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options of modules that connect to a registry; a unit test compares it with the specs."""

    DOCUMENTATION = r"""
options:
  registry:
    description:
      - The registry, as C(host), C(host:port) or C(host:port/prefix). An IPv6 address must be in brackets.
      - V(docker.io) is Docker Hub. Repositories of Docker Hub without a namespace are in V(library/).
      - A prefix C(http://) or C(https://) selects the protocol as O(tls) does, and must not contradict O(tls).
    type: str
    default: localhost:1337
    aliases:
      - host
  tls:
    description:
      - The protocol for connections to O(registry).
      - V(tls) uses HTTPS, V(no-tls) plain HTTP.
      - If not set, the default is plain HTTP for a registry on the loopback interface (C(localhost), C(127.0.0.0/8),
        C([::1])) unless one of O(ca_path), O(client_cert) or O(client_key) is given, and HTTPS for every other
        registry.
      - Plain HTTP to another host exposes all traffic, credentials included, to the network. It must be requested with
        V(no-tls), and the task then emits a warning.
      - V(ra-tls) uses HTTPS with TLS 1.3, over which the host attests itself to the registry as configured by
        O(ratls). The task fails if the registry does not request an attestation. Other hosts, such as token services,
        storage that the registry redirects to, and O(mirrors) without an O(mirrors[].tls) of their own, receive no
        attestation. See the guide on remote attestation.
      - V(ra-tls) supports HTTP proxies, but not SOCKS proxies.
    type: str
    choices:
      - no-tls
      - tls
      - ra-tls
  ratls:
    description:
      - How the host attests itself. Required with O(tls=ra-tls), and allowed only with it.
      - Each connection uses a new token.
    type: dict
    version_added: 0.2.0
    suboptions: &ratls
      evidence:
        description:
          - The source of attestation tokens.
          - V(tsm) requests tokens from the kernel through configfs, V(rsi) through the device of the Realm Services
            Interface. Both need a realm of the Arm Confidential Compute Architecture, and root.
          - V(command) runs O(ratls.argv) for each token.
          - V(file) presents the token in O(ratls.path) unchanged. The token is not bound to the connection, so a server
            that checks the challenge rejects it. The task emits a warning.
          - V(simulated) generates tokens with the keys in O(ratls.path). They prove nothing and are for tests. The task
            emits a warning.
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
          - With V(file), the file that holds the token. With V(simulated), the directory of the simulated realm.
            Required with both.
          - With V(rsi), the device. With V(tsm), the configfs directory for reports. Set it only if the path differs
            from the default.
        type: path
      argv:
        description:
          - The program that generates tokens, and its arguments. Required with V(command), and allowed only with it.
          - C({challenge}) in an argument is replaced by the 128 hexadecimal digits of the challenge. The program also
            receives them on its standard input. It writes the token to its standard output.
          - Ansible's output and the process list show the arguments. Do not pass a secret as an argument; let the
            program read it from a file.
        type: list
        elements: str
      key_type:
        description:
          - The key type of the client certificate. Each task generates a new key.
          - V(ec-p256) is much faster. V(rsa-2048) is the type that other clients use.
        type: str
        choices:
          - rsa-2048
          - ec-p256
        default: rsa-2048
      timeout:
        description:
          - How many seconds the program of V(command) may run for one token. They do not count towards
            O(connect_timeout).
        type: float
        default: 30
  ca_path:
    description:
      - A PEM file with CA certificates, or a directory of such files, to verify the certificate of the registry. For
        O(registry) itself, they replace the CA certificates of the system.
      - For storage that the registry redirects to, token services and O(mirrors) without an O(mirrors[].ca_path), they
        are trusted in addition to the CA certificates of the system. If any of these mirrors uses HTTPS, this also
        applies to O(registry), because the certificates may be those of a mirror.
    type: path
    aliases:
      - root_ca
  client_cert:
    description:
      - A PEM file with the client certificate and its chain. The file may also contain the private key.
      - It is presented only to the host of the registry, not to token services, storage and mirrors on other hosts.
      - Cannot be used with O(tls=ra-tls), which generates a certificate for each connection.
    type: path
  client_key:
    description:
      - A PEM file with the private key of O(client_cert). It must not be encrypted.
      - Requires O(client_cert).
    type: path
  validate_certs:
    description:
      - Whether to verify the certificate of the registry and its host name.
      - With V(false), an attacker on the network can impersonate the registry and read the credentials. The task emits
        a warning. Use O(ca_path) instead where possible.
      - Applies to the host of the registry and to O(mirrors). The certificates of other hosts, such as token services
        and storage that the registry redirects to, are always verified.
    type: bool
    default: true
  username:
    description:
      - The user name to log in with.
      - Requires O(password). Mutually exclusive with O(token).
    type: str
  password:
    description:
      - The password or access token of O(username).
      - Requires O(username). Mutually exclusive with O(token).
    type: str
  token:
    description:
      - A bearer token for the registry. It is sent unchanged.
      - Mutually exclusive with O(username) and O(password).
    type: str
  identity_token:
    description:
      - An identity token (a refresh token of OAuth2), which the token service of the registry exchanges for bearer
        tokens. C(docker login) stores such a token as C(identitytoken).
      - Mutually exclusive with O(username), O(password) and O(token).
    type: str
    version_added: 0.3.0
  auth_file:
    description:
      - A file with credentials as C(podman login), C(skopeo login) and C(docker login) write it. The file must exist,
        and the credential helper that it names for the registry, if any, must work.
      - If neither this nor O(username), O(token) or O(identity_token) is given, the module searches the default files
        in the following order and uses the first entry for the registry or repository. The default files are the file
        named by E(REGISTRY_AUTH_FILE), C(containers/auth.json) in E(XDG_RUNTIME_DIR) (if that variable is not set,
        C(/run/containers/UID/auth.json) and C(/run/user/UID/containers/auth.json)), C(containers/auth.json) in
        E(XDG_CONFIG_HOME) (or C(~/.config)), C(~/.finch/config.json), C(config.json) in E(DOCKER_CONFIG) (or
        C(~/.docker)), and C(~/.dockercfg). If E(XDG_RUNTIME_DIR) is set, the two files below C(/run) come last.
      - A default file that cannot be used, or whose credential helper is not installed, is skipped with a warning.
      - The files and variables are those of the user that the task runs as, on the target host.
      - An entry without credentials, in a file that names no credential helper for it, is looked up in the keyring of
        the operating system with the library C(keyring), if that is installed (service C(docker-credential-helpers)).
      - For a registry of Amazon ECR, AWS is asked if no file has an entry and the library C(botocore) is installed. See
        the guide on authentication.
    type: path
    aliases:
      - authfile
  aws_profile:
    description:
      - The profile in the AWS configuration of the user of the task to get the credentials of Amazon ECR with. If AWS
        gives no credentials then, the task fails. Without this option, the task emits a warning and goes on without.
      - Has no effect with registries of other names, and if credentials for the registry are given in another way.
    type: str
    version_added: 0.3.0
  aws_region:
    description:
      - The AWS region to get the credentials of Amazon ECR from. The default is the region in the name of the registry,
        and V(us-east-1) for V(public.ecr.aws).
    type: str
    version_added: 0.3.0
  trusted_realm_hosts:
    description:
      - Hosts that may receive the credentials when the registry names them as its token service.
      - The host of the registry is always trusted. For other hosts, see the guide on authentication.
    type: list
    elements: str
    default: []
  trusted_redirect_hosts:
    description:
      - Hosts, as C(host) or C(host:port), that O(registry) may redirect to although their address is less public than
        that of the registry.
      - By default, a registry at a public address may redirect to public addresses only, a registry at a private
        address also to private addresses, and a registry on the loopback interface to any address. The check uses the
        address that the connection goes to or, if a proxy connects, the host name. List a host here if the storage of a
        registry has a private address, such as an endpoint in the network of a cloud. The task emits a warning when it
        follows such a redirect.
      - If O(registry) redirects a write to another registry, the credentials for that registry are sent only if it is
        listed here. Otherwise O(registry) could have something written to all registries that this host has logins for.
        The same holds for what M(attested.registry.oci_image_copy) reads, which O(registry) could have copied to
        itself.
      - Link-local addresses and the metadata services of clouds are always refused.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  mirrors:
    description:
      - Mirrors of O(registry). Manifests, configs and layers are requested from the mirrors in this order, then from
        O(registry). Tags and repositories are always listed from O(registry).
      - Each is a name, as C(host), C(host:port) or C(host:port/prefix), or a dictionary with the name and options for
        this mirror alone. A name is the same as a dictionary with O(mirrors[].registry) alone.
      - A mirror that fails, answers with a web page, or does not have the content is skipped with one warning per task,
        which names the URL. A mirror that cannot be reached is not tried again in the same task.
      - Content addressed by digest is verified, whichever registry delivers it. The digest of a tag is taken from the
        first mirror that has the tag.
      - O(username), O(password), O(token) and O(identity_token) are never sent to a mirror, and O(client_cert) is not
        presented to a mirror on another host. The credentials and the certificate of a mirror go to no other mirror and
        not to O(registry). O(auth_file) may contain credentials for mirrors.
    type: list
    elements: raw
    default: []
    suboptions:
      registry:
        description:
          - The mirror, as C(host), C(host:port) or C(host:port/prefix). The prefix comes before C(/v2/) in the URL.
          - Mirrors on the loopback interface use plain HTTP and other mirrors HTTPS, unless the name begins with
            C(http://) or C(https://), or one of the following options says otherwise.
        type: str
        required: true
        aliases:
          - host
      repository_prefix:
        description:
          - What the mirror has before the names of the repositories. With V(hub), the repository C(library/debian) is
            requested as C(/v2/hub/library/debian/), and a token for it is requested by that name.
          - Proxy caches have the images of each upstream registry under a name of their own, such as the project in
            Harbor, the prefix of the rule in Amazon ECR, or the repository in Artifactory.
        type: str
        version_added: 0.3.0
      tls:
        description:
          - The protocol for connections to the mirror, as O(tls).
        type: str
        choices:
          - no-tls
          - tls
          - ra-tls
        version_added: 0.3.0
      ratls:
        description:
          - How the host attests itself to the mirror, as O(ratls). If not set, the default is O(ratls).
          - Allowed only with O(mirrors[].tls=ra-tls). The return value C(ratls) is about O(registry) alone.
        type: dict
        suboptions: *ratls
        version_added: 0.3.0
      ca_path:
        description:
          - The CA certificates to verify the certificate of the mirror, as O(ca_path). They replace those of the
            system.
          - If not set, O(ca_path) is trusted in addition to the CA certificates of the system.
        type: path
        aliases:
          - root_ca
        version_added: 0.3.0
      client_cert:
        description:
          - The client certificate for the mirror, as O(client_cert).
        type: path
        version_added: 0.3.0
      client_key:
        description:
          - The private key of O(mirrors[].client_cert), as O(client_key).
        type: path
        version_added: 0.3.0
      validate_certs:
        description:
          - Whether to verify the certificate of the mirror and its host name, as O(validate_certs), which is the
            default.
        type: bool
        version_added: 0.3.0
      username:
        description:
          - The user name for the mirror. Requires O(mirrors[].password). Mutually exclusive with O(mirrors[].token).
        type: str
        version_added: 0.3.0
      password:
        description:
          - The password or access token of O(mirrors[].username).
        type: str
        version_added: 0.3.0
      token:
        description:
          - A bearer token for the mirror. It is sent unchanged.
        type: str
        version_added: 0.3.0
      identity_token:
        description:
          - An identity token for the mirror, as O(identity_token).
        type: str
        version_added: 0.3.0
      auth_file:
        description:
          - A file with credentials for the mirror, as O(auth_file), which is the default.
        type: path
        aliases:
          - authfile
        version_added: 0.3.0
      aws_profile:
        description:
          - The AWS profile for a mirror in Amazon ECR, as O(aws_profile), which is the default.
        type: str
        version_added: 0.3.0
      aws_region:
        description:
          - The AWS region for a mirror in Amazon ECR, as O(aws_region), which is the default.
        type: str
        version_added: 0.3.0
  timeout:
    description:
      - How many seconds to wait for the next bytes of a response, or until the registry takes the next bytes of what is
        uploaded. A registry may also need this time to store a large blob before it answers.
      - O(minimum_throughput) is averaged over the same period, so an attempt gives up a slow response or upload after
        this time.
    type: float
    default: 30
  connect_timeout:
    description:
      - How many seconds to wait for a connection to be established.
    type: float
    default: 10
  total_timeout:
    description:
      - How many seconds one operation, such as the download of one layer, may take, including all attempts and the
        waits between them. Unlimited if not set.
    type: float
  minimum_throughput:
    description:
      - Minimum rate of a response or upload in bytes per second, averaged over O(timeout) seconds of waiting for it.
        V(0) sets no minimum.
    type: int
    default: 1024
  retries:
    description:
      - How many times to retry after a temporary failure, such as a lost connection or a response with status 408, 429
        or 5xx.
      - The wait between attempts grows. If the registry states how long to wait (C(Retry-After)), the task waits that
        long, provided that this is within O(total_timeout) or, if that is not set, within 60 seconds. Otherwise the
        task fails at once, and the message and C(error.retry_after) state how long to wait.
    type: int
    default: 4
requirements:
  - requests >= 2.25.0
  - PySocks (if the proxy in the environment is a SOCKS proxy)
  - cryptography >= 45.0.0 (for O(tls=ra-tls))
  - cbor2 >= 5.4.0 (for O(tls=ra-tls))
  - botocore (optional, for the credentials of Amazon ECR)
  - keyring (optional, for logins in the keyring of the operating system)
"""

    REPOSITORY = r"""
options:
  repository:
    description:
      - The name of the repository inside the registry, for example V(library/debian).
    type: str
    required: true
    aliases:
      - app_name
      - name
"""

    NAME = r"""
options:
  image:
    description:
      - The full name of the image, such as V(quay.io/org/app:1.0) or V(quay.io/org/app@sha256:...), as C(docker) and
        C(podman) accept it. A name without a host refers to Docker Hub. Without a tag or digest, the tag is V(latest).
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest), even if one of them is
        set by C(module_defaults), because the credentials set there are for that registry.
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
      - The image in the repository, as a tag, a digest, or both in the form C(tag@digest).
      - With both, the tag must resolve to that digest.
      - Mutually exclusive with O(tag) and O(digest).
    type: str
    default: latest
  tag:
    description:
      - The tag of the image, in place of O(reference). With O(digest) as well, the tag must resolve to that digest.
    type: str
  digest:
    description:
      - The digest of the image, in place of O(reference).
    type: str
"""

    IMAGE = r"""
options:
  platform:
    description:
      - The platform to select from a multi-platform image (an index), as C(os/architecture) or
        C(os/architecture/variant), for example V(linux/arm64/v8).
      - If the reference resolves to a single image for another platform, the task fails. Fields that the image config
        omits match every platform.
      - The default is the platform of the target host. A single image for another platform is then accepted, with a
        warning in every run.
      - If an index does not offer the exact platform of the host but variants that its processor can run, such as
        V(linux/amd64/v3), the highest of these is selected.
    type: str
  foreign_layers:
    description:
      - Whether to download layers from outside the registry if the manifest refers to them by a C(urls) list.
      - The author of the image chooses these URLs.
    type: bool
    default: false
"""

    LAYOUT = r"""
options:
  layout:
    description:
      - The path of a layout or archive on the target host to take the image from, in place of O(image) or
        O(repository). No request is sent. Manifest, config and layers are verified as if they came from a registry.
      - It may be the directory of an OCI layout, an OCI archive (a tar archive of a layout), or an archive that
        C(docker save) or C(podman save) wrote. The content tells which, not the name.
      - An archive may be compressed with gzip, zstd, bzip2 or xz. A compressed archive is decompressed to Ansible's
        temporary directory in every run, in check mode too, unless O(reference) or O(digest) gives a digest that is
        there already. An archive that is not compressed is read where it is.
      - Where a module has the options C(max_unpacked_bytes) and C(max_ratio), they also limit what a compressed archive
        is decompressed to. Elsewhere the limits are their defaults.
      - O(reference) is then a tag, a full name with a tag such as V(quay.io/org/app:1.0), a digest, or one of the first
        two with a digest. Tags and names are those in the annotations C(org.opencontainers.image.ref.name) and
        C(io.containerd.image.name) of C(index.json), or in C(RepoTags) of C(manifest.json). Without a reference, the
        layout or archive must have only one image, or only one that has a name.
      - A tag only says what the file says. To make sure that it is the intended image, give a digest.
      - An archive of C(docker save) of docker before version 25, and of C(podman save), has no manifest. One is made of
        the config and the layers. Its digest differs from that in a registry, but an image that was unpacked from a
        registry counts as the same image.
      - Mutually exclusive with O(image), O(repository) and C(foreign_layers), even if one of them is set by
        C(module_defaults). The options of the connection to a registry, such as O(registry), O(ca_path), O(username)
        and O(mirrors), are not used, so C(module_defaults) may set them for all tasks of a play.
    type: path
    version_added: 0.3.0
"""

    SIGNATURE = r"""
options:
  signature:
    description:
      - The signatures that the image must have. They are verified before a layer is downloaded or anything is written,
        in check mode as well. If they are missing or invalid, the task fails with the error kind C(signature_invalid),
        and what is at C(dest) stays.
      - Only public keys are supported. Keyless signatures, which have a certificate in place of a key, are refused. No
        service on the Internet is asked. See the guide on signatures.
    type: dict
    version_added: 0.3.0
    suboptions:
      format:
        description:
          - V(cosign) are signatures of C(cosign sign --key) in the repository of the image, which C(podman push) and
            C(skopeo copy) can write too. Manifests that refer to the image are looked at first, bundles and those of
            the older format, then the tag C(sha256-HEX.sig). The digest that was signed must be that of the manifest,
            or of the index that contains it. Attestations do not count.
          - V(islet) are the annotations that C(ir-sign) of the project islet writes. They cover the image config, and
            through it the content of the layers, but not the manifest. The layers are compared with the config when
            they are unpacked.
        type: str
        choices:
          - cosign
          - islet
        default: cosign
      keys:
        description:
          - The paths of the public keys on the host, one key in each file, in PEM or DER.
          - An item can also be a key itself in PEM, for example from a file of the controller, which the lookup
            P(ansible.builtin.file#lookup) reads.
          - With V(cosign), keys are ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits. With V(islet), they
            are the keys of root authorities, ECDSA on P-384.
        type: list
        elements: path
        required: true
      signatures:
        description:
          - How many of O(signature.keys) must have signed.
        type: int
        default: 1
      identity:
        description:
          - V(exact) requires that the signed name (C(docker-reference)) is the registry and repository of the task, so
            that the signature of another image that was signed with the same key is refused. If the signed name has a
            tag, and the task gives a tag, both must be equal.
          - V(none) ignores the signed name, as C(cosign verify) does. It is needed for bundles, which C(cosign) writes
            by default from version 3 on and which contain no name, for images that were copied to another registry, and
            with O(layout) unless O(reference) is a full name.
          - The default is V(exact) with O(signature.format=cosign). Signatures of the format V(islet) contain no name.
        type: str
        choices:
          - exact
          - none
requirements:
  - cryptography >= 38.0.0 (for O(signature))
"""

    DOWNLOAD = r"""
options:
  parallel:
    description:
      - How many blobs to download at once, from V(1) to V(16). With V(1), one after the other.
      - Each download has a connection of its own. Layers are unpacked in their order, whatever arrives first, and a
        layer that is not unpacked yet waits after a few megabytes. All of them together take no more memory than two.
      - Has no effect with O(layout).
    type: int
    default: 4
    version_added: 0.3.0
  limit_rate:
    description:
      - The maximum rate of all downloads of the task together, in bytes per second, as a number or with a unit, such as
        V(500K) or V(10M). At least V(1K).
      - The default is no limit. Has no effect with O(layout).
    type: bytes
    version_added: 0.3.0
  cache:
    description:
      - A directory in which all tasks of the host that give it keep downloaded blobs. A blob that is there is not
        downloaded again, and the download of a blob that was interrupted is resumed by the next task.
      - It is created with mode V(0700) if it does not exist. It must belong to the user of the task, and no other user
        may be able to write to it or to replace it. A directory that holds something else, such as a layout, is
        refused.
      - Each blob is hashed before it is used. A damaged one is removed, with a warning, and downloaded again.
      - A task waits up to O(lock_timeout) seconds while another one downloads the same blob, and then downloads it
        itself, past the cache.
      - The default is no cache. Check mode writes nothing to it. Has no effect with O(layout).
    type: path
    version_added: 0.3.0
  cache_size:
    description:
      - The size of O(cache) in bytes, as a number or with a unit, such as V(500M) or V(10G). At the end of a task that
        uses the cache, the least recently used blobs are removed until no more are there, except blobs that a task uses
        at that time. During the task the cache may be larger.
      - The tasks that share a cache should give the same size.
    type: bytes
    default: 10G
    version_added: 0.3.0
"""

    PROGRESS = r"""
options:
  progress:
    description:
      - Whether to show how far the task is, with a line every ten seconds that has the host, the stage, the layer, the
        bytes and the rate.
      - V(auto) shows the lines if Ansible runs with C(-v) or more.
      - The lines go to the standard error of the controller, not to results and not to the log file of Ansible.
      - No lines are shown in check mode, for asynchronous tasks, with C(no_log), and over connections other than
        P(ansible.builtin.ssh#connection) and P(ansible.builtin.local#connection). The task is the same with and without
        them.
    type: str
    choices:
      - auto
      - "true"
      - "false"
    default: auto
    version_added: 0.3.0
"""

    QUERY = r"""
options:
  query:
    description:
      - A JMESPath expression to apply to the return values of the module. The module then returns the outcome as
        RV(query_result) and omits the other return values.
      - If the outcome is empty (V(null) or an empty list), the task emits a warning.
      - Requires the Python library C(jmespath) on the target host.
    type: str
requirements:
  - jmespath >= 0.10.0 (for O(query))
"""


__all__ = ("ModuleDocFragment",)
