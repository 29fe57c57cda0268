# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small clients and servers that run alike on stations, hosts and guests: all have socat."""

from __future__ import annotations

import ipaddress
from typing import Literal

from lab import Guest, Node

Protocol = Literal["tcp", "udp", "icmp"]


def ask(
    who: Node | Guest,
    address: str,
    port: int = 0,
    protocol: Protocol = "tcp",
    *,
    source: str = "",
    source_port: int = 0,
    patience: int = 5,
) -> str:
    """What a server of the bed or of `serve` answers: "[NAME ]ADDRESS PORT" of the peer that it saw; "" is nothing.

    `patience` is in seconds. A ping that comes back is "pong".
    """
    if protocol == "icmp":
        ping = "ping -6" if ":" in address else "ping"
        bound = f"-I {source} " if source else ""
        return "pong" if who.run(f"{ping} -c 1 -W {patience} {bound}{address}", check=False).ok else ""
    kind = f"{protocol.upper()}{6 if ':' in address else 4}"
    bracketed = f"[{source}]" if ":" in source else source
    place = f"[{address}]" if ":" in address else address
    options = f",connect-timeout={patience}" if protocol == "tcp" else ""
    options += f",bind={bracketed}" if source else ""
    options += f",sourceport={source_port},reuseaddr" if source_port else ""
    # A flow of datagrams has no end: one second without more is one. They may also get lost: ask again.
    wait, tries = (patience, 1) if protocol == "tcp" else (1, patience)
    for _try in range(tries):
        answer = who.run(f"echo x | socat -t {wait} -T {patience} - {kind}:{place}:{port}{options}", check=False)
        if answer.lines:
            return answer.lines[0]
    return ""


def answers(who: Node | Guest, address: str, port: int = 0, protocol: Protocol = "tcp", *, source: str = "") -> bool:
    return bool(ask(who, address, port, protocol, source=source))


def silent(who: Node | Guest, address: str, port: int = 0, protocol: Protocol = "tcp", *, source: str = "") -> bool:
    """Whether no answer comes; a refusal is none."""
    return not ask(who, address, port, protocol, source=source, patience=1)


def serve(guest: Guest, *, tcp: tuple[int, ...] = (), udp: tuple[int, ...] = ()) -> None:
    """Answer in the guest, both families: its name and the peer that it sees; TCP then echoes what it gets."""
    told = f"echo {guest.name} $SOCAT_PEERADDR $SOCAT_PEERPORT"
    for port in tcp:
        guest.spawn(f"socat TCP6-LISTEN:{port},ipv6-v6only=0,fork,reuseaddr SYSTEM:'{told}; cat'")
    for port in udp:
        guest.spawn(f"socat UDP6-RECVFROM:{port},ipv6-v6only=0,fork,reuseaddr SYSTEM:'{told}'")
    wanted = [f":{port:04X} " for port in (*tcp, *udp)]
    guest.run(
        "for n in $(seq 50); do ok=1; "
        + "".join(f"cat /proc/net/tcp6 /proc/net/udp6 | grep -q '{port}' || ok=0; " for port in wanted)
        + "[ $ok = 1 ] && exit 0; sleep 0.1; done; exit 1"
    )


def seen_address(answer: str) -> str:
    """The address in an answer, in its usual form; "" when there is no answer."""
    words = answer.split()
    if len(words) < 2:
        return ""
    address = ipaddress.ip_address(words[-2].strip("[]"))
    return str(getattr(address, "ipv4_mapped", None) or address)


def seen_port(answer: str) -> int:
    return int(answer.split()[-1])
