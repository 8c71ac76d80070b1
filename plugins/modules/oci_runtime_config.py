#!/usr/bin/python
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module oci_runtime_config: documentation and entry point; _module/runtime/run.py does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_runtime_config
short_description: Write how to run an unpacked image, as config.json or as a systemd unit
version_added: 0.3.0
description:
  - Converts the config of an image, with its entry point, environment, user, directory and volumes, to a file that runs
    the image in its unpacked tree.
  - With O(format=oci), the file is a C(config.json) for C(crun), C(runc) and other runtimes of the Open Container
    Initiative.
  - With O(format=systemd), it is the unit of a service, which runs without a container runtime.
  - The config is the one that M(attested.registry.oci_image_unpack) verified when it unpacked O(root), so no registry
    is asked. Users and groups are looked up in the tree.
  - The file is unchanged if it has the same content already. For O(format=oci), JSON with other white space or in
    another order is the same.
  - The module starts nothing. See the guide on running images.
author:
  - attested.registry contributors (@attested-registry)
extends_documentation_fragment:
  - attested.registry.registry.name
  - attested.registry.registry.layout
  - attested.registry.registry
  - ansible.builtin.files
  - attested.registry.attributes
  - attested.registry.attributes.files
  - attested.registry.attributes.actiongroup_registry
attributes:
  check_mode:
    support: full
    details:
      - If O(root) does not exist yet, check mode reports a change without the content of the file, and the task emits a
        warning.
  diff_mode:
    support: full
    details:
      - The diff contains the values of O(env). Set C(no_log) for the task if one of them is secret.
  idempotent:
    support: full
  safe_file_operations:
    support: full
  platform:
    support: full
    platforms: posix
