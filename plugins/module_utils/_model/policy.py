# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may forward to whom: the policy of a network, and the elements that it is in the packet filter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import net
from .errors import InputError
from .fields import Fields
from .ruleset import Element, element

MODES = ("isolated", "nat", "routed", "open")
SERVICES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "dhcp": (("udp", 67), ("udp", 547)),
    "dns": (("udp", 53), ("tcp", 53)),
    "tftp": (("udp", 69),),
    "ntp": (("udp", 123),),
    "ssh": (("tcp", 22),),
    "icmp": (),
    "all": (),
}
DEFAULT_SERVICES = ("dhcp", "dns", "icmp")

# What happens to packets from a network and to it; an open network has no rule of its own.
_OUT = {"isolated": "goto to_nowhere", "nat": "jump to_uplinks_by_nat", "routed": "jump to_uplinks"}
_IN = {"isolated": "goto refuse", "nat": "goto from_forwards", "routed": "goto from_uplinks"}


@dataclass(frozen=True)
class Policy:
    """``subnets`` are the guests'; a family without one is isolated. No ``uplinks``: any interface that is not a network of ours."""

    bridge: str
    subnets: tuple[net.Network, ...]
    mode: str
    ipv6_mode: str
    uplinks: tuple[str, ...]
    host_services: tuple[str, ...]
    peers: tuple[str, ...]
    isolate_guests: bool
    autostart: bool = True

    @classmethod
    def parse(cls, entry: Fields, complete: bool = True) -> Policy:
        """An entry that is not ``complete`` only names a network that is to go."""
        mode = (
            entry.required("mode", net.choice(*MODES))
            if complete
            else entry.optional("mode", net.choice(*MODES), "isolated")
        )
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            subnets=tuple(net.in_order(set(entry.each("subnets", net.subnet)))),
            mode=mode,
            ipv6_mode=entry.optional("ipv6_mode", net.choice(*MODES), mode),
            uplinks=tuple(sorted(set(entry.each("uplinks", net.interface_name)))),
            host_services=tuple(sorted(set(entry.each("host_services", host_service, DEFAULT_SERVICES)))),
            peers=tuple(sorted(set(entry.each("peers", net.interface_name)))),
            isolate_guests=entry.optional("isolate_guests", net.boolean, False),
            autostart=entry.optional("autostart", net.boolean, True),
        )
        entry.nothing_else()
        if parsed.bridge in parsed.peers:
            raise InputError(
                entry.place("peers"),
                f"{parsed.bridge} is the network itself; guests of one network reach each other anyway",
            )
        if complete and "nat" in (parsed.mode, parsed.ipv6_mode) and not parsed.subnets:
            raise InputError(entry.place("subnets"), "is missing; behind NAT only guests of a known subnet may leave")
        return parsed

    def mode_of(self, family: int) -> str:
        """The mode for IPv4 or IPv6. Without a subnet there is nothing to let through, except in an open network."""
        mode = self.mode if family == 4 else self.ipv6_mode
        return mode if mode == "open" or self.subnets_of(family) else "isolated"

    def subnets_of(self, family: int) -> list[net.Network]:
        return [subnet for subnet in self.subnets if subnet.version == family]

    def elements(self, scope: str) -> list[Element]:
        """What this policy is in the packet filter."""
        keys: list[tuple[object, ...]] = [(name, self.bridge) for name in ("vn_bridges", "vn_from", "vn_to")]
        keys.append(("vn_self", self.bridge, self.bridge))
        keys += [("vn_apart", self.bridge)] if self.isolate_guests else []
        keys += [("vn_peers", self.bridge, peer) for peer in self.peers]
        keys += [("vn_uplinks", self.bridge, uplink) for uplink in self.uplinks] or [("vn_any_uplink", self.bridge)]
        if "all" not in self.host_services:
            keys.append(("vn_guarded", self.bridge))
            keys += [("vn_echo", self.bridge)] if "icmp" in self.host_services else []
            keys += [
                ("vn_services", self.bridge, *listener) for listener in sorted(set(_listeners(self.host_services)))
            ]
        elements = [element(*key, scope=scope, bridge=self.bridge) for key in keys]  # type: ignore[arg-type]
        for family in (4, 6):
            elements += self._elements_of(family, scope)
        return elements

    def _elements_of(self, family: int, scope: str) -> list[Element]:
        mine = {"scope": scope, "bridge": self.bridge}
        mode = self.mode_of(family)
        subnets = [subnet_key(subnet) for subnet in self.subnets_of(family)]
        result = [element(f"vn_sources{family}", self.bridge, subnet, **mine) for subnet in subnets]
        if mode == "open":
            return [*result, element(f"vn_open{family}", self.bridge, **mine)]
        result.append(element(f"vn_out{family}", self.bridge, value=_OUT[mode], **mine))
        result.append(element(f"vn_in{family}", self.bridge, value=_IN[mode], **mine))
        result += [element(f"vn_inside{family}", subnet, **mine) for subnet in subnets]
        if mode != "routed":
            result += [element(f"vn_closed{family}", subnet, **mine) for subnet in subnets]
        return result


