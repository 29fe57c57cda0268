# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges and taps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from . import net
from .errors import InputError
from .fields import Fields
from .resource import Resource

DEFAULT_MTU = 1500
DEFAULT_PVID = 1
MAX_PORTS = 1023  # of a bridge; BR_MAX_PORTS in the kernel's net/bridge/br_private.h
MAX_ALIAS = 255  # bytes; IFALIASZ in linux/if.h


def stable_mac(machine_id: str, name: str) -> str:
    """A locally administered unicast MAC that is the same at every boot and on no other host."""
    digest = hashlib.sha256(f"{machine_id} {name}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in bytes([digest[0] & 0xFC | 0x02]) + digest[1:6])


@dataclass(frozen=True)
class Bridge(Resource):
    """A Linux bridge. None means "not asked for": in an entry only, never in a state.

    ``addresses`` and ``ports`` are those that we answer for; what others add is neither seen nor touched.
    Times are in seconds, ``mtu`` in bytes. ``ipv6``: whether the host itself speaks IPv6 on the bridge. ``uplink``: an
    interface that the bridge stands in for; who moves that into it decides what the host is on the bridge.
    """

    kind: ClassVar[str] = "bridge"

    scope: Optional[str] = None
    adopted: bool = False
    label: str = field(default="", compare=False)
    autostart: bool = field(default=True, compare=False)
    addresses: Optional[tuple[str, ...]] = None
    ports: Optional[tuple[str, ...]] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    stp: Optional[bool] = None
    forward_delay: Optional[int] = None
    ageing_time: Optional[int] = None
    vlan_filtering: Optional[bool] = None
    vlan_default_pvid: Optional[int] = None
    multicast_snooping: Optional[bool] = None
    ipv6: Optional[bool] = None
    uplink: Optional[str] = field(default=None, compare=False)
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
            vlan_filtering=entry.optional("vlan_filtering", net.boolean),
            vlan_default_pvid=entry.optional("vlan_default_pvid", lambda v: net.integer(v, 0, 4094)),
            multicast_snooping=entry.optional("multicast_snooping", net.boolean),
            autostart=entry.optional("autostart", net.boolean, True),
            uplink=entry.optional("uplink", net.interface_name),
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
        vlan_filtering=False,
        vlan_default_pvid=DEFAULT_PVID,
        multicast_snooping=True,
    )


@dataclass(frozen=True)
class Vlan:
    """The VLANs of a port: that of frames without a tag (0: they are dropped), and those that keep their tag.

    ``tagged`` is in order, as numbers and ranges: ``("20", "30-39")``. ``usual``: no more than what any port of the bridge gets.
    """

    pvid: int = 0
    tagged: tuple[str, ...] = ()
    usual: bool = field(default=False, compare=False)

    @classmethod
    def parse(cls, entry: Fields) -> Vlan:
        pvid = entry.optional("pvid", lambda v: net.integer(v, 0, 4094), 0)
        tagged = {vid for vids in entry.each("tagged", vlan_ids) for vid in vids}
        entry.nothing_else()
        if pvid in tagged:
            raise InputError(entry.place("tagged"), f"{pvid} is the pvid, whose frames have no tag; it cannot be both")
        return cls(pvid, vlan_ranges(tagged))

    def others(self) -> tuple[str, ...]:
        """All VLANs that it is not in, as ranges."""
        members = {self.pvid, *(vid for vids in self.tagged for vid in vlan_ids(vids))}
        return vlan_ranges(vid for vid in range(1, 4095) if vid not in members)

    def as_entry(self) -> dict[str, Any]:
        return {"pvid": self.pvid, "tagged": list(self.tagged)}

    def __str__(self) -> str:
        return f"pvid {self.pvid}, tagged {' '.join(self.tagged) or 'none'}"


def vlan_ids(value: Any) -> range:
    """A VLAN or a range of VLANs: ``20`` or ``30-39``."""
    first, dash, last = net.text(value).partition("-")
    low = net.integer(first, 1, 4094)
    high = net.integer(last, 1, 4094) if dash else low
    if high < low:
        raise ValueError(f"{value}: the range ends before it begins; did you mean {high}-{low}?")
    return range(low, high + 1)


