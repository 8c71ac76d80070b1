# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""The options that several modules share, as data: argument specs, and the rules between options.

argument_spec.py makes modules of them, and oci_image_unpack_probe imports this file alone, to be sent fast.
doc_fragments/ documents the same options; a unit test compares the two.
"""

from __future__ import annotations

import typing as t

# An argument spec as AnsibleModule takes it.
Options = dict[str, dict[str, t.Any]]

# The options that a registry and a mirror have both.
_CONNECTION: t.Final[Options] = {
    "tls": {"type": "str", "choices": ["no-tls", "tls", "ra-tls"]},
    "ratls": {
        "type": "dict",
        "options": {
            "evidence": {
                "type": "str",
                "choices": ["file", "command", "rsi", "tsm", "simulated"],
                "required": True,
            },
            "path": {"type": "path"},
            "argv": {"type": "list", "elements": "str"},
            "key_type": {"type": "str", "choices": ["rsa-2048", "ec-p256"], "default": "rsa-2048", "no_log": False},
            "timeout": {"type": "float", "default": 30},
        },
    },
    "ca_path": {"type": "path", "aliases": ["root_ca"]},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "validate_certs": {"type": "bool", "default": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "identity_token": {"type": "str", "no_log": True},
    "auth_file": {"type": "path", "aliases": ["authfile"]},
    "aws_profile": {"type": "str"},
    "aws_region": {"type": "str"},
}

# The options of a dictionary in mirrors. What is not set is as for a mirror that is given by its name.
MIRROR: t.Final[Options] = {
    "registry": {"type": "str", "required": True, "aliases": ["host"]},
    "repository_prefix": {"type": "str"},
    **_CONNECTION,
    "validate_certs": {"type": "bool"},
}

# The option target of modules that write to another registry. What is not set is as for the registry of the task.
TARGET: t.Final[Options] = {
    "image": {"type": "str"},
    "registry": {"type": "str", "aliases": ["host"]},
    "repository": {"type": "str", "aliases": ["app_name", "name"]},
    "tags": {"type": "list", "elements": "str"},
    **_CONNECTION,
    "validate_certs": {"type": "bool"},
}

# The options of the fragment attested.registry.registry.
REGISTRY: t.Final[Options] = {
    "registry": {"type": "str", "default": "localhost:1337", "aliases": ["host"]},
    **_CONNECTION,
    "trusted_realm_hosts": {"type": "list", "elements": "str", "default": []},
    "trusted_redirect_hosts": {"type": "list", "elements": "str", "default": []},
    # mirrors.py validates the elements
    "mirrors": {"type": "list", "elements": "raw", "default": [], "options": MIRROR},
    "timeout": {"type": "float", "default": 30},
    "connect_timeout": {"type": "float", "default": 10},
    "total_timeout": {"type": "float"},
    "minimum_throughput": {"type": "int", "default": 1024},
    "retries": {"type": "int", "default": 4},
}

# The options of the fragment attested.registry.registry.repository.
REPOSITORY: t.Final[Options] = {
    "repository": {"type": "str", "required": True, "aliases": ["app_name", "name"]},
}

# The options of the fragment attested.registry.registry.name.
NAME: t.Final[Options] = {
    "image": {"type": "str"},
    "repository": {"type": "str", "required": False, "aliases": ["app_name", "name"]},
    "reference": {"type": "str", "default": "latest"},
    "tag": {"type": "str"},
    "digest": {"type": "str"},
}

# The options of the fragments attested.registry.registry.name and attested.registry.registry.image.
IMAGE: t.Final[Options] = {
    **NAME,
    "platform": {"type": "str"},
    "foreign_layers": {"type": "bool", "default": False},
}

# The options of the fragment attested.registry.registry.layout.
LAYOUT: t.Final[Options] = {"layout": {"type": "path"}}

# The option of the fragment attested.registry.registry.signature.
SIGNATURE: t.Final[Options] = {
    "signature": {
        "type": "dict",
        "options": {
            "format": {"type": "str", "choices": ["cosign", "islet"], "default": "cosign"},
            "keys": {"type": "list", "elements": "path", "required": True, "no_log": False},
            "signatures": {"type": "int", "default": 1},
            "identity": {"type": "str", "choices": ["exact", "none"]},
        },
    },
}

# The options of the fragment attested.registry.registry.download.
DOWNLOAD: t.Final[Options] = {
    "parallel": {"type": "int", "default": 4},
    "limit_rate": {"type": "bytes"},
    "cache": {"type": "path"},
    "cache_size": {"type": "bytes", "default": "10G"},
}

# The option of the fragment attested.registry.registry.progress.
PROGRESS: t.Final[Options] = {"progress": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"}}

# The options of the fragment attested.registry.tree.
TREE: t.Final[Options] = {
    "ownership": {"type": "bool", "default": True},
    "xattrs": {"type": "str", "choices": ["keep", "require", "skip"], "default": "keep"},
    "devices": {"type": "str", "choices": ["create", "skip", "fail"], "default": "skip"},
    "max_unpacked_bytes": {"type": "bytes", "default": "100G"},
    "max_entries": {"type": "int", "default": 10000000},
    "max_ratio": {"type": "int", "default": 2000},
    "lock_timeout": {"type": "float", "default": 60},
}

# The options of the fragment attested.registry.tree.selection.
SELECTION: t.Final[Options] = {
    "include": {"type": "list", "elements": "str"},
    "exclude": {"type": "list", "elements": "str"},
    "strip": {"type": "str"},
}

# The options of oci_image_unpack about what the tree has in addition to the image.
MOUNT_POINTS: t.Final[Options] = {
    "mount_points": {"type": "list", "elements": "str", "default": []},
    "mount_files": {"type": "list", "elements": "str", "default": []},
}

# The options of the modules that list names.
LISTING: t.Final[Options] = {
    "n": {"type": "int"},
    "last": {"type": "str"},
    "pattern": {"type": "str"},
    "pattern_type": {"type": "str", "choices": ["fnmatch", "regex"], "default": "fnmatch"},
}

# The option tags_from of modules that copy many tags.
TAGS_FROM: t.Final[Options] = {
    "tags_from": {
        "type": "dict",
        "options": {
            "pattern": {"type": "str"},
            "pattern_type": {"type": "str", "choices": ["fnmatch", "regex"], "default": "fnmatch"},
            "newest": {"type": "int"},
            "limit": {"type": "int"},
            "prune": {"type": "bool", "default": False},
        },
    },
}

# The options of the fragment attested.registry.registry.query.
QUERY: t.Final[Options] = {"query": {"type": "str"}}

# All options of oci_image_unpack besides those of REGISTRY.
UNPACK: t.Final[Options] = {
    **IMAGE,
    **LAYOUT,
    **SIGNATURE,
    **DOWNLOAD,
    **TREE,
    **SELECTION,
    **MOUNT_POINTS,
    **PROGRESS,
    "dest": {"type": "path", "required": True},
    "state_dir": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "force": {"type": "bool", "default": False},
    "keep_generations": {"type": "int", "default": 1},
    "pull": {"type": "str", "choices": ["always", "missing"], "default": "always"},
    "drift": {"type": "str", "choices": ["none", "metadata", "content"], "default": "metadata"},
}

UNPACK_RULES: t.Final = [("state", "present", ("image", "repository", "layout"), True)]

# Rules about the options of REGISTRY.
TOGETHER: t.Final = [("username", "password")]
EXCLUSIVE: t.Final = [
    ("token", "username"),
    ("token", "password"),
    ("identity_token", "token"),
    ("identity_token", "username"),
    ("identity_token", "password"),
]
REQUIRED_BY: t.Final = {"client_key": "client_cert"}
MIRROR_RULES: t.Final = (TOGETHER, EXCLUSIVE, REQUIRED_BY)


def merge(*parts: Options) -> Options:
    """Return the options of all parts as one argument spec; a later part overrides an earlier one."""
    return {name: dict(option) for part in parts for name, option in part.items()}


__all__ = (
    "DOWNLOAD",
    "EXCLUSIVE",
    "IMAGE",
    "LAYOUT",
    "LISTING",
    "MIRROR",
    "MIRROR_RULES",
    "MOUNT_POINTS",
    "NAME",
    "PROGRESS",
    "QUERY",
    "REGISTRY",
    "REPOSITORY",
    "REQUIRED_BY",
    "SELECTION",
    "SIGNATURE",
    "TAGS_FROM",
    "TARGET",
    "TOGETHER",
    "TREE",
    "UNPACK",
    "UNPACK_RULES",
    "Options",
    "merge",
)
