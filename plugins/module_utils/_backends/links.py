# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and their addresses through rtnetlink: one dump to read, streams in the order of their dependencies to write."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from .._model.errors import HostError
from .._model.links import (
    DEFAULT_PVID,
    PORT_DEFAULTS,
    Bridge,
    OtherLink,
    Tap,
    Vlan,
    can_become,
    kernel_parameters,
    vlan_ranges,
)
from .._model.mark import Owner, owner
from .._model.resource import Resource
from .._plan.core import Plan
from . import if_link, link_requests, sysctl, tuntap, unmanaged
from .addresses import CidrAddress, dump_addresses
from .backend import Backend
from .command import find, is_installed, run
from .netlink import GETLINK, Attribute, Netlink, attributes, connected, each_attribute, number, text

_IPV6 = "/proc/sys/net/ipv6/conf"
_TOGETHER = 1000  # links that are removed by one request; all that leads to it is sent at once
_Attributes = dict[int, bytes]


def read() -> list[Resource]:
    """Every link of the host. A tap without a bridge has the port flags that it would get there."""
    with connected() as netlink:
        links = _dump_links(netlink)
        filtering = {link.ifindex: link for link in links if link.type == "bridge" and _vlan_filtering(link)}
        vlans = _dump_vlans(netlink) if filtering else {}
        on = {index: _without_link_local(each) for index, each in dump_addresses(netlink).items()}
    names = {link.ifindex: link.name for link in links}
    ports: dict[int, list[str]] = {}
    for link in links:
        ports.setdefault(link.master, []).append(link.name)
    found: list[Resource] = []
    for link in links:
        bridge = names.get(link.master)
        if link.type == "bridge":
            found.append(_bridge(link, on.get(link.ifindex, ()), tuple(ports.get(link.ifindex, ()))))
        elif _is_persistent_tap(link):
            usual = _number(filtering[link.master].data, if_link.DEFAULT_PVID) if link.master in filtering else 0
            vlan = _vlan(vlans.get(link.ifindex, {}), usual) if link.master in filtering else None
            found.append(_tap(link, bridge, vlan))
        else:
            found.append(_other(link, bridge, on.get(link.ifindex, ())))
    return found


def require_features(plan: Plan) -> None:
    """Raises HostError, before anything is changed, for what this kernel does not have."""
    links = [(old, new) for old, new in plan.only(Bridge.kind, Tap.kind).pairs() if new]
    if any(isinstance(new, Tap) for _old, new in links):
        tuntap.require_driver()
    for old, new in links:
        if isinstance(new, Bridge):
            if new.has_ipv6_address() and not os.path.isdir(_IPV6):
                raise HostError(f"{new.name} is to have an IPv6 address, but this kernel runs without IPv6")
            filtered = isinstance(old, Bridge) and old.vlan_filtering
            if new.vlan_filtering and not filtered and is_installed("ip"):
                _require_vlan_filtering(new.name)


def apply(plan: Plan) -> None:
    """Removals first, then bridges, then taps: a port needs its bridge."""
    if not plan.only(Bridge.kind, Tap.kind):
        return
    bridges = [(old, new) for old, new in plan.only(Bridge.kind).pairs() if isinstance(new, Bridge)]
    taps = [(old, new) for old, new in plan.only(Tap.kind).pairs() if isinstance(new, Tap)]
    made_anew = [old for old, new in taps if isinstance(old, Tap) and not can_become(old, new)]
    for tap in made_anew:
        tuntap.update(tap)  # refuses if it is in use after all
    with connected() as netlink:
        _delete(netlink, [link.name for link in plan.only(Bridge.kind, Tap.kind).removed + made_anew])
        _put_bridges(netlink, bridges)
        _put_taps(netlink, [(None if old in made_anew else old, new) for old, new in taps])


def _put_bridges(netlink: Netlink, bridges: Sequence[tuple[Any, Bridge]]) -> None:
    netlink.send([request for old, new in bridges for request in link_requests.make_bridge(old, new)])
    for old, new in bridges:
        if not new.adopted and (old is None or old.ipv6 != new.ipv6):
            _set_parameters(new)
    filled = [(_with_uplink(old, new.uplink), _with_uplink(new, new.uplink)) for old, new in bridges]
    netlink.send([request for old, new in filled if new for request in link_requests.fill_bridge(old, new)])


def _with_uplink(bridge: Optional[Bridge], uplink: Optional[str]) -> Optional[Bridge]:
    """The bridge with its uplink among its ports, where it is one: it then gets what a port gets."""
    if bridge is None or not uplink or not os.path.exists(f"/sys/class/net/{bridge.name}/brif/{uplink}"):
        return bridge
    return replace(bridge, ports=(*(bridge.ports or ()), uplink))


