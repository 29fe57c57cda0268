# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to ask of the kernel so that links become what they are to be, only where they are not.

Links go by their names, so that one stream can make a link and use it. Where the kernel wants an index, the link is there.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from .._model.errors import HostError
from .._model.links import PORT_DEFAULTS, Bridge, Tap, Vlan, first_mtu, trunk, vlan_ids
from .._model.mark import alias
from . import if_link
from .netlink import CREATE, DELADDR, DELLINK, GETLINK, NEWADDR, NEWLINK, SETLINK, Attribute, Request

_NO_LINK = if_link.LINK.pack(0, 0, 0, 0, 0)
_UP = if_link.LINK.pack(0, 0, 0, if_link.IFF_UP, if_link.IFF_UP)
_BRIDGE_OPTIONS = ("stp", "forward_delay", "ageing_time", "multicast_snooping")
_IPV6 = "/proc/sys/net/ipv6"


def delete(names: Sequence[str], group: int) -> list[Request]:
    """Into a group that nobody else is in, and then the group: the kernel waits once for all of them."""
    into, gone = [Attribute(if_link.GROUP, group)], (errno.ENODEV,)
    moves = [Request(f"remove {name}", SETLINK, _NO_LINK, [_name(name), *into], tolerated=gone) for name in names]
    return [*moves, Request(f"remove {', '.join(names)}", DELLINK, _NO_LINK, into, tolerated=gone)]


def make_bridge(old: Optional[Bridge], new: Bridge) -> Iterator[Request]:
    """The bridge itself; it is not set up yet."""
    if old is None:
        # With its address at once: by it the bridge is known to be ours, should the run be killed before it is marked.
        first = [Attribute(if_link.MAC, _octets(new.mac)), Attribute(if_link.MTU, first_mtu(new.mtu or 0))]
        yield _set(f"make the bridge {new.name}", new.name, [*first, _info(if_link.DATA, b"bridge")], flags=CREATE)
        old = Bridge(name=new.name)
    if _mark(old) != _mark(new):
        yield _set(f"mark {new.name}", new.name, [_alias(new)])
    # Set even where it is already so: the kernel then keeps it when ports come and go.
    if new.mac and (old.mac != new.mac or old.scope is None):
        yield _set(f"give {new.name} the address {new.mac}", new.name, [Attribute(if_link.MAC, _octets(new.mac))])
    if old.mtu != new.mtu:
        yield _set(f"give {new.name} the MTU {new.mtu}", new.name, [Attribute(if_link.MTU, new.mtu or 0)])
    if _differ(old, new, _BRIDGE_OPTIONS):
        options = [
            Attribute(if_link.STP, int(bool(new.stp))),
            Attribute(if_link.FORWARD_DELAY, (new.forward_delay or 0) * if_link.USER_HZ),
            Attribute(if_link.AGEING_TIME, (new.ageing_time or 0) * if_link.USER_HZ),
            Attribute(if_link.SNOOPING, _bool(new.multicast_snooping)),
        ]
        what = ", ".join(f"{name} {getattr(new, name)}" for name in _BRIDGE_OPTIONS)
        yield _set(f"give {new.name} {what}", new.name, [_info(if_link.DATA, b"bridge", options)])
    # A kernel without VLAN filtering refuses even to have it off.
    vlans = []
    if (old.vlan_default_pvid or 1) != (new.vlan_default_pvid or 0):
        vlans.append(Attribute(if_link.DEFAULT_PVID, struct.pack("=H", new.vlan_default_pvid)))
    if bool(old.vlan_filtering) != bool(new.vlan_filtering):
        vlans.append(Attribute(if_link.VLAN_FILTERING, _bool(new.vlan_filtering)))
    if vlans:
        yield _set(f"have {new.name} filter VLANs", new.name, [_info(if_link.DATA, b"bridge", vlans)])


def fill_bridge(old: Optional[Bridge], new: Bridge) -> Iterator[Request]:
    """What is on the bridge, once it is there with its parameters; and up."""
    old = old or Bridge(name=new.name, up=False)
    for address in new.addresses or ():
        if address not in (old.addresses or ()):
            yield _address(NEWADDR, new.name, address)
    for address in old.addresses or ():
        if address not in (new.addresses or ()):
            yield _address(DELADDR, new.name, address)
    for port in old.ports or ():
        if port not in (new.ports or ()):
            yield _set(f"take {port} from {new.name}", port, [Attribute(if_link.MASTER, 0)])
    filters_otherwise = _differ(old, new, ("vlan_filtering", "vlan_default_pvid"))
    for port in new.ports or ():
        comes = port not in (old.ports or ())
        if comes:
            yield _set(f"put {port} on {new.name}", port, [Attribute(if_link.MASTER, index(new.name))], body=_UP)
        if new.vlan_filtering and (comes or filters_otherwise):
            yield from _vlans(SETLINK, port, trunk(new.vlan_default_pvid or 0).tagged)
    if new.up and not old.up:
        yield _set(f"set {new.name} up", new.name, body=_UP)