def vlan_ranges(vids: Iterable[int]) -> tuple[str, ...]:
    """The inverse of ``vlan_ids`` for any number of them, in order and as short as can be."""
    runs: list[list[int]] = []
    for vid in sorted(set(vids)):
        if runs and runs[-1][-1] == vid - 1:
            runs[-1][1:] = [vid]
        else:
            runs.append([vid])
    return tuple("-".join(map(str, run)) for run in runs)


def trunk(pvid: int) -> Vlan:
    """That of a port which leads to the physical network: every VLAN, tagged but for one."""
    return Vlan(pvid, Vlan(pvid).others())


@dataclass(frozen=True)
class Tap(Resource):
    """A persistent tap device. Owner and group are numbers in a state, names or numbers in an entry.

    ``vlan``: None for what any port of its bridge gets. ``vnet_hdr``: None where whoever opens it may decide.
    """

    kind: ClassVar[str] = "tap"

    scope: Optional[str] = None
    adopted: bool = False
    label: str = field(default="", compare=False)
    autostart: bool = field(default=True, compare=False)
    bridge: Optional[str] = None
    owner: Any = None
    group: Any = None
    multi_queue: Optional[bool] = None
    vnet_hdr: Optional[bool] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    isolated: Optional[bool] = None
    learning: Optional[bool] = None
    unicast_flood: Optional[bool] = None
    hairpin: Optional[bool] = None
    vlan: Optional[Vlan] = None
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
            vnet_hdr=entry.optional("vnet_hdr", net.boolean),
            mac=entry.optional("mac", net.mac),
            mtu=entry.optional("mtu", net.mtu),
            isolated=entry.optional("isolated", net.boolean),
            learning=entry.optional("learning", net.boolean),
            unicast_flood=entry.optional("unicast_flood", net.boolean),
            hairpin=entry.optional("hairpin", net.boolean),
            vlan=Vlan.parse(Fields(entry.raw("vlan"), entry.place("vlan"))) if entry.given("vlan") else None,
            autostart=entry.optional("autostart", net.boolean, True),
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
    mac: Optional[str] = None
    mtu: Optional[int] = None


@dataclass(frozen=True)
class Manager(Resource):
    """A network manager that runs on the host."""

    kind: ClassVar[str] = "manager"


PORT_DEFAULTS: Mapping[str, Any] = {"isolated": False, "learning": True, "unicast_flood": True, "hairpin": False}


@dataclass(frozen=True)
class ChecksumFix(Resource):
    """The filter on the bridge ``name`` that completes the UDP checksums of DHCP answers. It goes with the bridge."""

    kind: ClassVar[str] = "checksum fix"

    def lines(self) -> list[str]:
        return ["UDP checksums to port 68 are completed"]


def can_become(old: Tap, new: Tap) -> bool:
    """The kernel fixes the number of queues when the device is made, and can replace an owner or a group but not take it away."""
    taken_away = any(getattr(old, name) is not None and getattr(new, name) is None for name in ("owner", "group"))
    return old.multi_queue == new.multi_queue and not taken_away


def first_mtu(mtu: int) -> int:
    """What a bridge is made with, to be changed to ``mtu``: until somebody does, the kernel lets ports change it."""
    return mtu - 1 if mtu > 68 else mtu + 1


def new_tap(name: str, mtu: int, machine_id: str) -> Tap:
    return Tap(
        name=name,
        bridge=None,
        owner=None,
        group=None,
        multi_queue=False,
        mac=stable_mac(machine_id, name),
        mtu=mtu,
        **PORT_DEFAULTS,
    )


def _normal(entry: Fields, name: str) -> Optional[tuple[str, ...]]:
    if not entry.given(name):
        return None
    return tuple(str(address) for address in net.in_order(set(entry.each(name, net.host_address))))
