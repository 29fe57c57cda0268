# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may forward to whom."""

from __future__ import annotations

from .._backends.addresses import ADDRESSES, INTERFACES
from .._backends.packet_filter import FORWARDING, PACKET_FILTER
from .._model.fields import one_per_bridge
from .._model.policy import MODES, Policy, from_elements
from .._plan.filter import plan_filter, replaces_bridge, require_uplinks, show_networks
from .._runner import Subject

POLICIES = Subject(
    "policies",
    key="bridge",
    entry={
        "bridge": {"type": "str", "required": True},
        "subnets": {"type": "list", "elements": "str"},
        "mode": {"type": "str", "choices": list(MODES)},
        "ipv6_mode": {"type": "str", "choices": list(MODES)},
        "uplinks": {"type": "list", "elements": "str"},
        "host_services": {"type": "list", "elements": "str"},
        "peers": {"type": "list", "elements": "str"},
        "isolate_guests": {"type": "bool"},
        "autostart": {"type": "bool", "default": True},
    },
    backends=(PACKET_FILTER, FORWARDING, INTERFACES, ADDRESSES),
    parse=one_per_bridge(Policy.parse),
    plan=plan_filter("policies", replaces_bridge),
    show=show_networks("policies", from_elements),
    require=require_uplinks,
)
