# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces that the host has, and the addresses on them."""

from __future__ import annotations

import ipaddress
import socket
from typing import Union

from .._model.resource import Address, Interface
from . import if_link
from .backend import Backend
from .netlink import GETADDR, Netlink, attributes, connected

CidrAddress = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]


def dump_addresses(netlink: Netlink) -> dict[int, list[CidrAddress]]:
    """By the index of the interface."""
    found: dict[int, list[CidrAddress]] = {}
    for body in netlink.dump(GETADDR, if_link.ADDRESS.pack(0, 0, 0, 0, 0)):
        _family, length, _flags, _scope, index = if_link.ADDRESS.unpack_from(body)
        of = attributes(body[if_link.ADDRESS.size :])
        packed = of[if_link.LOCAL] if if_link.LOCAL in of else of[if_link.PEER]
        found.setdefault(index, []).append(ipaddress.ip_interface((packed, length)))
    return found


def read() -> list[Address]:
    names = dict(socket.if_nameindex())
    with connected() as netlink:
        found = dump_addresses(netlink)
    return [Address(f"{names[index]} {address.ip}") for index in found if index in names for address in found[index]]


ADDRESSES = Backend(read=lambda _found: read())
INTERFACES = Backend(read=lambda _found: [Interface(name) for _index, name in socket.if_nameindex()])
