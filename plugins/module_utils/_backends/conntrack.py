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
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket
except ImportError:
    pass  # the runner has refused or respawned before anything here is called

from .._model import net
from .._model.errors import HostError
from .._model.port_forward import parts
from .._model.ruleset import Element
from .._plan.core import Plan

_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_FEW = 32  # listeners; below it the kernel filters one dump for each, above it one dump of all flows is cheaper


@dataclass(frozen=True)
class _Listener:
    """``target``: the address and port that a forward that is gone led to; None for a new one."""

    family: int
    protocol: int
    port: int
    address: Optional[str]
    source: Optional[net.Network]
    target: Optional[tuple[str, int]]


class _Flow(NamedTuple):
    """As conntrack knows it: where it came from and was sent to, and which address and port answer."""

    protocol: int
    source: str
    sport: int
    destination: str
    dport: int
    answers: tuple[str, int]


def forget(plan: Plan) -> None:
    """Drop the flows that the changed port forwards would have treated otherwise, and no others."""
    listeners = list(_listeners(plan))
    local = _local_addresses() if any(listener.target is None for listener in listeners) else set()
    for family in sorted({listener.family for listener in listeners}):
        by_port: dict[tuple[int, int], list[_Listener]] = {}
        for listener in listeners:
            if listener.family == family:
                by_port.setdefault((listener.protocol, listener.port), []).append(listener)
        with NFCTSocket(nfgen_family=_FAMILIES[family]) as flows:
            stale = [
                flow
                for flow in _flows(flows, list(by_port))
                if any(_concerns(flow, listener, local) for listener in by_port.get((flow.protocol, flow.dport), []))
            ]
            for flow in stale:
                _drop(flows, family, flow)


def _listeners(plan: Plan) -> Iterator[_Listener]:
    """Of the forwards that are gone; and of new ones for UDP, where a client that goes on sending keeps its old flow alive.

    A connection of another protocol that is there when a forward comes belongs to the host itself.
    """
    gone = [*plan.removed, *(old for old, _new in plan.changed)]
    come = [*plan.created, *(new for _old, new in plan.changed)]
    for element, is_gone in [*((e, True) for e in gone), *((e, False) for e in come)]:
        if not isinstance(element, Element) or element.module != "port_forwards":
            continue
        forward = parts(element)
        if is_gone or forward.protocol == "udp":
            yield _Listener(
                family=forward.family,
                protocol=_PROTOCOLS[forward.protocol],
                port=forward.port,
                address=forward.address,
                source=net.subnet(forward.source) if forward.source else None,
                target=(forward.to_address, forward.to_port) if is_gone else None,
            )


def _concerns(flow: _Flow, listener: _Listener, local: set[str]) -> bool:
    if listener.address not in (None, flow.destination):
        return False
    if listener.source is not None and net.address(flow.source) not in listener.source:
        return False
    was_sent = (flow.destination, flow.dport)
    if listener.target is not None:
        return flow.answers == listener.target != was_sent
    return flow.answers == was_sent and flow.destination in local


def _flows(flows: Any, ports: list[tuple[int, int]]) -> Iterator[_Flow]:
    few = len(ports) <= _FEW
    filters = [NFCTAttrTuple(proto=protocol, dport=port) for protocol, port in ports] if few else [None]
    for only in filters:
        for message in flows.dump(tuple_orig=only):
            original, reply = message.get_attr("CTA_TUPLE_ORIG"), message.get_attr("CTA_TUPLE_REPLY")
            protocol = original.get_attr("CTA_TUPLE_PROTO")
            if protocol.get_attr("CTA_PROTO_DST_PORT") is not None:
                yield _Flow(
                    protocol=protocol.get_attr("CTA_PROTO_NUM"),
                    source=_address(original, "SRC"),
                    sport=protocol.get_attr("CTA_PROTO_SRC_PORT"),
                    destination=_address(original, "DST"),
                    dport=protocol.get_attr("CTA_PROTO_DST_PORT"),
                    answers=(_address(reply, "SRC"), reply.get_attr("CTA_TUPLE_PROTO").get_attr("CTA_PROTO_SRC_PORT")),
                )


def _drop(flows: Any, family: int, flow: _Flow) -> None:
    ends = NFCTAttrTuple(_FAMILIES[family], flow.source, flow.destination, flow.protocol, flow.sport, flow.dport)
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
