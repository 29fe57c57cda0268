# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplinks, and what a host has on an interface that moves with it: addresses, routes and rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Optional

from . import net
from .errors import InputError
from .fields import Fields
from .resource import Resource

CONFIRM_TIMEOUT = 60  # seconds


def confirm_timeout(value: Any) -> int:
    """Seconds. A new connection takes one or two, and a switch may take half a minute to let a port speak."""
    return net.integer(value, 5, 3600)


@dataclass(frozen=True)
class Touched:
    """A file of the network manager that we have changed or added; ``digest`` is that of the text that we wrote."""

    path: str
    digest: str
    added: bool

    def __str__(self) -> str:
        return f"{self.path} ({'added' if self.added else 'changed'})"


@dataclass(frozen=True)
class Uplink(Resource):
    """An interface that is a bridge's port, in an entry and as it is recorded.

    ``migrate``: what the host has on the interface moves to the bridge; without it there must be nothing. ``manager`` makes
    the bridge at boot; without one only we do. ``was``: the parameters of the kernel that change for a port, as they were.
    """

    kind: ClassVar[str] = "uplink"

    bridge: str = ""
    migrate: bool = field(default=True, compare=False)
    manager: Optional[str] = None
    touched: tuple[Touched, ...] = ()
    was: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        made_by = f" by {self.manager}" if self.manager else ""
        return [f"port of {self.bridge}{made_by}", *(f"file {touched}" for touched in self.touched)]

    @classmethod
    def parse(cls, entry: Fields, present: bool) -> Uplink:
        name = entry.required("name", net.interface_name)
        bridge = entry.required("bridge", net.interface_name) if present else entry.raw("bridge", "")
        parsed = cls(name=name, bridge=bridge, migrate=entry.optional("migrate", net.boolean, True))
        entry.nothing_else()
        if name == bridge:
            raise InputError(
                entry.place("bridge"), f"{name} is the interface itself; name the bridge that it is to join"
            )
        return parsed


@dataclass(frozen=True)
class Address:
    """An address on an interface; ``options`` are words for ``ip address``. Lifetimes are in seconds, None is for ever."""

    cidr: str
    options: tuple[str, ...] = ()
    label: str = ""  # what follows the interface's name in an IPv4 label
    valid: Optional[int] = field(default=None, compare=False)
    preferred: Optional[int] = field(default=None, compare=False)

    @property
    def ipv6(self) -> bool:
        return ":" in self.cidr

    def __str__(self) -> str:
        return " ".join((self.cidr, *self.options))


@dataclass(frozen=True)
class Managed:
    """Which network manager configures an interface, and from where.

    ``file`` is the manager's own description of it; ``client_id`` is what its DHCP client calls itself, in hexadecimal.
    """

    manager: str
    file: str = ""
    client_id: str = ""


@dataclass(frozen=True)
class Station(Resource):
    """A link as the host's own station on a network.

    ``bridge`` is the one that it is a port of. Routes and rules are texts for ``ip``, with the names of interfaces in them.
    ``link_local`` addresses and ``learned`` routes, which expire, move, too, but come and go by themselves: nobody is told.
    ``parameters`` are those of the kernel that are its own, by the part of their name behind the interface's.
    ``vlans`` are lines for ``bridge -batch``.
    """

    kind: ClassVar[str] = "station"

    bridge: Optional[str] = None
    addresses: tuple[Address, ...] = ()
    routes: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    link_local: tuple[Address, ...] = field(default=(), compare=False)
    learned: tuple[str, ...] = field(default=(), compare=False)
    managed: Optional[Managed] = field(default=None, compare=False)
    parameters: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    vlans: tuple[str, ...] = field(default=(), compare=False)
    mac: str = field(default="", compare=False)
    type: str = field(default="", compare=False)

    @property
    def is_station(self) -> bool:
        """Whether the host itself is on a network by it."""
        return bool(self.addresses or self.routes or self.rules)

    def lines(self) -> list[str]:
        return [
            *([f"port of {self.bridge}"] if self.bridge else []),
            *(f"address {address}" for address in self.addresses),
            *(f"route {route}" for route in self.routes),
            *(f"rule {rule}" for rule in self.rules),
        ]


def moved(interface: Station, to: Station) -> tuple[Station, Station]:
    """(interface, to) after everything that ``interface`` has as a station is on ``to``."""
    emptied = replace(interface, addresses=(), routes=(), rules=(), link_local=(), learned=())
    taken = replace(
        to,
        addresses=_united(to.addresses, interface.addresses),
        routes=_renamed_all(to.routes, interface.routes, interface.name, to.name),
        rules=_renamed_all(to.rules, interface.rules, interface.name, to.name),
        learned=_renamed_all(to.learned, interface.learned, interface.name, to.name),
        link_local=_united(to.link_local, interface.link_local),
    )
    return emptied, taken


def renamed(text: str, old: str, new: str) -> str:
    """A route or a rule with another interface in it."""
    words = text.split()
    return " ".join(
        new if word == old and index and words[index - 1] in ("dev", "iif", "oif") else word
        for index, word in enumerate(words)
    )


def _renamed_all(there: Iterable[str], texts: Iterable[str], old: str, new: str) -> tuple[str, ...]:
    return tuple(sorted({*there, *(renamed(text, old, new) for text in texts)}))


def _united(one: Iterable[Address], other: Iterable[Address]) -> tuple[Address, ...]:
    return tuple(sorted({a.cidr: a for a in (*one, *other)}.values(), key=lambda a: (a.ipv6, a.cidr)))