def subnet_key(subnet: net.Network) -> str:
    """As nft lists it: a subnet of one address without its prefix length."""
    return str(subnet.network_address) if subnet.num_addresses == 1 else str(subnet)


def host_service(value: object) -> str:
    """A name of SERVICES, or ``<protocol>/<port>``."""
    text = net.text(value)
    protocol, slash, port = text.partition("/")
    if text in SERVICES:
        return text
    if slash and protocol in ("tcp", "udp", "sctp"):
        return f"{protocol}/{net.port(port)}"
    raise ValueError(f"{text!r} is not a service; {', '.join(SERVICES)}, or like tcp/8080")


def forwarding_families(elements: Iterable[Element]) -> set[int]:
    """The families for which some network is allowed to forward, and the host therefore has to."""
    found: set[int] = set()
    for e in elements:
        if e.set == "vn_peers":
            found.update((4, 6))
        elif e.set.startswith("vn_open") or e.value in (_OUT["nat"], _OUT["routed"]):
            found.add(int(e.set[-1]))
    return found


def from_elements(bridge: str, elements: Iterable[Element]) -> dict[str, object]:
    """The entry that has these elements: the inverse of ``elements``, as far as an entry can be told from them."""
    of: dict[str, list[Element]] = {}
    for e in elements:
        of.setdefault(e.set, []).append(e)
    services = {(e.parts[1], int(e.parts[2])) for e in of.get("vn_services", [])}
    names = {name for name, listeners in SERVICES.items() if listeners and services.issuperset(listeners)}
    rest = services.difference(*(SERVICES[name] for name in names)) if names else services
    subnets = [net.subnet(e.parts[1]) for e in of.get("vn_sources4", []) + of.get("vn_sources6", [])]
    return {
        "bridge": bridge,
        "subnets": [str(subnet) for subnet in net.in_order(subnets)],
        "mode": _mode(of, 4),
        "ipv6_mode": _mode(of, 6),
        "uplinks": sorted(e.parts[1] for e in of.get("vn_uplinks", [])),
        "host_services": sorted([*names, *(f"{p}/{n}" for p, n in rest), *(["icmp"] if "vn_echo" in of else [])])
        if "vn_guarded" in of
        else ["all"],
        "peers": sorted(e.parts[1] for e in of.get("vn_peers", [])),
        "isolate_guests": "vn_apart" in of,
    }


def _mode(of: Mapping[str, list[Element]], family: int) -> str:
    found = {e.value for e in of.get(f"vn_in{family}", [])}
    return next((mode for mode, verdict in _IN.items() if verdict in found), "open")


def _listeners(services: Iterable[str]) -> Iterable[tuple[str, int]]:
    for service in services:
        if service in SERVICES:
            yield from SERVICES[service]
        else:
            protocol, port = service.split("/")
            yield protocol, int(port)
