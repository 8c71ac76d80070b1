# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the state graphs of both TLS engines in Mermaid, which docs/architecture.md contains and the site draws.

PYTHONPATH=build python3 -m ansible_collections.attested.registry.tools.tls_states
"""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.attested.registry.plugins.module_utils._tls13.client import ClientEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.names import HandshakeType
from ansible_collections.attested.registry.plugins.module_utils._tls13.server import ServerEngine
from ansible_collections.attested.registry.plugins.module_utils._tls13.state import Trigger

if t.TYPE_CHECKING:
    from ansible_collections.attested.registry.plugins.module_utils._tls13.engine import Engine


def label(trigger: HandshakeType | Trigger) -> str:
    """Return the name of a message as RFC 8446 writes it, or that of a trigger."""
    return trigger.value if isinstance(trigger, Trigger) else trigger.name.title().replace("_", "")


def graph(engine: type[Engine]) -> str:
    """Return the graph of an engine's table as a Mermaid block."""
    starts = [state for state, dummy in engine.TABLE]
    ends = [state for dummy, following in engine.TABLE.values() for state in following]
    role = engine.__name__.removesuffix("Engine").lower()
    lines = ["```mermaid", "stateDiagram-v2", f"    accTitle: The states of the {role} of a TLS 1.3 connection"]
    lines += [f"    [*] --> {state.name}" for state in dict.fromkeys(starts) if state not in ends]
    for (state, trigger), (dummy, following) in engine.TABLE.items():
        lines += [f"    {state.name} --> {after.name}: {label(trigger)}" for after in following]
    lines += [f"    {state.name} --> [*]" for state in dict.fromkeys(ends) if state not in starts]
    return "\n".join([*lines, "```", ""])


def main() -> None:
    """Print both graphs."""
    for engine in (ClientEngine, ServerEngine):
        sys.stdout.write(f"{engine.__name__}:\n\n{graph(engine)}\n")


if __name__ == "__main__":
    main()
