# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what is never written: forwarding databases, routes through bridges, and flows."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any, Optional

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket
except ImportError:
    pass  # the module has refused or respawned before anything here is called

from .._model.observation import End, Flow, Route, Station

_LOCAL, _STATIC = (
    0x80,
    0x40,
)  # NUD_PERMANENT and NUD_NOARP, which a bridge uses for its own addresses and for given ones
_BY_KERNEL = 2  # RTPROT_KERNEL: the route of an address
_UNICAST = 1  # RTN_UNICAST
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


def stations() -> list[Station]:
    """What the bridges of the host have learned or were told. Their ports' own addresses are left out."""
    with IPRoute() as netlink:
        names = _names(netlink)
        found = []
        for entry in netlink.get_neighbours(family=socket.AF_BRIDGE):
            bridge = names.get(entry.get_attr("NDA_MASTER"))
            port = names.get(entry["ifindex"])
            if bridge and port and not entry["state"] & _LOCAL:
                mac, vlan = entry.get_attr("NDA_LLADDR"), entry.get_attr("NDA_VLAN")
                found.append(Station(bridge, port, mac, vlan, bool(entry["state"] & _STATIC)))
        return found


def routes(bridges: Iterable[str]) -> list[Route]:
    """The routes through these bridges that somebody made."""
    with IPRoute() as netlink:
        names = _names(netlink)
        wanted = set(bridges)
        return [
            _route(message, names[message.get_attr("RTA_OIF")])
            for message in netlink.get_routes()
            if names.get(message.get_attr("RTA_OIF")) in wanted
            and message["proto"] != _BY_KERNEL
            and message["type"] == _UNICAST
        ]


def _route(message: Any, bridge: str) -> Route:
    anything = "0.0.0.0" if message["family"] == socket.AF_INET else "::"
    return Route(
        bridge=bridge,
        destination=f"{message.get_attr('RTA_DST') or anything}/{message['dst_len']}",
        via=message.get_attr("RTA_GATEWAY"),
        table=message.get_attr("RTA_TABLE"),
        metric=message.get_attr("RTA_PRIORITY"),
    )


def flows() -> list[Flow]:
    """Every flow that conntrack knows, both families; none where the kernel does not track."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        with NFCTSocket(nfgen_family=family) as conntrack:
            found += [_flow(message) for message in conntrack.dump()]
    return found


def _flow(message: Any) -> Flow:
    original, reply = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
    number = original.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_NUM")
    return Flow(
        protocol=_PROTOCOLS.get(number, str(number)),
        source=_end(original, "SRC"),
        destination=_end(original, "DST"),
        replier=_end(reply, "SRC"),
        receiver=_end(reply, "DST"),
    )


def _end(flow_tuple: Any, side: str) -> End:
    ip, protocol = flow_tuple.get_attr("CTA_TUPLE_IP"), flow_tuple.get_attr("CTA_TUPLE_PROTO")
    address: str = ip.get_attr(f"CTA_IP_V4_{side}") or ip.get_attr(f"CTA_IP_V6_{side}")
    port: Optional[int] = protocol.get_attr(f"CTA_PROTO_{side}_PORT")
    return End(address, port)


def _names(netlink: Any) -> dict[int, str]:
    return {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
