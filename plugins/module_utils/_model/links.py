# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges and taps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from . import net
from .fields import Fields
from .resource import Resource

DEFAULT_MTU = 1500
MARK = "vmnet:"
ADOPTED = " adopted"


def alias(scope: Optional[str], adopted: bool = False) -> str:
    """The interface alias that says whose a link is: ``vmnet:<scope>``."""
    return f"{MARK}{scope}{ADOPTED if adopted else ''}" if scope else ""


def owner(link_alias: str) -> tuple[Optional[str], bool]:
    """The inverse of ``alias``: (scope or None, adopted)."""
    if not link_alias.startswith(MARK):
        return None, False
    scope = link_alias[len(MARK) :]
    return (scope[: -len(ADOPTED)], True) if scope.endswith(ADOPTED) else (scope, False)


def stable_mac(machine_id: str, name: str) -> str:
    """A locally administered unicast MAC that is the same at every boot and on no other host."""
    digest = hashlib.sha256(f"{machine_id} {name}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])


@dataclass(frozen=True)
class Bridge(Resource):
    """A Linux bridge. None means "not asked for": in an entry only, never in a state.

    ``addresses`` and ``ports`` are those that we answer for; what others add is neither seen nor touched.
    Times are in seconds, ``mtu`` in bytes. ``ipv6``: whether the host itself speaks IPv6 on the bridge.
    """

    kind: ClassVar[str] = "bridge"

    scope: Optional[str] = None
    adopted: bool = False
    addresses: Optional[tuple[str, ...]] = None
    ports: Optional[tuple[str, ...]] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    stp: Optional[bool] = None
    forward_delay: Optional[int] = None
    ageing_time: Optional[int] = None
    multicast_snooping: Optional[bool] = None
    ipv6: Optional[bool] = None
    up: bool = True

    @classmethod
    def parse(cls, entry: Fields) -> Bridge:
        parsed = cls(
            name=entry.required("name", net.interface_name),
            addresses=_normal(entry, "addresses"),
            ports=tuple(sorted(set(entry.each("ports", net.interface_name)))) if entry.given("ports") else None,
            mac=entry.optional("mac", net.mac),
            mtu=entry.optional("mtu", net.mtu),
            stp=entry.optional("stp", net.boolean),
            forward_delay=entry.optional("forward_delay", lambda v: net.integer(v, 2, 30)),
            ageing_time=entry.optional("ageing_time", lambda v: net.integer(v, 0, 1_000_000)),
            multicast_snooping=entry.optional("multicast_snooping", net.boolean),
        )
        entry.nothing_else()
        return parsed

    def has_ipv6_address(self) -> bool:
        return any(":" in address for address in self.addresses or ())


def kernel_parameters(bridge: Bridge) -> dict[str, str]:
    """What makes the host a well-behaved station on a bridge of its own; set before the bridge is up.

    It speaks IPv6 only where it has an address, which is not probed for on a network that it defines itself; it listens to
    no router there; and it answers for no address that it has elsewhere (a bridge beside a NIC of the same LAN would).
    """
    ipv6, ipv4 = f"net/ipv6/conf/{bridge.name}", f"net/ipv4/conf/{bridge.name}"
    return {
        f"{ipv4}/arp_ignore": "1",
        f"{ipv6}/accept_dad": "0",
        f"{ipv6}/accept_ra": "0",
        f"{ipv6}/disable_ipv6": "0" if bridge.ipv6 else "1",
    }


def new_bridge(name: str, machine_id: str) -> Bridge:
    """What a bridge is where nothing was asked for. The times are the kernel's."""
    return Bridge(
        name=name,
        addresses=(),
        ports=(),
        mac=stable_mac(machine_id, name),
        mtu=DEFAULT_MTU,
        stp=False,
        forward_delay=15,
        ageing_time=300,
        multicast_snooping=True,
    )


@dataclass(frozen=True)
class Tap(Resource):
    """A persistent tap device. Owner and group are numbers in a state, names or numbers in an entry."""

    kind: ClassVar[str] = "tap"

    scope: Optional[str] = None
    adopted: bool = False
    bridge: Optional[str] = None
    owner: Any = None
    group: Any = None
    multi_queue: Optional[bool] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    isolated: Optional[bool] = None
    learning: Optional[bool] = None
    unicast_flood: Optional[bool] = None
    hairpin: Optional[bool] = None
    up: bool = True
    in_use: bool = field(default=False, compare=False)

    @classmethod
    def parse(cls, entry: Fields) -> Tap:
        parsed = cls(
            name=entry.required("name", net.interface_name),
            bridge=entry.optional("bridge", net.interface_name),
            owner=entry.optional("owner", net.text),
            group=entry.optional("group", net.text),
            multi_queue=entry.optional("multi_queue", net.boolean),
            mac=entry.optional("mac", net.mac),
            mtu=entry.optional("mtu", net.mtu),
            isolated=entry.optional("isolated", net.boolean),
            learning=entry.optional("learning", net.boolean),
            unicast_flood=entry.optional("unicast_flood", net.boolean),
            hairpin=entry.optional("hairpin", net.boolean),
        )
        entry.nothing_else()
        return parsed


@dataclass(frozen=True)
class OtherLink(Resource):
    """An interface that is neither: it may be asked to become a bridge's port, and its name is taken."""

    kind: ClassVar[str] = "link"

    type: str = ""
    master: Optional[str] = None
    scope: Optional[str] = None
    addresses: tuple[str, ...] = ()
    loopback: bool = False
    wireless: bool = False


def can_become(old: Tap, new: Tap) -> bool:
    """The kernel fixes the number of queues when the device is made, and can replace an owner or a group but not take it away."""
    taken_away = any(getattr(old, name) is not None and getattr(new, name) is None for name in ("owner", "group"))
    return old.multi_queue == new.multi_queue and not taken_away


def new_tap(name: str, mtu: int) -> Tap:
    return Tap(
        name=name,
        bridge=None,
        owner=None,
        group=None,
        multi_queue=False,
        mtu=mtu,
        isolated=False,
        learning=True,
        unicast_flood=True,
        hairpin=False,
    )


def _normal(entry: Fields, name: str) -> Optional[tuple[str, ...]]:
    if not entry.given(name):
        return None
    return tuple(str(address) for address in net.in_order(set(entry.each(name, net.host_address))))
