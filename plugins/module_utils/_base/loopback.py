# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Tell by its text alone whether a host is this host, to which plain HTTP is safe.

Called by _registry/endpoint.py, _registry/auth/logins.py and _ratls/veraison/exchange.py.
"""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether a host, without brackets, is localhost or an address of the loopback interface.

    Other names of this host may be looked up in the DNS, so another host can have them.
    """
    host = host.rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


__all__ = ("is_loopback",)
