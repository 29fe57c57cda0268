# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges, with their addresses and ports."""

from __future__ import annotations

from .._backends.links import LINKS
from .._model.fields import Fields, refuse_duplicates
from .._model.links import Bridge
from .._plan.links import plan_bridges, require_no_uplinks, show_links, with_bridges
from .._runner import Subject


def _parse(entries: list[Fields], _present: bool) -> list[Bridge]:
    bridges = [(entry.at, Bridge.parse(entry)) for entry in entries]
    refuse_duplicates((at, bridge.name, "the name") for at, bridge in bridges)
    refuse_duplicates((at, bridge.mac, "the MAC address") for at, bridge in bridges if bridge.mac)
    refuse_duplicates((at, port, "the port") for at, bridge in bridges for port in bridge.ports or ())
    return [bridge for _at, bridge in bridges]


BRIDGES = Subject(
    "bridges",
    key="name",
    entry={
        "name": {"type": "str", "required": True},
        "addresses": {"type": "list", "elements": "str"},
        "mac": {"type": "str"},
        "mtu": {"type": "int"},
        "stp": {"type": "bool"},
        "forward_delay": {"type": "int"},
        "ageing_time": {"type": "int"},
        "vlan_filtering": {"type": "bool"},
        "vlan_default_pvid": {"type": "int"},
        "multicast_snooping": {"type": "bool"},
        "ports": {"type": "list", "elements": "str"},
        "autostart": {"type": "bool", "default": True},
        "uplink": {"type": "str"},
    },
    backends=(LINKS,),
    parse=_parse,
    plan=plan_bridges,
    show=show_links(Bridge),
    require=require_no_uplinks,
    follows=with_bridges,
)