options:
  root:
    description:
      - The directory of the unpacked image, as an absolute path.
      - The config of the image is that of the tree, unless O(image), O(repository) or O(layout) is set.
      - While the module reads the tree, no other task can replace it.
    type: path
    required: true
  state_dir:
    description:
      - The state directory of the tree, if it was given to O(attested.registry.oci_image_unpack#module:state_dir). Has
        no effect if O(image), O(repository) or O(layout) is set.
    type: path
  dest:
    description:
      - The file to write. A symbolic link is replaced, and its target is not changed. Anything else that is not a
        regular file is refused.
      - Missing parent directories are created with mode V(0755), reduced by the umask. If the task fails, it removes
        the directories that it created and that are empty.
      - The file is replaced in one step. The new file keeps the owner, group, mode and extended attributes of the old
        one. A new file can be read by all users unless O(mode) says otherwise, so set O(mode=0600) if O(env) has a
        secret.
    type: path
    required: true
  format:
    description:
      - V(oci) writes a C(config.json). A runtime needs it in a directory of its own, the bundle. C(root.path) in it is
        O(root), so the tree can be anywhere.
      - V(systemd) writes a unit for a service. After a change, systemd must be told to read it again, with
        C(daemon_reload) of M(ansible.builtin.systemd_service).
    type: str
    choices:
      - oci
      - systemd
    default: oci
  image:
    description:
      - Take the config from this image in a registry, in place of that of O(root), for a tree that another tool
        unpacked. The same holds for O(repository) and O(layout), even if C(module_defaults) set them.
      - Mutually exclusive with O(registry), O(repository), O(reference), O(tag) and O(digest).
    type: str
  repository:
    description:
      - The repository of the image to take the config from, in place of O(image).
    type: str
    aliases:
      - app_name
      - name
  platform:
    description:
      - The platform to select with O(image), O(repository) or O(layout), as C(os/architecture) or
        C(os/architecture/variant). If not set, that of the host.
    type: str
  entrypoint:
    description:
      - The program and its first arguments, in place of C(Entrypoint) of the image. C(Cmd) of the image is then left
        out. V([]) leaves both out, so that O(args) is all of the command.
    type: list
    elements: str
  args:
    description:
      - The arguments after the entry point, in place of C(Cmd) of the image, as after the name of the image in
        C(docker run) and C(podman run).
    type: list
    elements: str
  env:
    description:
      - Environment variables to add to those of the image, or to set in their place. Values are text or integers.
      - All users who can read O(dest) can read them.
    type: dict
  user:
    description:
      - The user of the process, in place of C(User) of the image, as V(name), V(uid), V(name:group) or V(uid:gid).
      - Names are looked up in C(etc/passwd) and C(etc/group) of the tree. A name that is not there is an error. A user
        who is given by a name, without a group, is also in the groups that list that user.
      - If neither this nor the image names a user, the process runs as root, with user and group 0.
    type: str
  hostname:
    description:
      - The host name in the container. If not set, that of the host. Only with O(format=oci).
    type: str
  readonly:
    description:
      - Whether the tree is read-only for the process. Then it stays as it was verified, and O(mounts) and the volumes
        of the image are the places to write to.
      - With V(false), what the process writes in the tree counts as drift, and the next task that unpacks an image
        replaces it.
    type: bool
    default: true
  mounts:
    description:
      - What to mount in the tree. A mount at the place of a volume of the image, or of a mount that the module makes by
        default, replaces that one.
      - A directory or file that the tree lacks at a destination is created in the tree when the process starts, which
        counts as drift. The task then emits a warning, see RV(mount_points).
    type: list
    elements: dict
    suboptions:
      destination:
        description:
          - The absolute path in the tree.
        type: str
        required: true
      source:
        description:
          - With V(bind), the absolute path on the host.
        type: str
      type:
        description:
          - V(bind) shows a directory or a file of the host, V(tmpfs) is an empty directory in memory. With
            O(format=oci), every other file system that the runtime supports is possible.
        type: str
        default: bind
      options:
        description:
          - Options as for C(mount). With V(bind), C(rbind) is added unless C(bind) is given.
        type: list
        elements: str
      readonly:
        description:
          - Whether the process cannot write there.
        type: bool
        default: false
  terminal:
    description:
      - Whether the process gets a terminal. Only with O(format=oci).
    type: bool
    default: false
  network:
    description:
      - V(host) uses the network of the host. V(private) has a loopback interface alone, until something else adds one.
      - If not set, V(private) with O(format=oci), as runtimes do, and V(host) with O(format=systemd), as services do.
    type: str
    choices:
      - host
      - private
  resolv_conf:
    description:
      - Whether to show C(/etc/resolv.conf) of the host in the tree, read-only, so that the process can look up names.
    type: bool
    default: false
  capabilities:
    description:
      - The capabilities that the process can have, as V(NET_ADMIN) or V(CAP_NET_ADMIN). A process that does not run as
        root has them, too.
      - If not set, those that podman gives, which only a process of root has. They are C(CHOWN), C(DAC_OVERRIDE),
        C(FOWNER), C(FSETID), C(KILL), C(NET_BIND_SERVICE), C(SETFCAP), C(SETGID), C(SETPCAP), C(SETUID) and
        C(SYS_CHROOT).
    type: list
    elements: str
  no_new_privileges:
    description:
      - Whether programs that are setuid, setgid or have file capabilities give the process no more privileges.
    type: bool
    default: true
  unit_options:
    description:
      - Directives for the sections C(Unit), C(Service) and C(Install) of the unit, such as C(Restart), C(Type),
        C(MemoryMax) or C(After), for O(format=systemd). Each takes the place of all lines of that name that the module
        writes. A list results in a line for each item, and V([]) in none.
      - The values are written as they are, so a C(%) begins a specifier.
    type: dict
    default: {}
notes:
  - Volumes of the image are empty directories in memory at each start. With O(format=oci), they begin with what the
    image has there. To keep their data, give a mount at their place.
  - Labels of the image become annotations with O(format=oci), except those that runtimes act on, such as C(run.oci.).
    The task emits a warning about each that is left out.
  - With O(format=oci), masked and read-only paths, mounts and namespaces are those that C(runc spec) and C(crun spec)
    propose, without a seccomp filter. Resource limits are those of what starts the runtime.
seealso:
  - module: attested.registry.oci_image_unpack
  - module: attested.registry.oci_image_info
"""

EXAMPLES = r"""
- name: Unpack an image
  attested.registry.oci_image_unpack:
    repository: com.example.greeter
    reference: "1.0"
    dest: /srv/greeter
  register: unpacked

- name: Write a bundle for crun or runc
  attested.registry.oci_runtime_config:
    root: /srv/greeter
    dest: /srv/bundles/greeter/config.json
    hostname: greeter

- name: Write a systemd unit that runs the image
  attested.registry.oci_runtime_config:
    root: /srv/greeter
    format: systemd
    dest: /etc/systemd/system/greeter.service
    mode: "0644"
    env:
      GREETING: hello
    mounts:
      - source: /var/lib/greeter
        destination: /data
      - source: /etc/greeter
        destination: /etc/greeter
        readonly: true
    unit_options:
      Unit:
        After: network-online.target
        Wants: network-online.target
      Service:
        MemoryMax: 512M
        Restart: always

- name: Run another program of the image as another user
  attested.registry.oci_runtime_config:
    root: /srv/greeter
    dest: /srv/bundles/greeter-check/config.json
    entrypoint: []
    args: [/bin/sh, -c, id]
    user: "65534:65534"

- name: Convert the config of an image that another tool unpacked
  attested.registry.oci_runtime_config:
    image: docker.io/library/debian:12
    root: /srv/bundles/debian/rootfs
    dest: /srv/bundles/debian/config.json
    terminal: true
"""

RETURN = r"""
dest:
  description:
    - The path of the file.
  returned: success
  type: str
  sample: /etc/systemd/system/greeter.service
config:
  description:
    - The content of the file with O(format=oci), without what an unchanged file has in another form.
  returned: if O(format=oci) and O(root) exists
  type: dict
  sample:
    ociVersion: 1.0.2
unit:
  description:
    - The content of the file with O(format=systemd).
  returned: if O(format=systemd) and O(root) exists
  type: str
  sample: "# Ansible managed\n"
args:
  description:
    - The program and its arguments.
  returned: if O(root) exists
  type: list
  elements: str
  sample: [/usr/bin/greet, --once]
user:
  description:
    - The ids that the process runs with.
  returned: if O(root) exists
  type: dict
  contains:
    uid:
      description:
        - The user id.
      type: int
      sample: 999
    gid:
      description:
        - The group id.
      type: int
      sample: 999
    additional_gids:
      description:
        - The ids of the other groups of the user.
      type: list
      elements: int
      sample: [4]
    home:
      description:
        - The home directory of the user, V(null) if C(etc/passwd) of the tree does not have the user.
      type: str
      sample: /var/lib/greeter
digest:
  description:
    - The digest of the manifest of the image.
  returned: if O(root) exists
  type: str
  sample: sha256:2a0b6a18e2af9e8fb0a3f29bcb9221502b5f268eb13df657047918dc9fbc7611
missing_mount_points:
  description:
    - What the tree lacks at the places where something is mounted, and the working directory if it is missing. The
      start of the process makes it, which counts as drift. Where a symbolic link of the tree leads to nothing, the path
      that it leads to is given.
  returned: if O(root) exists
  type: list
  elements: str
  sample: [/data]
mount_points:
  description:
    - The value for O(attested.registry.oci_image_unpack#module:mount_points) with which the tree has all directories
      that the process needs. These are the directories that the tree was unpacked with, and those that it lacks.
  returned: if O(root) exists
  type: list
  elements: str
  sample: [/data, /dev, /proc, /sys]
mount_files:
  description:
    - The same for O(attested.registry.oci_image_unpack#module:mount_files).
  returned: if O(root) exists
  type: list
  elements: str
  sample: [/etc/resolv.conf]
ratls:
  description:
    - The attestation that the host presented on the most recent connection.
  returned: if O(tls=ra-tls) and a request was sent to the registry
  type: dict
  contains:
    evidence:
      description:
        - The value of O(ratls.evidence).
      type: str
      sample: tsm
    rim:
      description:
        - The initial measurement of the realm, in hexadecimal.
      type: str
      sample: 7d77ac01b4a1c2a1bd4b0d0a0a3b1a0fbc52a4ad3a8f1a6f1a0b6f6b3c2de9e4
    profile:
      description:
        - The profile of the token.
      type: str
      sample: tag:arm.com,2023:realm#1.0.0
    token:
      description:
        - The digest of the token. The server logs its verdict with this digest.
      type: str
      sample: sha256:4a5b7f1c2d3e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8
    simulated:
      description:
        - Whether the token declares itself simulated. A simulated token proves nothing.
      type: bool
      sample: false
"""

import typing as t

from ansible_collections.attested.registry.plugins.module_utils._module.errors import reported_errors
from ansible_collections.attested.registry.plugins.module_utils._module.options.argument_spec import registry_module
from ansible_collections.attested.registry.plugins.module_utils._module.options.spec import LAYOUT, NAME, Options
from ansible_collections.attested.registry.plugins.module_utils._module.runtime.run import run_runtime_config

OPTIONS: Options = {
    "root": {"type": "path", "required": True},
    "state_dir": {"type": "path"},
    "dest": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["oci", "systemd"], "default": "oci"},
    "platform": {"type": "str"},
    "entrypoint": {"type": "list", "elements": "str"},
    "args": {"type": "list", "elements": "str"},
    "env": {"type": "dict"},
    "user": {"type": "str"},
    "hostname": {"type": "str"},
    "readonly": {"type": "bool", "default": True},
    "mounts": {
        "type": "list",
        "elements": "dict",
        "options": {
            "destination": {"type": "str", "required": True},
            "source": {"type": "str"},
            "type": {"type": "str", "default": "bind"},
            "options": {"type": "list", "elements": "str"},
            "readonly": {"type": "bool", "default": False},
        },
    },
    "terminal": {"type": "bool", "default": False},
    "network": {"type": "str", "choices": ["host", "private"]},
    "resolv_conf": {"type": "bool", "default": False},
    "capabilities": {"type": "list", "elements": "str"},
    "no_new_privileges": {"type": "bool", "default": True},
    "unit_options": {"type": "dict", "default": {}},
}


def main() -> t.NoReturn:
    """Run the module."""
    module = registry_module(NAME, LAYOUT, OPTIONS, add_file_common_args=True)
    with reported_errors(module, doing="writing how to run an image"):
        results = run_runtime_config(module)
    module.exit_json(**results)


if __name__ == "__main__":
    main()