def _put_taps(netlink: Netlink, taps: Sequence[tuple[Any, Tap]]) -> None:
    for old, new in taps:
        if old is None:
            tuntap.create(new)
        elif any(getattr(old, name) != getattr(new, name) for name in ("owner", "group", "vnet_hdr")):
            tuntap.update(new)
    if any(old is None for old, _new in taps):
        _wait_for_udev()
    netlink.send([request for old, new in taps for request in link_requests.put_tap(old, new)])


def _wait_for_udev() -> None:
    """It may have seen a new tap without an address, and be about to give it one: ours has to come after that."""
    if os.path.exists("/run/udev/control") and is_installed("udevadm"):
        run([find("udevadm", "udev"), "settle", "--timeout=5"], check=False)


def _delete(netlink: Netlink, names: Sequence[str]) -> None:
    """All in one go: for each by itself the kernel waits until nobody can be using it any more, some 20 ms."""
    for start in range(0, len(names), _TOGETHER):
        taken = {_number(attributes(link[if_link.LINK.size :]), if_link.GROUP) for link in _dump(netlink)}
        group = next(n for n in iter(lambda: random.randrange(1 << 16, 1 << 31), None) if n not in taken)
        netlink.send(link_requests.delete(names[start : start + _TOGETHER], group))


def _require_ip(plan: Plan) -> None:
    """The boot script makes with it what is made here without."""
    if any(new for _old, new in plan.only(Bridge.kind, Tap.kind).pairs()):
        find("ip", "iproute2")


def _require_vlan_filtering(name: str) -> None:
    """Tried in a network namespace of its own, which ends with the command."""
    bridge = ["ip", "link", "add", "name", "vlans", "type", "bridge", "vlan_filtering", "1"]
    tried = run([find("unshare", "util-linux"), "--net", *bridge], check=False)
    if tried.returncode != 0:
        raise HostError(
            f"{name} is to filter VLANs, but this kernel's bridges do not (CONFIG_BRIDGE_VLAN_FILTERING): {tried.stderr.strip()}"
        )


def _set_parameters(bridge: Bridge) -> None:
    has_ipv6 = os.path.isdir(_IPV6)
    for name, value in kernel_parameters(bridge).items():
        if has_ipv6 or "/ipv6/" not in name:
            sysctl.write(name, value)


# Reading


class _Link(NamedTuple):
    """``of`` are its attributes, ``data`` those of its type, ``port`` those that it has as a port of a bridge."""

    ifindex: int
    flags: int
    name: str
    type: str
    master: int
    of: _Attributes
    data: _Attributes
    port: _Attributes


def _dump_links(netlink: Netlink) -> list[_Link]:
    return [_link(body) for body in _dump(netlink)]


def _dump(netlink: Netlink) -> list[bytes]:
    return netlink.dump(GETLINK, if_link.LINK.pack(0, 0, 0, 0, 0), [_mask(if_link.NO_STATISTICS)])


def _link(body: bytes) -> _Link:
    _family, _type, index, flags, _change = if_link.LINK.unpack_from(body)
    of = attributes(body[if_link.LINK.size :])
    info = attributes(of.get(if_link.INFO, b""))
    return _Link(
        ifindex=index,
        flags=flags,
        name=text(of[if_link.NAME]),
        type=text(info.get(if_link.KIND, b"")),
        master=_number(of, if_link.MASTER),
        of=of,
        data=attributes(info.get(if_link.DATA, b"")),
        port=attributes(info.get(if_link.SLAVE_DATA, b"")),
    )


def _dump_vlans(netlink: Netlink) -> dict[int, dict[int, int]]:
    """Index -> VLAN -> flags, of the ports of bridges."""
    found: dict[int, dict[int, int]] = {}
    request = if_link.LINK.pack(socket.AF_BRIDGE, 0, 0, 0, 0)
    for body in netlink.dump(GETLINK, request, [_mask(if_link.COMPRESSED_VLANS)]):
        vlans = found.setdefault(if_link.LINK.unpack_from(body)[2], {})
        first = 0
        for kind, data in each_attribute(attributes(body[if_link.LINK.size :]).get(if_link.AF_SPEC, b"")):
            if kind == if_link.VLAN_INFO:
                flags, vid = if_link.VLAN.unpack(data)
                first = first if flags & if_link.RANGE_END else vid
                vlans.update(dict.fromkeys(range(first, vid + 1), flags))
    return found


