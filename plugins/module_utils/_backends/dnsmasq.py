# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq: whether it is there, takes a configuration and could have its ports, and what its instances have read."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import replace

from .._model import layout
from .._model.dhcp import Daemon, DhcpNetwork, fingerprint
from .._model.errors import HostError
from .._model.links import ChecksumFix
from .._model.net import Address
from .._model.resource import File, Resource, State, Unit
from .._plan.core import Plan, Request
from .._render import dnsmasq
from .._render.dnsmasq import NAMES, Files
from . import files, sockets, tc
from .command import find, run_side_by_side

_DNS, _DHCP, _DHCPV6, _TFTP = 53, 67, 547, 69
_ANY = {4: ipaddress.ip_address("0.0.0.0"), 6: ipaddress.ip_address("::")}


def require(request: Request, plan: Plan, state: State) -> None:
    """Raises HostError if dnsmasq is missing, or would not start with what is planned, or the kernel lacks something for it."""
    texts = {r.name: r.text for r in plan.after.values() if isinstance(r, File)}
    of_network = {bridge: Files(*(texts.get(path, "") for path in dnsmasq.paths(bridge))) for bridge in _touched(plan)}
    if request.present or of_network:
        program = find("dnsmasq", "dnsmasq-base")
        inputs = [dnsmasq.for_test(own) for own in of_network.values()]
        results = run_side_by_side([program, "--test", "--conf-file=-"], inputs)
        for bridge, tested in zip(of_network, results):
            if tested.returncode != 0:
                raise HostError(f"{request.at(bridge)}: dnsmasq refuses: {tested.stderr.strip()}")
    going = {_pid(bridge) for bridge in _stopped(plan)}
    for bridge in _started(plan):
        network = dnsmasq.parse(bridge, of_network[bridge]) if bridge in of_network else None
        if network:
            _require_directory(request, network)
            _require_ports(request, network, going)
    tc.require(request, plan.only(ChecksumFix.kind), state)


def _touched(plan: Plan) -> list[str]:
    """The networks of which a file is written."""
    changed = [new.name for _old, new in plan.only(File.kind).pairs() if isinstance(new, File)]
    paths = [path for path in changed if path.startswith(f"{layout.DHCP}/")]
    return list(dict.fromkeys(os.path.basename(os.path.dirname(path)) for path in paths))


def _started(plan: Plan) -> list[str]:
    """The networks of which the server is started, or stopped and started again."""
    found = []
    for old, new in plan.only(Unit.kind, Daemon.kind).pairs():
        if isinstance(new, (Unit, Daemon)) and getattr(old, "started_with", None) != new.started_with:
            found.append(_network_of(new))
    return [bridge for bridge in found if bridge]


def _stopped(plan: Plan) -> list[str]:
    """The networks of which the server goes. It is stopped before another one is started."""
    found = map(_network_of, plan.only(Unit.kind, Daemon.kind).removed)
    return [bridge for bridge in found if bridge]


def _network_of(server: Resource) -> str:
    return server.name if isinstance(server, Daemon) else layout.dhcp_network(server.name)


def _pid(bridge: str) -> str:
    return files.read_foreign(f"{layout.DHCP_LOADED}/{bridge}/pid").strip()


def _require_directory(request: Request, network: DhcpNetwork) -> None:
    root = network.boot.tftp_root if network.boot else None
    if root and not os.path.isdir(root):
        raise HostError(f"{request.at(network.bridge)}.boot.tftp_root: there is no directory {root} on this host")


def _require_ports(request: Request, network: DhcpNetwork, going: set[str]) -> None:
    """``going``: the processes that have stopped by then."""
    leave = tuple(f" (pid {pid})" for pid in {_pid(network.bridge), *going})
    for protocol, address, port, shared in _sockets(network):
        if not sockets.is_taken(protocol, address, port, shared):
            continue
        holders = {found.process for found in sockets.read() if found.listens_on(protocol, address, port)}
        others = sorted(process for process in holders if not process.endswith(leave))
        if holders and not others:
            continue
        who = " and ".join(others)
        raise HostError(
            f"{request.at(network.bridge)}: {protocol} port {port} of {'all addresses' if address.is_unspecified else address} "
            f"is taken by {who or 'a process that cannot be seen from here'}; let that leave the address free"
        )


def _sockets(network: DhcpNetwork) -> Iterator[tuple[str, Address, int, bool]]:
    """(protocol, address, port, whether it is shared) of what dnsmasq is going to bind. Its DHCP sockets are shared by all."""
    addresses = [own.ip for own in network.addresses]
    if network.dns.enabled:
        yield from ((protocol, address, _DNS, False) for protocol in ("tcp", "udp") for address in addresses)
    if network.gateway(4):
        yield ("udp", _ANY[4], _DHCP, True)
    if network.ipv6 == "stateful":
        yield ("udp", _ANY[6], _DHCPV6, True)
    if network.boot and network.boot.tftp_root:
        yield from (("udp", address, _TFTP, False) for address in addresses)


def with_loaded(unit: Unit) -> Unit:
    """The unit with what its process has read: the copies that it made of its files when it started or reloaded."""
    bridge = layout.dhcp_network(unit.name)
    if not unit.active or not bridge:
        return unit
    started_with, reloaded_with = (
        fingerprint(*(files.read_foreign(f"{layout.DHCP_LOADED}/{bridge}/{name}") for name in names))
        for names in ((layout.DHCP_SERVICE, NAMES.conf), NAMES.live)
    )
    return replace(unit, started_with=started_with, reloaded_with=reloaded_with)
