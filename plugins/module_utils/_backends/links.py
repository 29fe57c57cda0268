# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and their addresses through rtnetlink: one dump to read, streams in the order of their dependencies to write."""

from __future__ import annotations

import ipaddress
import os
import random
import socket
from collections.abc import Sequence
from typing import Any, Optional

from .._model.errors import HostError
from .._model.links import (
    PORT_DEFAULTS,
    Bridge,
    OtherLink,
    Tap,
    Vlan,
    can_become,
    kernel_parameters,
    owner,
    vlan_ranges,
)
from .._model.resource import Resource
from .._plan.core import Plan
from . import if_link, link_requests, sysctl, tuntap
from .command import find, run
from .netlink import GETADDR, GETLINK, Attribute, Netlink, attributes, connected, each_attribute, number, text

_IPV6 = "/proc/sys/net/ipv6/conf"
_TOGETHER = 1000  # links that are removed by one request; all that leads to it is sent at once
_Attributes = dict[int, memoryview]


def read() -> list[Resource]:
    """Every link of the host. A tap without a bridge has the port flags that it would get there."""
    with connected() as netlink:
        links = _dump_links(netlink)
        bridges = {index: _data(of) for index, _flags, of in links if _kind(of) == "bridge"}
        filtering = {index for index, data in bridges.items() if _number(data, if_link.VLAN_FILTERING)}
        vlans = _dump_vlans(netlink) if filtering else {}
        addresses = _dump_addresses(netlink)
    names = {index: text(of[if_link.NAME]) for index, _flags, of in links}
    ports: dict[int, list[str]] = {}
    for index, _flags, of in links:
        ports.setdefault(_number(of, if_link.MASTER), []).append(names[index])
    found: list[Resource] = []
    for index, flags, of in links:
        master = _number(of, if_link.MASTER)
        if index in bridges:
            found.append(_bridge(flags, of, tuple(addresses.get(index, ())), tuple(ports.get(index, ()))))
        elif _is_persistent_tap(of):
            usual = _number(bridges[master], if_link.DEFAULT_PVID) if master in filtering else 0
            vlan = _vlan(vlans.get(index, {}), usual) if master in filtering else None
            found.append(_tap(flags, of, names.get(master), vlan))
        else:
            found.append(_other(flags, of, names.get(master), tuple(addresses.get(index, ()))))
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
            if new.vlan_filtering and not (isinstance(old, Bridge) and old.vlan_filtering):
                _require_vlan_filtering(new.name)


def apply(plan: Plan) -> None:
    """Removals first, then bridges, then taps: a port needs its bridge."""
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
    netlink.send([request for old, new in bridges for request in link_requests.fill_bridge(old, new)])


def _put_taps(netlink: Netlink, taps: Sequence[tuple[Any, Tap]]) -> None:
    for old, new in taps:
        if old is None:
            tuntap.create(new)
        elif any(getattr(old, name) != getattr(new, name) for name in ("owner", "group", "vnet_hdr")):
            tuntap.update(new)
    netlink.send([request for old, new in taps for request in link_requests.put_tap(old, new)])


def _delete(netlink: Netlink, names: Sequence[str]) -> None:
    """All in one go: for each by itself the kernel waits until nobody can be using it any more, some 20 ms."""
    for start in range(0, len(names), _TOGETHER):
        taken = {_number(of, if_link.GROUP) for _index, _flags, of in _dump_links(netlink)}
        group = next(n for n in iter(lambda: random.randrange(1 << 16, 1 << 31), None) if n not in taken)
        netlink.send(link_requests.delete(names[start : start + _TOGETHER], group))


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


def _dump_links(netlink: Netlink) -> list[tuple[int, int, _Attributes]]:
    """(index, flags, attributes) of each."""
    bodies = netlink.dump(GETLINK, if_link.LINK.pack(0, 0, 0, 0, 0), [_mask(if_link.NO_STATISTICS)])
    fixed = [if_link.LINK.unpack_from(body) for body in bodies]
    return [(of[2], of[3], attributes(body[if_link.LINK.size :])) for of, body in zip(fixed, bodies)]


def _dump_vlans(netlink: Netlink) -> dict[int, dict[int, int]]:
    """Index -> VLAN -> flags, of the ports of bridges."""
    found: dict[int, dict[int, int]] = {}
    request = if_link.LINK.pack(socket.AF_BRIDGE, 0, 0, 0, 0)
    for body in netlink.dump(GETLINK, request, [_mask(if_link.COMPRESSED_VLANS)]):
        vlans = found.setdefault(if_link.LINK.unpack_from(body)[2], {})
        first = 0
        for kind, data in each_attribute(attributes(body[if_link.LINK.size :]).get(if_link.AF_SPEC, memoryview(b""))):
            if kind == if_link.VLAN_INFO:
                flags, vid = if_link.VLAN.unpack(data)
                first = first if flags & if_link.RANGE_END else vid
                vlans.update(dict.fromkeys(range(first, vid + 1), flags))
    return found


def _mask(what: int) -> Attribute:
    return Attribute(if_link.EXT_MASK, what)