def _mask(what: int) -> Attribute:
    return Attribute(if_link.EXT_MASK, what)


def _without_link_local(found: Sequence[CidrAddress]) -> tuple[str, ...]:
    """IPv6's, which the kernel assigns by itself."""
    return tuple(str(address) for address in found if address.version == 4 or not address.is_link_local)


def _bridge(link: _Link, addresses: tuple[str, ...], ports: tuple[str, ...]) -> Bridge:
    return Bridge(
        addresses=addresses,
        ports=ports,
        stp=bool(_number(link.data, if_link.STP)),
        forward_delay=_number(link.data, if_link.FORWARD_DELAY) // if_link.USER_HZ,
        ageing_time=_number(link.data, if_link.AGEING_TIME) // if_link.USER_HZ,
        vlan_filtering=_vlan_filtering(link),
        # A kernel without VLAN filtering has no such attribute; nothing differs there from the usual.
        vlan_default_pvid=_number(link.data, if_link.DEFAULT_PVID, DEFAULT_PVID),
        multicast_snooping=bool(_number(link.data, if_link.SNOOPING)),
        ipv6=_speaks_ipv6(link.name),
        **_common(link),
    )


def _tap(link: _Link, bridge: Optional[str], vlan: Optional[Vlan]) -> Tap:
    flags: dict[str, Any] = {n: bool(_number(link.port, k, PORT_DEFAULTS[n])) for n, k in if_link.PORT_FLAGS.items()}
    return Tap(
        bridge=bridge,
        owner=_number(link.data, if_link.TUN_OWNER) if if_link.TUN_OWNER in link.data else None,
        group=_number(link.data, if_link.TUN_GROUP) if if_link.TUN_GROUP in link.data else None,
        multi_queue=bool(_number(link.data, if_link.TUN_MULTI_QUEUE)),
        vnet_hdr=bool(_number(link.data, if_link.TUN_VNET_HDR)),
        vlan=vlan,
        in_use=bool(_number(link.of, if_link.CARRIER)),  # whether somebody has it open, also while it is down
        **flags,
        **_common(link),
    )


def _other(link: _Link, master: Optional[str], addresses: tuple[str, ...]) -> OtherLink:
    return OtherLink(
        link.name,
        link.type or "physical interface",
        master,
        _owner(link).scope,
        addresses,
        loopback=bool(link.flags & if_link.IFF_LOOPBACK),
        wireless=os.path.isdir(f"/sys/class/net/{link.name}/wireless"),
        mac=_mac(link),
        mtu=_number(link.of, if_link.MTU),
    )


def _mac(link: _Link) -> Optional[str]:
    return link.of[if_link.MAC].hex(":") if if_link.MAC in link.of else None


def _common(link: _Link) -> dict[str, Any]:
    return {
        "name": link.name,
        **_owner(link)._asdict(),
        "mac": _mac(link),
        "mtu": _number(link.of, if_link.MTU),
        "up": bool(link.flags & if_link.IFF_UP),
    }


def _owner(link: _Link) -> Owner:
    return owner(text(link.of.get(if_link.ALIAS, b"")))


def _vlan(vlans: dict[int, int], usual: int) -> Vlan:
    pvid = next((vid for vid, flags in vlans.items() if flags & if_link.PVID), 0)
    tagged = [vid for vid, flags in vlans.items() if not flags & if_link.UNTAGGED]
    return Vlan(pvid, vlan_ranges(tagged), usual=(pvid, len(vlans)) == (usual, 1 if usual else 0))


def _vlan_filtering(link: _Link) -> bool:
    return bool(_number(link.data, if_link.VLAN_FILTERING))


def _is_persistent_tap(link: _Link) -> bool:
    is_tap = link.type == "tun" and _number(link.data, if_link.TUN_TYPE) == if_link.IS_TAP
    return is_tap and bool(_number(link.data, if_link.TUN_PERSIST))


def _number(of: _Attributes, kind: int, default: int = 0) -> int:
    return number(of[kind]) if kind in of else default


def _speaks_ipv6(name: str) -> bool:
    found = sysctl.read([f"net/ipv6/conf/{name}/disable_ipv6"])
    return bool(found) and found[0].value == "0"


def _tell_and_apply(plan: Plan) -> None:
    unmanaged.tell(plan)
    apply(plan)


LINKS = Backend(
    read=lambda _found: [*read(), *unmanaged.read()],
    require_features=require_features,
    require=_require_ip,
    apply=_tell_and_apply,
    settle=unmanaged.tell,
)
