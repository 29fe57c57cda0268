# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destination NAT: ports of the host that lead to guests, and the elements that they are in the packet filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from . import net
from .errors import InputError
from .fields import Fields
from .policy import subnet_key
from .ruleset import Element, element

PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True)
class PortForward:
    """``listen`` on ``address`` (None: every address of the host) leads to ``to_address``, ports in the same order from ``to_port``.

    ``sources`` are the only ones that get through; none: any.
    """

    bridge: str
    protocol: str
    address: Optional[net.Address]
    listen: range
    to_address: net.Address
    to_port: range
    sources: tuple[net.Network, ...]
    autostart: bool = True

    @classmethod
    def parse(cls, entry: Fields) -> PortForward:
        listen = entry.required("listen", net.ports)
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            protocol=entry.optional("protocol", net.choice(*PROTOCOLS), "tcp"),
            address=entry.optional("address", net.address),
            listen=listen,
            to_address=entry.required("to_address", net.address),
            to_port=entry.optional("to_port", net.ports, listen),
            sources=_widest(entry.each("sources", net.subnet)),
            autostart=entry.optional("autostart", net.boolean, True),
        )
        entry.nothing_else()
        parsed.check(entry)
        return parsed

    def check(self, entry: Fields) -> None:
        family = self.to_address.version
        if len(self.to_port) not in (1, len(self.listen)) or (
            len(self.to_port) == 1 and len(self.listen) > 1 and entry.given("to_port")
        ):
            raise InputError(
                entry.place("to_port"),
                f"{net.port_range(self.to_port)} does not fit {net.port_range(self.listen)}; ports lead to as many ports, in the same order",
            )
        if self.address is not None and self.address.version != family:
            raise InputError(
                entry.place("address"), f"{self.address} is not of the same family as the target {self.to_address}"
            )
        if self.address is not None and (self.address.is_unspecified or self.address.is_multicast):
            raise InputError(
                entry.place("address"), f"{self.address} is not one address; leave it out to listen on all"
            )
        if self.address is not None and self.address.is_loopback:
            raise InputError(
                entry.place("address"),
                f"{self.address} is a loopback address; name an address of the host on its network",
            )
        for index, source in enumerate(self.sources):
            if source.version != family:
                raise InputError(
                    f"{entry.place('sources')}[{index}]",
                    f"{source} is not of the same family as the target {self.to_address}",
                )
        if entry.given("sources") and not self.sources:
            raise InputError(
                entry.place("sources"), "is empty, so that nobody could connect; leave it out to let everybody"
            )

    def elements(self, scope: str) -> list[Element]:
        """One element for each port and source. A map cannot shift a range of ports, and a hash of single ports is the faster lookup."""
        name = (
            "vn_forwards"
            + ("_any" if self.address is None else "")
            + ("_from" if self.sources else "")
            + str(self.to_address.version)
        )
        address = [] if self.address is None else [str(self.address)]
        sources: list[list[str]] = [[subnet_key(source)] for source in self.sources] or [[]]
        return [
            element(
                name,
                *source,
                *address,
                self.protocol,
                port,
                value=f"{self.to_address} . {to_port}",
                scope=scope,
                bridge=self.bridge,
            )
            for port, to_port in zip(self.listen, self.to_port)
            for source in sources
        ]


def listener(e: Element) -> tuple[str, ...]:
    """What an element of a port forward listens on, whatever sources it lets through: family, and (address,) protocol, port."""
    return (e.set[-1], *(e.parts[1:] if "_from" in e.set else e.parts))


def refuse_conflicts(forwards: Iterable[tuple[str, PortForward]]) -> None:
    """Takes (place, forward). Raises InputError for two that would answer the same packet."""
    seen: dict[tuple[str, ...], list[tuple[str, Element]]] = {}
    for at, forward in forwards:
        for new in forward.elements("-"):
            others = seen.setdefault(listener(new), [])
            for other, old in others:
                if old.set == new.set and (not forward.sources or _source(new).overlaps(_source(old))):
                    what = f"{' '.join(new.parts)} (IPv{new.set[-1]})"
                    raise InputError(at, f"the listener {what} is already that of {other}")
            others.append((f"{at} with {' '.join(new.parts)}" if forward.sources else at, new))


def _source(e: Element) -> Any:
    return net.subnet(e.parts[0])


def _widest(sources: Iterable[net.Network]) -> tuple[net.Network, ...]:
    """Without those that are contained in another: the maps of nft take no overlaps."""
    sources = set(sources)
    inner = {s for s in sources for o in sources if s != o and s.version == o.version and s.subnet_of(o)}  # type: ignore[arg-type]
    return tuple(net.in_order(sources - inner))


def from_elements(elements: Iterable[Element]) -> list[dict[str, object]]:
    """One entry for each element."""
    result: list[dict[str, object]] = []
    for e in sorted(elements, key=lambda e: e.name):
        parts = list(e.parts)
        sources = [parts.pop(0)] if "_from" in e.set else []
        address = parts.pop(0) if "_any" not in e.set else None
        to_address, to_port = e.value.split(" . ")
        result.append(
            {
                "bridge": e.bridge,
                "protocol": parts[0],
                "address": address,
                "listen": parts[1],
                "to_address": to_address,
                "to_port": to_port,
                "sources": sources or None,
            }
        )
    return result