def _dump_addresses(netlink: Netlink) -> dict[int, list[str]]:
    """Index -> addresses, without IPv6's link-local ones, which the kernel assigns by itself."""
    found: dict[int, list[str]] = {}
    for body in netlink.dump(GETADDR, if_link.ADDRESS.pack(0, 0, 0, 0, 0)):
        _family, length, _flags, _scope, index = if_link.ADDRESS.unpack_from(body)
        of = attributes(body[if_link.ADDRESS.size :])
        address = ipaddress.ip_address(bytes(of[if_link.LOCAL] if if_link.LOCAL in of else of[if_link.PEER]))
        if address.version == 4 or not address.is_link_local:
            found.setdefault(index, []).append(f"{address}/{length}")
    return found


def _bridge(flags: int, of: _Attributes, addresses: tuple[str, ...], ports: tuple[str, ...]) -> Bridge:
    data = _data(of)
    name = text(of[if_link.NAME])
    return Bridge(
        addresses=addresses,
        ports=ports,
        mac=_mac(of),
        stp=bool(_number(data, if_link.STP)),
        forward_delay=_number(data, if_link.FORWARD_DELAY) // if_link.USER_HZ,
        ageing_time=_number(data, if_link.AGEING_TIME) // if_link.USER_HZ,
        vlan_filtering=bool(_number(data, if_link.VLAN_FILTERING)),
        # A kernel without VLAN filtering has no such attribute; nothing differs there from the usual.
        vlan_default_pvid=_number(data, if_link.DEFAULT_PVID, 1),
        multicast_snooping=bool(_number(data, if_link.SNOOPING)),
        ipv6=_speaks_ipv6(name),
        **_common(name, flags, of),
    )


def _tap(flags: int, of: _Attributes, bridge: Optional[str], vlan: Optional[Vlan]) -> Tap:
    data = _data(of)
    port = attributes(_info(of).get(if_link.SLAVE_DATA, memoryview(b""))) if bridge else {}
    port_flags = {name: bool(_number(port, kind, PORT_DEFAULTS[name])) for name, kind in if_link.PORT_FLAGS.items()}
    return Tap(
        bridge=bridge,
        owner=_number(data, if_link.TUN_OWNER) if if_link.TUN_OWNER in data else None,
        group=_number(data, if_link.TUN_GROUP) if if_link.TUN_GROUP in data else None,
        multi_queue=bool(_number(data, if_link.TUN_MULTI_QUEUE)),
        vnet_hdr=bool(_number(data, if_link.TUN_VNET_HDR)),
        mac=_mac(of),
        vlan=vlan,
        in_use=bool(_number(of, if_link.CARRIER)),  # whether somebody has it open, also while it is down
        **port_flags,
        **_common(text(of[if_link.NAME]), flags, of),
    )


def _other(flags: int, of: _Attributes, master: Optional[str], addresses: tuple[str, ...]) -> OtherLink:
    name = text(of[if_link.NAME])
    scope = owner(text(of.get(if_link.ALIAS, memoryview(b"")))).scope
    wireless = os.path.isdir(f"/sys/class/net/{name}/wireless")
    loopback = bool(flags & if_link.IFF_LOOPBACK)
    return OtherLink(name, _kind(of) or "physical interface", master, scope, addresses, loopback, wireless)


def _common(name: str, flags: int, of: _Attributes) -> dict[str, Any]:
    whose = owner(text(of.get(if_link.ALIAS, memoryview(b""))))
    return {
        "name": name,
        **whose._asdict(),
        "mtu": _number(of, if_link.MTU),
        "up": bool(flags & if_link.IFF_UP),
    }


def _vlan(vlans: dict[int, int], usual: int) -> Vlan:
    pvid = next((vid for vid, flags in vlans.items() if flags & if_link.PVID), 0)
    tagged = [vid for vid, flags in vlans.items() if not flags & if_link.UNTAGGED]
    return Vlan(pvid, vlan_ranges(tagged), usual=(pvid, len(vlans)) == (usual, 1 if usual else 0))


def _is_persistent_tap(of: _Attributes) -> bool:
    data = _data(of) if _kind(of) == "tun" else {}
    return _number(data, if_link.TUN_TYPE) == if_link.IS_TAP and bool(_number(data, if_link.TUN_PERSIST))


def _info(of: _Attributes) -> _Attributes:
    return attributes(of.get(if_link.INFO, memoryview(b"")))


def _kind(of: _Attributes) -> str:
    return text(_info(of).get(if_link.KIND, memoryview(b"")))


def _data(of: _Attributes) -> _Attributes:
    return attributes(_info(of).get(if_link.DATA, memoryview(b"")))


def _number(of: _Attributes, kind: int, default: int = 0) -> int:
    return number(of[kind]) if kind in of else default


def _mac(of: _Attributes) -> Optional[str]:
    return bytes(of[if_link.MAC]).hex(":") if if_link.MAC in of else None


def _speaks_ipv6(name: str) -> bool:
    found = sysctl.read([f"net/ipv6/conf/{name}/disable_ipv6"])
    return bool(found) and found[0].value == "0"
