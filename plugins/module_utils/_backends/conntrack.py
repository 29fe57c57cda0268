# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection tracking: flows remember how they were translated, whatever the rules say by now (nf_conntrack_netlink).

A client that keeps sending to a port that has become a forward, or has ceased to be one, would never see the change.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket
except ImportError:
    IPRoute = None  # where the runner knew of forwards it has refused or respawned before anything here is called

from .._model.errors import HostError
from .._plan.core import Plan
from .._plan.flows import Flow, Forwards, changed_ports, is_stale

_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_FEW = 32  # ports; below it the kernel filters one dump for each, above it one dump of all flows is cheaper


def forget(plan: Plan) -> None:
    """Drop the flows that the changed port forwards would have treated otherwise, and no others."""
    ports = changed_ports(plan)
    if not ports:
        return
    if IPRoute is None:
        raise HostError(
            "pyroute2 is not installed, so connections that are open go on as before; its package is python3-pyroute2"
        )
    before, after = Forwards(plan.before, ports), Forwards(plan.after, ports)
    local = _local_addresses()
    for family in sorted({family for family, _protocol, _port in ports}):
        of_family = [(_PROTOCOLS[protocol], port) for other, protocol, port in ports if other == family]
        with NFCTSocket(nfgen_family=_FAMILIES[family]) as flows:
            stale = [flow for flow in _flows(flows, family, of_family) if is_stale(flow, before, after, local)]
            for flow in stale:
                _drop(flows, flow)


def _flows(flows: Any, family: int, ports: list[tuple[int, int]]) -> Iterator[Flow]:
    few = len(ports) <= _FEW
    filters = [NFCTAttrTuple(proto=protocol, dport=port) for protocol, port in ports] if few else [None]
    for only in filters:
        for message in flows.dump(tuple_orig=only):
            original, reply = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
            protocol = original.get_attr("CTA_TUPLE_PROTO")
            name = _NAMES.get(protocol.get_attr("CTA_PROTO_NUM"))
            if name:
                yield Flow(
                    family=family,
                    protocol=name,
                    source=_address(original, "SRC"),
                    sport=protocol.get_attr("CTA_PROTO_SRC_PORT"),
                    destination=_address(original, "DST"),
                    dport=protocol.get_attr("CTA_PROTO_DST_PORT"),
                    answers=(_address(reply, "SRC"), reply.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_SRC_PORT")),
                )


def _drop(flows: Any, flow: Flow) -> None:
    protocol = _PROTOCOLS[flow.protocol]
    ends = NFCTAttrTuple(_FAMILIES[flow.family], flow.source, flow.destination, protocol, flow.sport, flow.dport)
    try:
        flows.entry("del", tuple_orig=ends)
    except NetlinkError as error:
        if error.code != errno.ENOENT:  # it ended by itself
            raise HostError(f"the kernel refused to forget a flow: {os.strerror(error.code)}") from None


def _address(flow_tuple: Any, end: str) -> str:
    ip = flow_tuple.get_attr("CTA_TUPLE_IP")
    return ip.get_attr(f"CTA_IP_V4_{end}") or ip.get_attr(f"CTA_IP_V6_{end}")


def _local_addresses() -> set[str]:
    with IPRoute() as netlink:
        return {message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS") for message in netlink.get_addr()}
