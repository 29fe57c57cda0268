# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection tracking: flows remember how they were translated, whatever the rules say by now (nf_conntrack_netlink).

A client that keeps sending to a port that has become a forward, or has ceased to be one, would never see the change.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket
except ImportError:
    pass  # the runner has refused or respawned before anything here is called

from .._model.port_forward import from_elements
from .._model.ruleset import Element
from .._plan.core import Plan

_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_FEW = 32  # listeners; below it the kernel filters one dump for each, above it one dump of all flows is cheaper


@dataclass(frozen=True)
class _Listener:
    """``target`` is what a forward that is gone led to; None for a new one."""

    family: int
    protocol: int
    port: int
    address: Optional[str]
    target: Optional[str]


def forget(plan: Plan) -> None:
    """Drop the flows that the changed port forwards would have treated otherwise, and no others."""
    listeners = list(_listeners(plan))
    if not listeners:
        return
    local = _local_addresses() if any(listener.target is None for listener in listeners) else set()
    wanted: dict[tuple[int, int], list[_Listener]] = {}
    for family in {listener.family for listener in listeners}:
        wanted.clear()
        for listener in listeners:
            if listener.family == family:
                wanted.setdefault((listener.protocol, listener.port), []).append(listener)
        with NFCTSocket(nfgen_family=_FAMILIES[family]) as flows:
            stale = [
                flow
                for flow in _flows(flows, list(wanted))
                if any(_concerns(flow, w, local) for w in wanted.get(flow[:2], []))
            ]
            for flow in stale:
                _drop(flows, family, flow)


# A flow: protocol, original destination port, source port, source, destination, and the address that answers.
_Flow = tuple[int, int, int, str, str, str]


def _listeners(plan: Plan) -> Iterator[_Listener]:
    gone = [*plan.removed, *(old for old, _new in plan.changed)]
    for element, target in [*((e, True) for e in gone), *((e, False) for e in plan.created)]:
        if isinstance(element, Element) and element.module == "port_forwards":
            entry: Any = from_elements([element])[0]
            family = int(element.set[-1])
            to_address = entry["to_address"] if target else None
            yield _Listener(family, _PROTOCOLS[entry["protocol"]], int(entry["listen"]), entry["address"], to_address)


def _concerns(flow: _Flow, listener: _Listener, local: set[str]) -> bool:
    destination, answers = flow[4], flow[5]
    if listener.address not in (None, destination):
        return False
    if listener.target is not None:
        return answers == listener.target
    return answers == destination and destination in local


def _flows(flows: Any, ports: list[tuple[int, int]]) -> Iterator[_Flow]:
    filters = [NFCTAttrTuple(proto=protocol, dport=port) for protocol, port in ports] if len(ports) <= _FEW else [None]
    for only in filters:
        for message in flows.dump(tuple_orig=only):
            original, reply = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
            protocol = original.get_attr("CTA_TUPLE_PROTO")
            if protocol.get_attr("CTA_PROTO_DST_PORT") is not None:
                yield (
                    protocol.get_attr("CTA_PROTO_NUM"),
                    protocol.get_attr("CTA_PROTO_DST_PORT"),
                    protocol.get_attr("CTA_PROTO_SRC_PORT"),
                    _address(original, "SRC"),
                    _address(original, "DST"),
                    _address(reply, "SRC"),
                )


def _drop(flows: Any, family: int, flow: _Flow) -> None:
    protocol, dport, sport, source, destination, _answers = flow
    try:
        flows.entry("del", tuple_orig=NFCTAttrTuple(_FAMILIES[family], source, destination, protocol, sport, dport))
    except NetlinkError as error:
        if error.code != errno.ENOENT:  # it ended by itself
            raise


def _address(flow_tuple: Any, end: str) -> str:
    ip = flow_tuple.get_attr("CTA_TUPLE_IP")
    return ip.get_attr(f"CTA_IP_V4_{end}") or ip.get_attr(f"CTA_IP_V6_{end}")


def _local_addresses() -> set[str]:
    with IPRoute() as netlink:
        return {message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS") for message in netlink.get_addr()}
