# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host that lead to guests."""

from __future__ import annotations

from .._backends.packet_filter import FORWARDING, PACKET_FILTER, parameters
from .._backends.sockets import SOCKETS
from .._model.fields import Fields
from .._model.port_forward import PortForward, refuse_conflicts
from .._model.socket import PROTOCOLS
from .._plan.core import Plan
from .._plan.filter import plan_filter, replaces_listener, require_targets, route_localnet, shadowed, show_forwards
from .._runner import Subject


def _parse(entries: list[Fields], _present: bool) -> list[PortForward]:
    forwards = [(entry.at, PortForward.parse(entry)) for entry in entries]
    refuse_conflicts(forwards)
    return [forward for _at, forward in forwards]


def _forget_flows(plan: Plan) -> None:
    # Here, because importing pyroute2 takes longer than all that a run with nothing to do does.
    from .._backends.conntrack import forget

    forget(plan)


PORT_FORWARDS = Subject(
    "port_forwards",
    key="listen",
    entry={
        "bridge": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": list(PROTOCOLS)},
        "address": {"type": "str"},
        "listen": {"type": "str", "required": True},
        "to_address": {"type": "str", "required": True},
        "to_port": {"type": "str"},
        "sources": {"type": "list", "elements": "str"},
        "loopback": {"type": "bool"},
        "autostart": {"type": "bool", "default": True},
    },
    backends=(PACKET_FILTER, FORWARDING, SOCKETS),
    looks_at=lambda request: [parameters(sorted({route_localnet(forward.bridge) for forward in request.entries}))],
    parse=_parse,
    plan=plan_filter("port_forwards", replaces_listener),
    show=show_forwards,
    require=require_targets,
    afterwards=_forget_flows,
    warnings=shadowed,
    needs_pyroute2=True,
)