def put_tap(old: Optional[Tap], new: Tap) -> Iterator[Request]:
    """The attributes and the place of a tap that is there."""
    if old is None:
        yield _settle(new.name)
    attributes = []
    moves = bool(new.bridge) and (old is None or old.bridge != new.bridge)
    if old is None or _mark(old) != _mark(new):
        attributes.append(_alias(new))
    if new.mac and (old is None or old.mac != new.mac):
        attributes.append(Attribute(if_link.MAC, _octets(new.mac)))
    if old is None or old.mtu != new.mtu:
        attributes.append(Attribute(if_link.MTU, new.mtu or 0))
    if moves:
        attributes.append(Attribute(if_link.MASTER, index(new.bridge or "")))
    if moves and not new.adopted and os.path.isdir(_IPV6):
        # The host is on the bridge, not on its ports.
        mode = Attribute(if_link.ADDR_GEN_MODE, bytes([if_link.NO_LINK_LOCAL]))
        attributes.append(Attribute(if_link.AF_SPEC, [Attribute(socket.AF_INET6, [mode])]))
    if attributes:
        what = f"put {new.name} on {new.bridge}" if moves else f"set up {new.name}"
        yield _set(f"{what}, with MTU {new.mtu} and address {new.mac}", new.name, attributes)
    if new.bridge and (moves or old.vlan != new.vlan if old else new.vlan):
        yield from _put_vlan(new)
    port = []
    flags = {name: getattr(new, name) for name in if_link.PORT_FLAGS}
    if new.bridge and flags != (
        PORT_DEFAULTS if old is None or moves else {name: getattr(old, name) for name in flags}
    ):
        data = [Attribute(kind, _bool(flags[name])) for name, kind in if_link.PORT_FLAGS.items()]
        port = [_info(if_link.SLAVE_DATA, b"bridge", data)]
    comes_up = new.up and not (old and old.up)
    if port or comes_up:
        yield _set(f"set up the port {new.name}", new.name, port, body=_UP if comes_up else _NO_LINK)


def index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise HostError(f"{name} does not exist on this host") from None


def _put_vlan(tap: Tap) -> Iterator[Request]:
    """What comes before what goes, for a guest may be talking."""
    vlan = tap.vlan or Vlan(_default_pvid(tap.bridge or ""))
    if vlan.pvid:
        yield from _vlans(SETLINK, tap.name, [str(vlan.pvid)], if_link.PVID | if_link.UNTAGGED)
    yield from _vlans(SETLINK, tap.name, vlan.tagged)
    yield from _vlans(DELLINK, tap.name, vlan.others())


def _vlans(kind: int, name: str, ranges: Iterable[str], flags: int = 0) -> Iterator[Request]:
    body = if_link.LINK.pack(socket.AF_BRIDGE, 0, index(name), 0, 0)
    for vids in map(vlan_ids, ranges):
        ends = [(flags, vids[0])]
        if len(vids) > 1:
            ends = [(flags | if_link.RANGE_BEGIN, vids[0]), (flags | if_link.RANGE_END, vids[-1])]
        infos = [Attribute(if_link.VLAN_INFO, if_link.VLAN.pack(*end)) for end in ends]
        what = f"{'take' if kind == DELLINK else 'put'} {name} {'from' if kind == DELLINK else 'into'} VLAN {vids[0]}-{vids[-1]}"
        yield Request(what, kind, body, [Attribute(if_link.AF_SPEC, infos)])


def _default_pvid(bridge: str) -> int:
    try:
        with open(f"/sys/class/net/{bridge}/bridge/default_pvid", encoding="ascii") as stream:
            return int(stream.read())
    except FileNotFoundError:
        return 0


def _address(kind: int, name: str, text: str) -> Request:
    interface = ipaddress.ip_interface(text)
    packed = interface.ip.packed
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    body = if_link.ADDRESS.pack(family, interface.network.prefixlen, 0, 0, index(name))
    attributes = [Attribute(if_link.LOCAL, packed), Attribute(if_link.PEER, packed)]
    if kind == DELADDR:
        # Turning IPv6 off on a bridge takes its addresses with it.
        gone = (errno.EADDRNOTAVAIL,)
        return Request(f"take {text} from {name}", kind, body, attributes, tolerated=gone)
    if interface.version == 6:
        # A gateway's address is decided here; duplicate address detection would leave it unusable until the first guest is up.
        attributes.append(Attribute(if_link.ADDRESS_FLAGS, if_link.NODAD))
    return Request(f"give {name} the address {text}", kind, body, attributes, CREATE)


def _set(
    what: str, name: str, attributes: Sequence[Attribute] = (), *, body: bytes = _NO_LINK, flags: int = 0
) -> Request:
    return Request(what, NEWLINK, body, [_name(name), *attributes], flags)


def _settle(name: str) -> Request:
    """Has the kernel note at once that nobody has the new tap open (linkwatch_sync_dev in rtnl_getlink, since Linux 6.8).

    By itself it takes a second. Until then a bridge enables the port as one that carries, which starts its multicast timers, and
    those of all such ports anew with each one that comes.
    """
    what = [_name(name), Attribute(if_link.EXT_MASK, if_link.NO_STATISTICS)]
    return Request(f"look at {name}", GETLINK, _NO_LINK, what, tolerated=(errno.ENODEV,))


def _name(name: str) -> Attribute:
    return Attribute(if_link.NAME, name)


def _alias(link: Any) -> Attribute:
    """An empty one takes the alias away."""
    return Attribute(if_link.ALIAS, alias(link.scope, link.adopted, link.label).encode())


def _mark(link: Any) -> tuple[Any, ...]:
    return link.scope, link.adopted


def _info(where: int, kind: bytes, data: Sequence[Attribute] = ()) -> Attribute:
    """Attributes of a bridge (``DATA``) or of a port (``SLAVE_DATA``)."""
    which = if_link.KIND if where == if_link.DATA else if_link.SLAVE_KIND
    return Attribute(if_link.INFO, [Attribute(which, kind), *([Attribute(where, data)] if data else [])])


def _differ(old: Any, new: Any, names: Iterable[str]) -> bool:
    return any(getattr(old, name) != getattr(new, name) for name in names)


def _octets(mac: Optional[str]) -> bytes:
    return bytes.fromhex((mac or "").replace(":", ""))


def _bool(value: Optional[bool]) -> bytes:
    return bytes([int(bool(value))])
