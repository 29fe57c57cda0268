# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packets as somebody with raw sockets puts them on the wire, whatever the kernel would say to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from lab import Host

SYN, RST, SYN_ACK, FIN_ACK = 0x02, 0x04, 0x12, 0x11  # flags of TCP
ECHO_REPLY, ECHO = 0, 8  # types of ICMP


class Packet(NamedTuple):
    """IPv4. TCP with flags where there is a port, else ICMP with a type."""

    source: str
    destination: str
    what: int
    port: int = 0


def program(interface: str, mac: str, source_mac: str, packets: Iterable[Packet]) -> str:
    """For `python3 -`: sends them by an interface to a MAC address."""
    return f"""
import socket, struct
def sum16(data):
    data += b"\\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{{len(data) // 2}}H", data))
    while total >> 16: total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
mac = lambda text: bytes.fromhex(text.replace(":", ""))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("{interface}", 0))
for source, destination, what, port in {[tuple(packet) for packet in packets]}:
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    if port:
        protocol, body = 6, struct.pack("!HHLLBBHHH", 40000, port, 1, 0, 0x50, what, 1024, 0, 0)
        check = sum16(ends + struct.pack("!BBH", 0, protocol, len(body)) + body)
        body = body[:16] + struct.pack("!H", check) + body[18:]
    else:
        protocol, body = 1, struct.pack("!BBHHH", what, 0, 0, 1, 1)
        body = body[:2] + struct.pack("!H", sum16(body)) + body[4:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + ends
    head = head[:10] + struct.pack("!H", sum16(head)) + head[12:]
    raw.send(mac("{mac}") + mac("{source_mac}") + b"\\x08\\x00" + head + body)
"""


@contextmanager
def raw_station(host: Host, bridge: str, packets: Iterable[Packet]) -> Iterator[Callable[[], object]]:
    """A port `bad0` of a bridge of the host; calling the result sends from it, by way of the host's MAC address."""
    host.run(
        f"ip link add bad0 type veth peer name bad1; ip link set bad0 master {bridge} up; ip link set bad1 addrgenmode none up"
    )
    try:
        to, source = host.run(f"cat /sys/class/net/{bridge}/address /sys/class/net/bad1/address").lines
        text = program("bad1", to, source, packets)
        yield lambda: host.run(["python3", "-"], input=text)
    finally:
        host.run("ip link del bad0")
