# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small clients and servers that run alike on stations, hosts and guests: all have socat."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence

from lab import Guest, Node

Probe = tuple[str, int]  # protocol, and port unless it is icmp
_AT_ONCE = 16  # a guest has little memory
# Seconds that each try waits. Datagrams may get lost, and a guest on a busy machine may not get a processor for a while.
_PATIENCE = {"tcp": (5, 5), "udp": (1, 1, 2, 4, 8), "icmp": (1, 1, 2, 4, 8)}


def ask(
    who: Node | Guest,
    address: str,
    port: int = 0,
    protocol: str = "tcp",
    *,
    source: str = "",
    source_port: int = 0,
) -> str:
    """What a server of the bed or of `serve` answers: "[NAME ]ADDRESS PORT" of the peer that it saw; "" is nothing.

    A ping that comes back is "pong".
    """
    for number, patience in enumerate(_PATIENCE[protocol]):
        if number:  # an error may have come at once
            time.sleep(0.5)
        answer = who.run(_command(address, port, protocol, source, source_port, patience=patience), check=False).lines
        if answer:
            return answer[0]
    return ""


def once_more(who: Node | Guest, address: str, port: int = 0, protocol: str = "tcp") -> str:
    """How another try ends, for whoever has to find out why there was no answer: "after SECONDS s: ANSWER OR ERROR"."""
    command = _command(address, port, protocol, "", 0, patience=5)
    command = command.replace("2>/dev/null", "2>&1").replace(">/dev/null 2>&1 && echo pong", "2>&1")
    started = time.monotonic()
    said = who.run(command, check=False).stdout.strip()
    return f"once more, after {time.monotonic() - started:.1f} s: {said or 'nothing'}"


def answers(who: Node | Guest, address: str, port: int = 0, protocol: str = "tcp", *, source: str = "") -> bool:
    return bool(ask(who, address, port, protocol, source=source))


def reached(who: Node | Guest, address: str, *probes: Probe, source: str = "") -> list[Probe]:
    """Those of the probes that get an answer within a second, all sent at once; a refusal is no answer."""
    lines = [
        f"( {_command(address, port, protocol, source, 0, patience=1)} | grep -q . && echo {number} ) &"
        for number, (protocol, port) in enumerate(probes)
    ]
    return [probes[int(number)] for number in who.run("\n".join([*lines, "wait"]), check=False).lines]


def ask_all(who: Node | Guest, questions: Sequence[tuple[str, Probe]]) -> list[str]:
    """What each address answers to each probe within a second, a handful of them at once; "" is nothing."""
    answers = [""] * len(questions)
    for start in range(0, len(questions), _AT_ONCE):
        lines = [
            f"( {_command(address, port, protocol, '', 0, patience=1)} | sed -n '1s/^/{start + number} /p' ) &"
            for number, (address, (protocol, port)) in enumerate(questions[start : start + _AT_ONCE])
        ]
        for line in who.run("\n".join([*lines, "wait"]), check=False).lines:
            number, _space, answer = line.partition(" ")
            answers[int(number)] = answer
    return answers


def silent(who: Node | Guest, address: str, port: int = 0, protocol: str = "tcp", *, source: str = "") -> bool:
    return not reached(who, address, (protocol, port), source=source)


def name_server_answers(who: Node | Guest, server: str, name: str) -> bool:
    """Whether the server answers a question for an address of the name, also with a refusal (RFC 1035 section 4.1)."""
    labels = "".join(f"\\{len(label):03o}{label}" for label in name.split("."))
    question = rf"\022\064\001\000\000\001\000\000\000\000\000\000{labels}\000\000\001\000\001"
    place = f"UDP6:[{server}]" if ":" in server else f"UDP4:{server}"
    return any(
        who.run(f"printf '{question}' | socat -t {wait} -T {wait} - {place}:53 | wc -c", check=False).stdout.strip()
        != "0"
        for wait in (1, 3)  # seconds
    )


def _command(address: str, port: int, protocol: str, source: str, source_port: int, *, patience: int) -> str:
    """A shell command line that prints the answer; `patience` is in seconds."""
    if protocol == "icmp":
        bound = f"-I {source} " if source else ""
        return f"ping {'-6 ' if ':' in address else ''}-c 1 -W {patience} {bound}{address} >/dev/null 2>&1 && echo pong"
    place, bound = (f"[{text}]" if ":" in text else text for text in (address, source))
    options = f",connect-timeout={patience}" if protocol == "tcp" else ""
    options += f",bind={bound}" if source else ""
    options += f",sourceport={source_port},reuseaddr" if source_port else ""
    # A flow of datagrams has no end but that nothing more comes.
    wait = patience if protocol == "tcp" else 0.6 * patience
    family = 6 if ":" in address else 4
    return f"echo x | socat -t {wait} -T {patience} - {protocol.upper()}{family}:{place}:{port}{options} 2>/dev/null"


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
