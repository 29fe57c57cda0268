# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destination NAT: ports of the host that lead to guests, and the elements that they are in the packet filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from . import net
from .errors import InputError
from .fields import Fields
from .policy import subnet_key
from .ruleset import Element, element
from .socket import PROTOCOLS, Socket

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class PortForward:
    """``listen`` on ``address`` (None: every address of the host) leads to ``to_address``, ports in the same order from ``to_port``.

    ``sources`` are the only ones that get through; none: any. ``loopback``: the host's own 127.0.0.1 leads there too.
    """

    bridge: str
    protocol: str
    address: Optional[net.Address]
    listen: range
    to_address: net.Address
    to_port: range
    sources: tuple[net.Network, ...]
    loopback: bool = False
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
            loopback=entry.optional("loopback", net.boolean, False),
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
                f"{self.address} is a loopback address; name an address of the host on its network, or set loopback",
            )
        if self.loopback and family == 6:
            raise InputError(
                entry.place("loopback"),
                f"{self.to_address} is IPv6; the kernel takes no answer to ::1 from another interface",
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
        to_address = str(self.to_address)
        keys = [(name, [*source, *address]) for source in sources]
        if self.loopback:
            keys.append(("vn_forwards4", [LOOPBACK]))
        return [
            element(
                set_name,
                *key,
                self.protocol,
                port,
                value=f"{to_address} . {to_port}",
                scope=scope,
                bridge=self.bridge,
            )
            for port, to_port in zip(self.listen, self.to_port)
            for set_name, key in keys
        ]


class Parts(NamedTuple):
    """What an element of a port forward says."""

    family: int
    source: Optional[str]
    address: Optional[str]
    protocol: str
    port: int
    to_address: str
    to_port: int

    @property
    def is_loopback(self) -> bool:
        return self.address == LOOPBACK

    def takes_from(self, socket: Socket) -> bool:
        """Whether packets that the socket gets now would go to the guest."""
        if (socket.protocol, socket.port) != (self.protocol, self.port):
            return False
        if socket.families:
            return self.family in socket.families
        own = net.address(socket.address)
        if own.version != self.family:
            return False
        return self.address == str(own) or (self.address is None and not own.is_loopback)


def parts(e: Element) -> Parts:
    key = list(e.parts)
    source = key.pop(0) if "_from" in e.set else None
    address = key.pop(0) if "_any" not in e.set else None
    to_address, to_port = e.value.split(" . ")
    return Parts(int(e.set[-1]), source, address, key[0], int(key[1]), to_address, int(to_port))


def listener(e: Element) -> tuple[str, ...]:
    """What an element of a port forward listens on, whatever sources it lets through: family, and (address,) protocol, port."""
    return (e.set[-1], *(e.parts[1:] if "_from" in e.set else e.parts))


def from_loopback(elements: Iterable[Element]) -> set[str]:
    """The bridges that the host's 127.0.0.1 leads to."""
    loopback = f"vn_forwards4 {LOOPBACK} "
    return {e.bridge for e in elements if e.name.startswith(loopback)}


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
    """One entry for each element, those of loopback addresses aside: they are a field of the first of the others."""
    told = [(e, parts(e)) for e in sorted(elements, key=lambda e: e.name)]
    on_loopback = {(p.family, p.protocol, p.port, e.value) for e, p in told if p.is_loopback}
    result: list[dict[str, object]] = []
    for e, p in told:
        listens = (p.family, p.protocol, p.port, e.value)
        if p.is_loopback:
            continue
        result.append(
            {
                "bridge": e.bridge,
                "protocol": p.protocol,
                "address": p.address,
                "listen": str(p.port),
                "to_address": p.to_address,
                "to_port": str(p.to_port),
                "sources": [p.source] if p.source else None,
                "loopback": listens in on_loopback,
            }
        )
        on_loopback.discard(listens)
    return result
