# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter plugin parse_reference: documentation and entry point; _oci/reference.py parses the reference."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_reference
short_description: Parse an image reference
version_added: 0.1.0
author:
  - attested.registry contributors (@attested-registry)
description:
  - Parses an image reference such as V(nginx), V(quay.io/prometheus/node-exporter:v1.8.2) or
    V(localhost:5000/app@sha256:...) as container engines do, and returns its parts with all defaults filled in.
  - A reference without a registry refers to V(docker.io), where a name without a namespace is in V(library/).
    The part before the first slash is a registry if it is V(localhost) or contains a full stop, a colon or an
    upper-case letter.
  - The filter fails if the text is not a valid reference. It contacts no registry.
positional: default_tag
options:
  _input:
    description:
      - The image reference.
    type: str
    required: true
  default_tag:
    description:
      - The tag to use for a reference that has neither a tag nor a digest.
      - With the value V(none) (YAML null) the RV(_value.tag) of such a reference is V(none).
    type: str
    default: latest
seealso:
  - module: attested.registry.oci_image_info
  - module: attested.registry.oci_image_unpack
"""

EXAMPLES = r"""
---
- name: Show the full name of an image
  ansible.builtin.debug:
    # docker.io/library/debian:12
    msg: "{{ ('debian:12' | attested.registry.parse_reference).canonical }}"

- name: Show an image, given its reference as one string
  attested.registry.oci_image_info:
    registry: "{{ image.registry }}"
    repository: "{{ image.repository }}"
    reference: "{{ image.reference }}"
  vars:
    image: "{{ 'localhost:5000/debian:1.0' | attested.registry.parse_reference }}"
"""

RETURN = r"""
_value:
  description:
    - The parts of the reference.
  type: dict
  contains:
    registry:
      description:
        - Host name or address of the registry, with the port if there is one.
      type: str
      returned: success
      sample: docker.io
    repository:
      description:
        - Name of the repository in the registry.
      type: str
      returned: success
      sample: library/debian
    tag:
      description:
        - The tag, V(none) if the reference has a digest and no tag.
      type: str
      returned: success
      sample: "12"
    digest:
      description:
        - The digest, V(none) if the reference has none.
      type: str
      returned: success
      sample: sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
    reference:
      description:
        - The part that selects the image in its repository, as V(tag), V(digest) or V(tag@digest). Pass it to the
          O(attested.registry.oci_image_info#module:reference) option of the modules.
        - V(none) if the reference has neither a tag nor a digest.
      type: str
      returned: success
      sample: "12"
    canonical:
      description:
        - The full reference with all defaults filled in.
      type: str
      returned: success
      sample: docker.io/library/debian:12
    familiar:
      description:
        - The shortest form of the same reference.
      type: str
      returned: success
      sample: debian:12
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.attested.registry.plugins.module_utils._oci.errors import ReferenceInvalid
from ansible_collections.attested.registry.plugins.module_utils._oci.reference import DEFAULT_TAG, Reference, Selector

if t.TYPE_CHECKING:
    from collections.abc import Callable


def parse_reference(value: str, default_tag: str | None = DEFAULT_TAG) -> dict[str, str | None]:
    """Return the parts of an image reference as documented in RETURN.

    Raises AnsibleFilterError if value is not a reference.
    """
    try:
        reference = Reference.parse(value, default_tag=default_tag)
    except ReferenceInvalid as exc:
        raise AnsibleFilterError(exc.message) from exc
    named = reference.tag is not None or reference.digest is not None
    return {
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag,
        "digest": None if reference.digest is None else str(reference.digest),
        "reference": str(Selector(reference.tag, reference.digest)) if named else None,
        "canonical": str(reference),
        "familiar": reference.familiar,
    }


class FilterModule:
    """The filter plugin that ansible-core loads."""

    def filters(self) -> dict[str, Callable[..., dict[str, str | None]]]:
        """Return the filters by name."""
        return {"parse_reference": parse_reference}
