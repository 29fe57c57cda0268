# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network needs of the host's other firewalls: the packets that must get through, and the rules that let them.

Such a rule never opens anything by itself: our own table decides about the same packets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Optional

from . import net, policy
from .fields import Fields
from .foreign import Packet
from .mark import MARK
from .resource import Resource

MODES = (*policy.MODES, "bridged")
HOW = ("auto", "report", "off")

IPTABLES = {4: "iptables", 6: "ip6tables"}
_OUTSIDE = {4: "198.51.100.1", 6: "2001:db8:ffff:ffff::1"}
_DHCP = {
    67: {"source": "0.0.0.0", "destination": "255.255.255.255", "source_port": 68, "destination_type": "broadcast"},
    547: {"source": "fe80::1", "destination": "ff02::1:2", "source_port": 546, "destination_type": "multicast"},
}


@dataclass(frozen=True)
class Grant(Resource):
    """A rule of ours in a place that another firewall reserves: ``name`` is the place and the rule.

    ``docker iptables -i vmnet8 -j ACCEPT`` is in the chain DOCKER-USER, ``ufw route allow in on vmnet8`` among ufw's own.
    """

    kind: ClassVar[str] = "grant"

    scope: str
    bridge: str

    @property
    def title(self) -> str:
        return f"{self.name.split()[1]} chain DOCKER-USER" if self.tool == "docker" else self.tool

    @property
    def tool(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def rule(self) -> str:
        return self.name.split(" ", 2 if self.tool == "docker" else 1)[-1]

    @property
    def mark(self) -> str:
        return f"{MARK}{self.scope}/{self.bridge}"

    def lines(self) -> list[str]:
        return [self.rule if self.tool == "docker" else f"{self.rule} comment {self.mark}"]


@dataclass(frozen=True)
class Network:
    """``forwards``: whether ports of the host lead to its guests. The other fields are those of its policy."""

    bridge: str
    mode: str
    ipv6_mode: str
    subnets: tuple[net.Network, ...]
    uplinks: tuple[str, ...]
    host_services: tuple[str, ...]
    peers: tuple[str, ...]
    forwards: bool

    @classmethod
    def parse(cls, entry: Fields, complete: bool = True) -> Network:
        """An entry that is not ``complete`` only names a network that is to go."""
        choice = net.choice(*MODES)
        mode = entry.required("mode", choice) if complete else entry.optional("mode", choice, "isolated")
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            mode=mode,
            ipv6_mode=entry.optional("ipv6_mode", choice, mode),
            subnets=tuple(net.in_order(set(entry.each("subnets", net.subnet)))),
            uplinks=entry.each("uplinks", net.interface_name),
            host_services=entry.each("host_services", policy.host_service),
            peers=entry.each("peers", net.interface_name),
            forwards=entry.optional("forwards", net.boolean, False),
        )
        entry.nothing_else()
        return parsed

    def mode_of(self, family: int) -> str:
        mode = self.mode if family == 4 else self.ipv6_mode
        return mode if mode in ("open", "bridged") or self._subnet(family) else "isolated"

    def uses(self, family: int) -> bool:
        """Whether there is anything of this family to let through."""
        return bool(self._subnet(family)) or self.mode_of(family) in ("open", "bridged")

    @property
    def is_routed(self) -> bool:
        """Whether somebody outside may begin a flow to a guest's own address."""
        return any(self.mode_of(family) in ("routed", "open") for family in (4, 6))

    def packets(self, uplinks: dict[int, Optional[str]], bridge_netfilter: bool) -> Iterator[Packet]:
        """Those that must get through. Without a known uplink it is one that no rule names."""
        for family in (4, 6):
            mode, subnet = self.mode_of(family), self._subnet(family)
            guest = str(
                subnet[-2] if subnet and subnet.num_addresses > 2 else subnet[0] if subnet else _OUTSIDE[family]
            )
            uplink = self.uplinks[0] if self.uplinks else uplinks.get(family) or "?"
            if bridge_netfilter and self.uses(family):
                yield Packet(
                    f"what guests of {self.bridge} send each other (br_netfilter is on)",
                    family, "forward", self.bridge, self.bridge, "tcp", guest, guest,
                )  # fmt: skip
            if mode in ("nat", "routed", "open"):
                there = (family, "forward", self.bridge, uplink, "tcp", guest, _OUTSIDE[family])
                back = (family, "forward", uplink, self.bridge, "tcp", _OUTSIDE[family], guest)
                yield Packet(f"what guests of {self.bridge} send out", *there)
                yield Packet(f"answers to guests of {self.bridge}", *back, established=True)
                if mode != "nat":
                    yield Packet(f"what is routed to guests of {self.bridge}", *back)
                if self.forwards:
                    yield Packet(f"what is forwarded to guests of {self.bridge}", *back, translated=True)
            if subnet:
                yield from self._to_host(family, guest, str(subnet[1] if subnet.num_addresses > 1 else subnet[0]))

    def rules(self, family: int) -> list[str]:
        """What iptables of a family has to accept, as it prints them itself."""
        mode, bridge = self.mode_of(family), self.bridge
        state = "-m conntrack --ctstate RELATED,ESTABLISHED"
        if mode in ("isolated", "bridged"):
            to_peers = [rule for p in self.peers for rule in (f"-i {bridge} -o {p}", f"-i {p} -o {bridge} {state}")]
            return [f"-i {bridge} -o {bridge}", *to_peers]
        if mode == "nat":
            return [f"-i {bridge}", f"-o {bridge} {state}{',DNAT' if self.forwards else ''}"]
        return [f"-i {bridge}", f"-o {bridge}"]

    def docker(self, family: int, scope: str) -> list[Grant]:
        mark = f'-m comment --comment "{MARK}{scope}/{self.bridge}" -j ACCEPT'
        return [Grant(f"docker {IPTABLES[family]} {rule} {mark}", scope, self.bridge) for rule in self.rules(family)]

    def ufw(self, scope: str) -> list[Grant]:
        """ufw speaks of both families at once."""
        bridge, modes = self.bridge, {self.mode_of(4), self.mode_of(6)}
        rules = [] if self.mode == "bridged" else [f"allow in on {bridge}"]
        if modes <= {"isolated", "bridged"}:
            rules += [f"route allow in on {bridge} out on {other}" for other in (bridge, *self.peers)]
        else:
            rules += [f"route allow in on {bridge}"]
        rules += [f"route allow out on {bridge}"] if self.is_routed or self.forwards else []
        return [Grant(f"ufw {rule}", scope, bridge) for rule in rules]

    def _subnet(self, family: int) -> Optional[net.Network]:
        return next((subnet for subnet in self.subnets if subnet.version == family), None)

    def _to_host(self, family: int, guest: str, host: str) -> Iterator[Packet]:
        for service in self.host_services:
            for protocol, port in _listeners(service):
                if port in _DHCP and (port == 67) != (family == 4):
                    continue
                about = f"what guests of {self.bridge} ask the host at {protocol}/{port}"
                plain = {"source": guest, "destination": host, "destination_type": "local"}
                yield Packet(
                    about, family, "input", self.bridge, "", protocol, port=port,
                    **{**plain, **_DHCP.get(port, {})},  # type: ignore[arg-type]
                )  # fmt: skip


def _listeners(service: str) -> Iterable[tuple[str, int]]:
    if service in policy.SERVICES:
        return policy.SERVICES[service]
    protocol, port = service.split("/")
    return ((protocol, int(port)),)


def firewalld_name(scope: str, suffix: str = "") -> str:
    """Of a zone or policy: at most 17 characters, and no two of the same name."""
    name = f"vmnet-{scope}{suffix}"
    return name if len(name) <= 17 else f"vmnet-{hashlib.sha256(scope.encode()).hexdigest()[:8]}{suffix}"
