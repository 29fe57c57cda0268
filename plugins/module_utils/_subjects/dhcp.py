# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP, DNS and router advertisements of networks."""

from __future__ import annotations

from .._backends.dhcp import DHCP_SERVERS
from .._backends.dnsmasq import require
from .._model.dhcp import CHECKSUM_FIXES, IPV6_MODES, DhcpNetwork
from .._model.fields import one_per_bridge
from .._plan.dhcp import plan_dhcp, show_dhcp
from .._runner import Subject

_NAMED = {"name": {"type": "str", "required": True}}
_STRINGS = {"type": "list", "elements": "str"}
_SERVICE = {
    "target": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "priority": {"type": "int"},
    "weight": {"type": "int"},
}
_RECORD = {
    **_NAMED,
    "addresses": _STRINGS,
    "cname": {"type": "str"},
    "txt": _STRINGS,
    "srv": {"type": "list", "elements": "dict", "options": _SERVICE},
}
_DNS = {
    "enabled": {"type": "bool"},
    "domain": {"type": "str"},
    "forward": {"type": "bool"},
    "forwarders": _STRINGS,
    "domain_forwarders": {"type": "dict"},
    "rebind_protection": {"type": "bool"},
    "records": {"type": "list", "elements": "dict", "options": _RECORD},
}
_RESERVATION = {
    **_NAMED,
    "mac": {"type": "str"},
    "client_id": {"type": "str"},
    "duid": {"type": "str"},
    "addresses": _STRINGS,
    "options": {"type": "dict"},
}
_ROUTE = {"to": {"type": "str", "required": True}, "via": {"type": "str", "required": True}}
_BOOT = {
    "file": {"type": "str"},
    "files": {"type": "dict"},
    "server": {"type": "str"},
    "tftp_root": {"type": "path"},
}
_NETWORK = {
    "bridge": {"type": "str", "required": True},
    "addresses": _STRINGS,
    "ranges": _STRINGS,
    "lease_time": {"type": "str"},
    "reservations": {"type": "list", "elements": "dict", "options": _RESERVATION},
    "known_only": {"type": "bool"},
    "autostart": {"type": "bool", "default": True},
    "lease_limit": {"type": "int"},
    "authoritative": {"type": "bool"},
    "rapid_commit": {"type": "bool"},
    "ping_check": {"type": "bool"},
    "options": {"type": "dict"},
    "forced_options": {"type": "dict"},
    "routes": {"type": "list", "elements": "dict", "options": _ROUTE},
    "mtu": {"type": "int"},
    "router": {"type": "bool"},
    "ipv6": {"type": "str", "choices": list(IPV6_MODES)},
    "boot": {"type": "dict", "options": _BOOT},
    "checksum_fix": {"type": "str", "choices": list(CHECKSUM_FIXES)},
    "dns": {"type": "dict", "options": _DNS},
}

DHCP = Subject(
    "dhcp",
    key="bridge",
    entry=_NETWORK,
    backends=(DHCP_SERVERS,),
    parse=one_per_bridge(DhcpNetwork.parse),
    plan=plan_dhcp,
    show=show_dhcp,
    require=require,
)
