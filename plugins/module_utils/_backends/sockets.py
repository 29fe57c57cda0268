# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of the host listen on what, as ``ss`` tells: /proc/net does not say whether ``::`` stands for IPv4 too."""

from __future__ import annotations

import errno
import socket

from .._model.net import Address
from .._model.socket import Socket, parse
from .backend import Backend
from .command import find, is_installed, run

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h: also an address that the host does not have yet
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def read() -> list[Socket]:
    """Nothing where there is no ss: then nobody can tell."""
    if not is_installed("ss"):
        return []
    shown = run([find("ss", "iproute2"), "-H", "-l", "-n", "-p", "-t", "-u", "-S"], check=False).stdout
    # A service may have many sockets of one name: those of its workers, or of each interface.
    return list({found.key: found for found in map(parse, shown.splitlines()) if found}.values())


def is_taken(protocol: str, address: Address, port: int, shared: bool = False) -> bool:
    """Whether a server could not bind it. ``shared``: one that would share it with whoever allows that, too."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, _KINDS[protocol]) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if address.version == 4:
            probe.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
        else:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        try:
            probe.bind((str(address), port))  # never listens: nobody can be connected to it by mistake
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


SOCKETS = Backend(read=lambda _found: read())
