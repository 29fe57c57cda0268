# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packet path: what a new connection costs in the ruleset, with many forwards and many networks.

Packets are real: from a station of the LAN by the host to a guest's namespace, or from there to the LAN. Every run loads one
ruleset into a host that has no other, empties the connection table, and opens TCP connections to random ports among those that
are forwarded; the figure is the median of their times. Each port has had a connection before, except in the row *first*: there
the counters of a forward have to be made. *bare* is connection tracking with one rule for all ports, *none* is routing without
connection tracking.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab import Bed, Host
from lab.node import Node
from lab.waiting import wait_for

from . import layouts
from .harness import Bench, Goal, MissingError
from .hosts import bed, subnet
from .stations import GUEST, bridge, guest, load, reach_guests

Layout = Callable[[int, int], str]
BARE, OURS, NONE = "bare", "this collection", "none"
FIRST = "this collection, first through its forward"
PEERS: dict[str, Layout] = {"Docker": layouts.docker, "Incus": layouts.incus, "libvirt": layouts.libvirt}
_PROGRAM = Path(__file__).with_name("packets.py")


def run(bench: Bench) -> None:
    flows = bench.size(2000, 50)
    sizes = [10] if bench.smallest else [10, 1000, 10000]
    # Legacy iptables once used stays in a host's way.
    with bed("filter", {"nft": "trixie", "legacy": "trixie"}) as made:
        guests = {name: plug(made, host, max(sizes)) for name, host in made.hosts.items()}
        medians = {}
        for count in sizes:
            path = partial(inward, made, count, flows)
            others = {"libvirt": no_forwards}
            if count >= 1000:  # fewer are too few to measure
                others[FIRST] = partial(path, "nft", layouts.ours(1, count), "cold")
            compared = bench.compare(
                f"forwards-{count}",
                f"A new connection through one of {count:,} forwards",
                contenders(path, 1, count) | others,
                unit="µs",
                goals=[Goal(OURS, BARE, 1.15)],
            )
            medians[count] = compared.figures[OURS].median
        if len(sizes) > 1:
            ratio = medians[sizes[-1]] / medians[sizes[0]]
            bench.comparisons[-1].notes.append(f"Ours with {sizes[-1]:,} forwards against {sizes[0]}: {ratio:.2f}.")
        for count in [2] if bench.smallest else [1, 50, 500]:
            bench.compare(
                f"networks-{count}",
                f"A new connection of a guest to the LAN, with {count} networks",
                contenders(partial(outward, made, guests, flows), count, 0),
                unit="µs",
                goals=[Goal(OURS, BARE, 1.15)],
            )


def contenders(path: Callable[..., float], networks: int, forwards: int) -> dict[str, Callable[[], float]]:
    ours, bare = layouts.ours(networks, forwards), layouts.bare(networks, forwards)
    found: dict[str, Callable[[], float]] = {
        BARE: partial(path, "nft", bare),
        OURS: partial(path, "nft", ours),
        NONE: partial(path, "nft", ""),
    }
    for name, layout in PEERS.items():
        found[f"{name}'s layout" if name != "libvirt" or not forwards else name] = partial(
            path, "nft", layout(networks, forwards)
        )
    found["Docker's layout, legacy iptables"] = partial(path, "legacy", layouts.docker(networks, forwards))
    return found


def no_forwards() -> float:
    raise MissingError("it has no port forwards")


def plug(made: Bed, host: Host, ports: int) -> Node:
    """A guest that is a namespace, with servers."""
    bridge(host, address=f"{subnet(0)}.1/24")
    found = guest(made, host, f"guest-{host.name}", f"{GUEST}/24", gateway=f"{subnet(0)}.1")
    for node in (found, made.neighbour):
        listen(node, ports)
    host.run("sysctl -q -w net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_max=1000000")
    reach_guests(made, host)
    return found


def listen(node: Node, ports: int) -> None:
    if "listening" in _said(node):
        return
    node.spawn(["python3", str(_PROGRAM), "--listen", str(layouts.FIRST_PORT), str(ports)], name="listen")
    wait_for(f"{node.name}: {ports} servers", lambda: "listening" in _said(node), timeout=60)


def _said(node: Node) -> str:
    log = node.log_of("listen")
    return log.read_text() if log.exists() else ""


def inward(made: Bed, count: int, flows: int, name: str, text: str, *cold: str) -> float:
    host = made.hosts[name]
    load(host, text)
    reach_guests(made, host)
    return connect(made.neighbour, host.address if text else GUEST, count, flows, *cold)


def outward(made: Bed, guests: dict[str, Node], flows: int, name: str, text: str) -> float:
    host = made.hosts[name]
    load(host, text)
    reach_guests(made, host)
    return connect(guests[name], "192.168.1.20", 10, flows)


def connect(client: Node, address: str, count: int, flows: int, *cold: str) -> float:
    program = ["python3", str(_PROGRAM), address, str(layouts.FIRST_PORT), str(count)]
    client.run([*program, "20"])  # neighbours are known, and the caches are warm
    return float(client.run([*program, str(flows), *cold], timeout=300).stdout)
