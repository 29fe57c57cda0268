# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and their addresses through rtnetlink: one dump to read, messages in the order of their dependencies to write."""

from __future__ import annotations

import errno
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    HAS_PYROUTE2 = True
except ImportError:
    HAS_PYROUTE2 = False

from .._model.errors import HostError
from .._model.links import Bridge, OtherLink, Tap, alias, can_become, kernel_parameters, owner
from .._model.resource import Resource
from .._plan.core import Plan
from . import sysctl, tuntap

_IFF_UP = 1 << 0
_IFF_LOOPBACK = 1 << 3
_IFA_F_NODAD = 0x02
_IPV6 = "/proc/sys/net/ipv6/conf"
_HUNDREDTHS = 100  # the kernel counts the bridge's times in 1/100 s (USER_HZ)


def read() -> list[Resource]:
    """Every link of the host. A tap without a bridge has the port flags that it would get there."""
    with _netlink() as netlink:
        links = netlink.get_links()
        addresses: dict[int, list[str]] = {}
        for message in netlink.get_addr():
            address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if not ipaddress.ip_address(address).is_link_local or ":" not in address:
                addresses.setdefault(message["index"], []).append(f"{address}/{message['prefixlen']}")
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in links}
    masters: dict[int, list[str]] = {}
    for link in links:
        masters.setdefault(link.get_attr("IFLA_MASTER") or 0, []).append(names[link["index"]])
    return [_resource(link, names, addresses.get(link["index"], []), masters.get(link["index"], [])) for link in links]


def require_features(plan: Plan) -> None:
    """Raises HostError, before anything is changed, for what this kernel does not have."""
    links = [new for _old, new in plan.only(Bridge.kind, Tap.kind).pairs() if new]
    if any(isinstance(link, Tap) for link in links):
        tuntap.require_driver()
    for link in links:
        if isinstance(link, Bridge) and link.has_ipv6_address() and not os.path.isdir(_IPV6):
            raise HostError(f"{link.name} is to have an IPv6 address, but this kernel runs without IPv6")


def apply(plan: Plan) -> None:
    """Removals first, then bridges, then taps: a port needs its bridge."""
    with _netlink() as netlink:
        for link in plan.only(Tap.kind).removed + plan.only(Bridge.kind).removed:
            _delete(netlink, link.name)
        for old, new in plan.only(Bridge.kind).pairs():
            if isinstance(new, Bridge):
                _put_bridge(netlink, old if isinstance(old, Bridge) else None, new)
        for old, new in plan.only(Tap.kind).pairs():
            if isinstance(new, Tap):
                _put_tap(netlink, old if isinstance(old, Tap) else None, new)


def _resource(link: Any, names: dict[int, str], addresses: list[str], ports: list[str]) -> Resource:
    name = link.get_attr("IFLA_IFNAME")
    info: Any = link.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    data: Any = info.get_attr("IFLA_INFO_DATA") if info else None
    scope, adopted = owner(link.get_attr("IFLA_IFALIAS") or "")
    master = names.get(link.get_attr("IFLA_MASTER") or 0)
    common: dict[str, Any] = {
        "scope": scope,
        "adopted": adopted,
        "mtu": link.get_attr("IFLA_MTU"),
        "up": bool(link["flags"] & _IFF_UP),
    }
    if kind == "bridge":
        return Bridge(
            name=name,
            addresses=tuple(addresses),
            ports=tuple(ports),
            mac=link.get_attr("IFLA_ADDRESS"),
            stp=bool(data.get_attr("IFLA_BR_STP_STATE")),
            forward_delay=data.get_attr("IFLA_BR_FORWARD_DELAY") // _HUNDREDTHS,
            ageing_time=data.get_attr("IFLA_BR_AGEING_TIME") // _HUNDREDTHS,
            multicast_snooping=bool(data.get_attr("IFLA_BR_MCAST_SNOOPING")),
            ipv6=_speaks_ipv6(name),
            **common,
        )
    if kind == "tun" and data.get_attr("IFLA_TUN_TYPE") == 2 and data.get_attr("IFLA_TUN_PERSIST"):
        port = info.get_attr("IFLA_INFO_SLAVE_DATA") if master else None
        return Tap(
            name=name,
            bridge=master,
            owner=data.get_attr("IFLA_TUN_OWNER"),
            group=data.get_attr("IFLA_TUN_GROUP"),
            multi_queue=bool(data.get_attr("IFLA_TUN_MULTI_QUEUE")),
            mac=link.get_attr("IFLA_ADDRESS"),
            isolated=_flag(port, "IFLA_BRPORT_ISOLATED", False),
            learning=_flag(port, "IFLA_BRPORT_LEARNING", True),
            unicast_flood=_flag(port, "IFLA_BRPORT_UNICAST_FLOOD", True),
            hairpin=_flag(port, "IFLA_BRPORT_MODE", False),
            in_use=bool(link.get_attr("IFLA_CARRIER")),  # whether somebody has it open, also while it is down
            **common,
        )
    loopback = bool(link["flags"] & _IFF_LOOPBACK)
    wireless = os.path.isdir(f"/sys/class/net/{name}/wireless")
    return OtherLink(name, kind or "physical interface", master, scope, tuple(addresses), loopback, wireless)


