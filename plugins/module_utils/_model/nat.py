# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT of a network, and the elements that it is in the packet filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from . import net
from .errors import InputError
from .fields import Fields
from .policy import subnet_key
from .ruleset import Element, element

Span = tuple[net.Address, net.Address]
DEFAULT_PORTS = range(1024, 65536)


@dataclass(frozen=True)
class SourceNat:
    """Guests of ``subnets`` appear with the host's address on ``uplinks``, or on any interface where none is named.

    ``to_addresses``: instead with these addresses, first and last of one range for each family. ``to_ports``: with these of
    TCP and UDP; None where they are not asked for.
    """

    bridge: str
    subnets: tuple[net.Network, ...]
    uplinks: tuple[str, ...]
    to_addresses: tuple[Span, ...] = ()
    to_ports: Optional[range] = None
    autostart: bool = True

    @classmethod
    def parse(cls, entry: Fields, complete: bool = True) -> SourceNat:
        """An entry that is not ``complete`` only names a network that is to go."""
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            subnets=tuple(net.in_order(set(entry.each("subnets", net.subnet)))),
            uplinks=tuple(sorted(set(entry.each("uplinks", net.interface_name)))),
            to_addresses=_one_of_each_family(entry.each("to_addresses", net.ends), entry.place("to_addresses")),
            to_ports=entry.optional("to_ports", net.ports),
            autostart=entry.optional("autostart", net.boolean, True),
        )
        entry.nothing_else()
        if complete and not parsed.subnets:
            raise InputError(entry.place("subnets"), "is missing; it says which guests are translated")
        if complete:
            parsed.check(entry)
        return parsed

    def check(self, entry: Fields) -> None:
        for first, last in self.to_addresses:
            if not any(subnet.version == first.version for subnet in self.subnets):
                raise InputError(
                    entry.place("to_addresses"),
                    f"{first} is IPv{first.version}, and no IPv{first.version} subnet is translated",
                )
            if any(first in subnet or last in subnet for subnet in self.subnets):
                raise InputError(
                    entry.place("to_addresses"), f"{first} is a guest's; name an address of the host on an uplink"
                )
            if first.version == 6 and first != last:
                raise InputError(
                    entry.place("to_addresses"),
                    f"{first}-{last} is more than one IPv6 address; one is all that nft 1.0.6 can take",
                )
        if self.to_ports is not None and self.span(4) is None:
            raise InputError(
                entry.place("to_ports"),
                "needs an IPv4 address in to_addresses; a host's own address is masqueraded with 1024-65535",
            )
        if self.to_ports is not None and len(self.to_ports) < 2:
            raise InputError(
                entry.place("to_ports"), f"{net.port_range(self.to_ports)} is one port; give a range, like 2000-2999"
            )

    def span(self, family: int) -> Optional[Span]:
        return next((span for span in self.to_addresses if span[0].version == family), None)

    def elements(self, scope: str) -> list[Element]:
        mine = {"scope": scope, "bridge": self.bridge}
        result = []
        for subnet in self.subnets:
            family, key = subnet.version, subnet_key(subnet)
            span = self.span(family)
            translated = "vn_nat" if span else "vn_masqueraded"
            for uplink in self.uplinks:
                result.append(element(f"{translated}_uplinks{family}", self.bridge, uplink, key, **mine))
            if not self.uplinks:
                result.append(element(f"{translated}{family}", self.bridge, key, **mine))
            if span and family == 4:
                ports = net.port_range(self.to_ports or DEFAULT_PORTS)
                result.append(element("vn_snat4", self.bridge, key, value=f"{net.span(*span)} . {ports}", **mine))
                result.append(element("vn_snat_portless4", self.bridge, key, value=net.span(*span), **mine))
            elif span:
                result.append(element("vn_snat6", self.bridge, key, value=str(span[0]), **mine))
        return result


def from_elements(bridge: str, elements: Iterable[Element]) -> dict[str, object]:
    """The entry that has these elements: the inverse of ``SourceNat.elements``."""
    elements = list(elements)
    translated = [e for e in elements if e.set.startswith(("vn_nat", "vn_masqueraded"))]
    subnets = {net.subnet(e.parts[-1]) for e in translated}
    to_addresses = {net.ends(e.value) for e in elements if e.set in ("vn_snat_portless4", "vn_snat6")}
    ports = {e.value.split(" . ")[1] for e in elements if e.set == "vn_snat4"} - {net.port_range(DEFAULT_PORTS)}
    return {
        "bridge": bridge,
        "subnets": [str(subnet) for subnet in net.in_order(subnets)],
        "uplinks": sorted({e.parts[1] for e in translated if "_uplinks" in e.set}),
        "to_addresses": [
            str(first) if first == last else net.span(first, last)
            for first, last in sorted(to_addresses, key=lambda span: span[0].version)
        ],
        "to_ports": min(ports, default=None),
    }


def _one_of_each_family(spans: Iterable[Span], at: str) -> tuple[Span, ...]:
    """Joined to one range, as the packet filter takes it. Raises InputError where a gap is left."""
    joined: dict[int, Span] = {}
    for first, last in sorted(set(spans), key=lambda span: (span[0].version, span)):
        if first.is_unspecified or first.is_multicast or first.is_loopback:
            raise InputError(at, f"{first} cannot be the source of what leaves the host")
        before = joined.get(first.version)
        if before and int(first) > int(before[1]) + 1:
            raise InputError(at, f"{first} does not follow {before[1]}; the addresses of a family have to be one range")
        joined[first.version] = (before[0], max(before[1], last)) if before else (first, last)
    return tuple(joined.values())
