# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT of networks."""

from __future__ import annotations

from .._backends.addresses import INTERFACES
from .._backends.packet_filter import FORWARDING, PACKET_FILTER
from .._model.fields import one_per_bridge
from .._model.nat import SourceNat, from_elements
from .._plan.filter import plan_filter, replaces_bridge, require_uplinks, show_networks
from .._runner import Subject

NAT = Subject(
    "nat",
    key="bridge",
    entry={
        "bridge": {"type": "str", "required": True},
        "subnets": {"type": "list", "elements": "str"},
        "uplinks": {"type": "list", "elements": "str"},
        "to_addresses": {"type": "list", "elements": "str"},
        "to_ports": {"type": "str"},
        "autostart": {"type": "bool", "default": True},
    },
    backends=(PACKET_FILTER, FORWARDING, INTERFACES),
    parse=one_per_bridge(SourceNat.parse),
    plan=plan_filter("nat", replaces_bridge),
    show=show_networks("nat", from_elements),
    require=require_uplinks,
)