def _put_bridge(netlink: Any, old: Optional[Bridge], new: Bridge) -> None:
    if old is None:
        # With its address at once: by it the bridge is known to be ours, should the run be killed before it is marked.
        _send(netlink, "add", ifname=new.name, kind="bridge", address=new.mac)
        old = _as_made(new.name)
    index = _index(netlink, new.name)
    if (old.scope, old.adopted) != (new.scope, new.adopted):
        _send(netlink, "set", index=index, IFLA_IFALIAS=alias(new.scope, new.adopted))
    if old.ipv6 != new.ipv6 and not new.adopted:
        _set_parameters(new)
    # Set even where it is already so: the kernel then keeps it when ports come and go.
    if new.mac and (old.mac != new.mac or old.scope is None):
        _send(netlink, "set", index=index, address=new.mac)
    if old.mtu != new.mtu:
        _send(netlink, "set", index=index, mtu=new.mtu)
    attributes = {
        "br_stp_state": int(bool(new.stp)),
        "br_forward_delay": (new.forward_delay or 0) * _HUNDREDTHS,
        "br_ageing_time": (new.ageing_time or 0) * _HUNDREDTHS,
        "br_mcast_snooping": int(bool(new.multicast_snooping)),
    }
    if any(
        getattr(old, name) != getattr(new, name)
        for name in ("stp", "forward_delay", "ageing_time", "multicast_snooping")
    ):
        _send(netlink, "set", index=index, kind="bridge", **attributes)
    for address in new.addresses or ():
        if address not in (old.addresses or ()):
            _address(netlink, "add", index, address)
    for address in old.addresses or ():
        if address not in (new.addresses or ()):
            _address(netlink, "del", index, address)
    for port in old.ports or ():
        if port not in (new.ports or ()):
            _send(netlink, "set", index=_index(netlink, port), master=0)
    for port in new.ports or ():
        if port not in (old.ports or ()):
            _send(netlink, "set", index=_index(netlink, port), master=index, state="up")
    if new.up and not old.up:
        _send(netlink, "set", index=index, state="up")


def _as_made(name: str) -> Bridge:
    """What is known of a bridge that has just been made: only that it is empty. Everything else is set."""
    return Bridge(name=name, addresses=(), ports=(), up=False)


def _put_tap(netlink: Any, old: Optional[Tap], new: Tap) -> None:
    if old is not None and not can_become(old, new):
        tuntap.update(old)  # refuses if it is in use after all
        _delete(netlink, new.name)
        old = None
    if old is None:
        tuntap.create(new)
    elif (old.owner, old.group) != (new.owner, new.group):
        tuntap.update(new)
    index = _index(netlink, new.name)
    if old is None or (old.scope, old.adopted) != (new.scope, new.adopted):
        _send(netlink, "set", index=index, IFLA_IFALIAS=alias(new.scope, new.adopted))
    if new.mac and (old is None or old.mac != new.mac):
        _send(netlink, "set", index=index, address=new.mac)
    if old is None or old.mtu != new.mtu:
        _send(netlink, "set", index=index, mtu=new.mtu)
    if new.bridge and (old is None or old.bridge != new.bridge):
        _send(netlink, "set", index=index, master=_index(netlink, new.bridge))
    flags = ("isolated", "learning", "unicast_flood", "hairpin")
    if new.bridge and (old is None or any(getattr(old, name) != getattr(new, name) for name in flags)):
        _send_port(
            netlink,
            index=index,
            isolated=int(bool(new.isolated)),
            learning=int(bool(new.learning)),
            unicast_flood=int(bool(new.unicast_flood)),
            mode=int(bool(new.hairpin)),
        )
    if new.up and (old is None or not old.up):
        _send(netlink, "set", index=index, state="up")


def _send(netlink: Any, command: str, **attributes: Any) -> None:
    try:
        netlink.link(command, **attributes)
    except NetlinkError as error:
        what = ", ".join(f"{key} {value}" for key, value in attributes.items())
        raise HostError(f"the kernel refused to {command} the link with {what}: {os.strerror(error.code)}") from None


def _send_port(netlink: Any, **attributes: Any) -> None:
    try:
        netlink.brport("set", **attributes)
    except NetlinkError as error:
        what = ", ".join(f"{key} {value}" for key, value in attributes.items())
        raise HostError(f"the kernel refused to set the bridge port with {what}: {os.strerror(error.code)}") from None


def _address(netlink: Any, command: str, index: int, text: str) -> None:
    interface = ipaddress.ip_interface(text)
    # A gateway's address is decided here; duplicate address detection would leave it unusable until the first guest is up.
    flags = {"flags": _IFA_F_NODAD} if interface.version == 6 and command == "add" else {}
    try:
        netlink.addr(command, index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen, **flags)
    except NetlinkError as error:
        # Turning IPv6 off on a bridge takes its addresses with it.
        if command != "del" or error.code != errno.EADDRNOTAVAIL:
            raise HostError(f"the kernel refused to {command} the address {text}: {os.strerror(error.code)}") from None


def _delete(netlink: Any, name: str) -> None:
    found = netlink.link_lookup(ifname=name)
    if found:
        _send(netlink, "del", index=found[0])


def _index(netlink: Any, name: str) -> int:
    found = netlink.link_lookup(ifname=name)
    if not found:
        raise HostError(f"{name} does not exist on this host")
    return found[0]


def _set_parameters(bridge: Bridge) -> None:
    has_ipv6 = os.path.isdir(_IPV6)
    for name, value in kernel_parameters(bridge).items():
        if has_ipv6 or "/ipv6/" not in name:
            sysctl.write(name, value)


def _speaks_ipv6(name: str) -> bool:
    found = sysctl.read([f"net/ipv6/conf/{name}/disable_ipv6"])
    return bool(found) and found[0].value == "0"


def _flag(port: Any, name: str, default: bool) -> bool:
    value = port.get_attr(name) if port else None
    return default if value is None else bool(value)


@contextmanager
def _netlink() -> Iterator[Any]:
    if not HAS_PYROUTE2:
        raise HostError(
            "the Python library pyroute2 is not installed on this host; it comes with the package python3-pyroute2"
        )
    with IPRoute() as netlink:
        yield netlink
