# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugin oci_image_export: runs the module of this name and shows its progress."""

from __future__ import annotations

from ansible_collections.attested.registry.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The action plugin that ansible-core loads."""
