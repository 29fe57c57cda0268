# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host: whether a server could have one, and if not, who holds it."""

from __future__ import annotations

import errno
import glob
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

from .._model.net import Address

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # linux/in.h, linux/in6.h: also an address that the host does not have yet
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LISTENING = {"tcp": "0A", "udp": "07"}  # net/tcp_states.h
_MAX_SHOWN = 160  # characters of a command line


class Holder(NamedTuple):
    """A process that has a port. ``command`` is its command line."""

    pid: int
    name: str
    command: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid}: {self.command})"


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


def holders(protocol: str, address: Address, port: int) -> list[Holder]:
    """The processes that listen there, or on all addresses; those in other PID namespaces cannot be seen."""
    inodes = {
        inode
        for bound, number, inode in _listeners(protocol)
        if number == port and (bound == address or bound.is_unspecified)
    }
    return [holder for holder in map(_describe, sorted(_owners(inodes))) if holder] if inodes else []


def _listeners(protocol: str) -> Iterator[tuple[Address, int, str]]:
    """(address, port, inode) of all sockets that wait for somebody."""
    for path in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        try:
            with open(path, encoding="ascii") as stream:
                lines = stream.read().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTENING[protocol]:
                address, _colon, number = words[1].partition(":")
                yield _address(address), int(number, 16), words[9]


def _address(text: str) -> Address:
    """As /proc/net has it: words of 32 bits, each in the host's order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words))


def _owners(inodes: set[str]) -> set[int]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = set()
    for path in glob.iglob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path) in wanted:
                found.add(int(path.split("/")[2]))
        except OSError:
            continue  # closed, or ended
    return found


def _describe(pid: int) -> Optional[Holder]:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            name = stream.read().strip()
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
            command = stream.read().replace("\0", " ").strip()
    except OSError:
        return None
    return Holder(pid, name, command[:_MAX_SHOWN])
