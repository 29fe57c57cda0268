# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Throughput: what a packet and a gigabyte cost through NAT, a forward, a bridge, and within a host-only network.

Ends are namespaces on the host's bridges and a station of the LAN, with no virtual machine in the way. *A packet* is a datagram
of 1,400 bytes of an established flow: each goes through the ruleset, the dearest that a guest can do. Its time is that of the
whole path, from the sender's system call into the receiver's socket. *A gigabyte* is one TCP stream in segments of up to 64 KiB,
each one trip through the ruleset, as guests with virtio send. Every run loads one ruleset into a host that has no other. *bare* is
connection tracking with one masquerade rule (one DNAT rule for the forward), *none* is routing or bridging with no ruleset at
all. The peers' layouts are those of a NAT network on the same bridge; *br_netfilter* is the setting with which frames within a
bridge go through the IP rulesets, too (off unless it is named).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import Bed, Host
from lab.command import CommandError
from lab.node import Node
from lab.waiting import wait_for

from . import layouts
from .harness import Bench, Goal, MissingError
from .hosts import bed, subnet
from .stations import GUEST, bridge, guest, load, reach_guests

BARE, OURS, NONE = "bare", "this collection", "none"
DOCKER, INCUS, LIBVIRT = "Docker's layout", "Incus's layout", "libvirt's layout"
ON_BRIDGE = ", br_netfilter on"
_PORT = layouts.FIRST_PORT  # the layouts forward it as it is
_LAN = "192.168.1.20"
_PROGRAM = Path(__file__).with_name("streams.py")


@dataclass(frozen=True)
class Route:
    """From whom to which address; to `direct` where nothing translates."""

    sender: Node
    address: str
    direct: str = ""


@dataclass(frozen=True)
class Kind:
    """What is sent: how often, how much of it (datagrams or seconds), and what is measured."""

    name: str
    unit: str
    rounds: int
    size: float


def run(bench: Bench) -> None:
    rounds = bench.size(3, 1)
    packets = Kind("packets", "µs per packet", rounds, bench.size(20000, 500))
    stream = Kind("stream", "s per GB", rounds, 0.2 if not bench.smallest else 0.05)
    with bed("throughput", {"host": "trixie"}) as made:
        host = made.hosts["host"]
        near, far, bridged = plug(made, host)
        nat = Route(near, _LAN)
        across(bench, host, packets, "nat-packets", "A packet through NAT, guest to LAN", nat)
        across(bench, host, packets, "nat-packets-50", "A packet through NAT, among 50 networks", nat, networks=50)
        across(bench, host, stream, "nat-stream", "A gigabyte through NAT, guest to LAN", nat)
        forward = Route(made.neighbour, host.address, direct=GUEST)
        across(bench, host, stream, "forward-stream", "A gigabyte through a forward, LAN to guest", forward, forwards=1)
        for kind, what in ((packets, "A packet"), (stream, "A gigabyte")):
            within(bench, host, kind, "bridged", f"{what} from a bridged guest to the LAN", Route(bridged, _LAN))
            within(bench, host, kind, "guests", f"{what} from guest to guest of a network", Route(far, GUEST))
        within(bench, host, packets, "host", "A packet from the host to a guest", Route(host, GUEST))


def plug(made: Bed, host: Host) -> tuple[Node, Node, Node]:
    """Two guests of a network that the host routes for, and a bridged one."""
    gateway = f"{subnet(0)}.1"
    bridge(host, address=f"{gateway}/24")
    bridge(host, "br1")
    host.run("ip link set eth1 master br1 up && sysctl -q -w net.ipv4.ip_forward=1")
    near = guest(made, host, "guest", f"{GUEST}/24", gateway=gateway)
    far = guest(made, host, "guest2", f"{subnet(0)}.3/24", gateway=gateway)
    bridged = guest(made, host, "guest3", "192.168.1.120/24", on="br1")
    reach_guests(made, host)
    for node, address in ((near, GUEST), (made.neighbour, _LAN)):
        node.spawn(["python3", str(_PROGRAM), "listen", address, str(_PORT)], name="streams")
        wait_for(f"{node.name} listens", partial(listens, node), timeout=10)
    return near, far, bridged


def listens(node: Node) -> bool:
    return "listening" in node.log_of("streams").read_text()


def across(
    bench: Bench, host: Host, kind: Kind, name: str, title: str, route: Route, *, networks: int = 1, forwards: int = 0
) -> None:
    """Through the host's routing."""
    rulesets = {
        BARE: layouts.bare(networks, forwards),
        OURS: layouts.ours(networks, forwards),
        NONE: "",
        DOCKER: layouts.docker(networks, forwards),
        INCUS: layouts.incus(networks, forwards),
        LIBVIRT: layouts.libvirt(networks, forwards),
    }
    contenders: dict[str, Callable[[], float]] = {
        who: partial(sent, host, kind, route, text) for who, text in rulesets.items()
    }
    if forwards:
        contenders[LIBVIRT] = no_forwards
    compare(bench, kind, name, title, contenders, Goal(OURS, BARE, 1.05))


def within(bench: Bench, host: Host, kind: Kind, name: str, title: str, route: Route) -> None:
    """On one bridge, where no ruleset has anything to do."""
    ours, docker = layouts.ours(1, 0), layouts.docker(1, 0)
    contenders = {
        NONE: partial(sent, host, kind, route, ""),
        OURS: partial(sent, host, kind, route, ours),
        OURS + ON_BRIDGE: partial(sent, host, kind, route, ours, netfilter=True),
        DOCKER: partial(sent, host, kind, route, docker),
        DOCKER + ON_BRIDGE: partial(sent, host, kind, route, docker, netfilter=True),
        INCUS: partial(sent, host, kind, route, layouts.incus(1, 0)),
        LIBVIRT: partial(sent, host, kind, route, layouts.libvirt(1, 0)),
    }
    compare(bench, kind, f"{name}-{kind.name}", title, contenders, Goal(OURS, NONE, 1.05))


def no_forwards() -> float:
    raise MissingError("it has no port forwards")


def compare(
    bench: Bench, kind: Kind, name: str, title: str, contenders: Mapping[str, Callable[[], float]], goal: Goal
) -> None:
    found = bench.compare(name, title, contenders, unit=kind.unit, goals=[goal])
    if kind.name == "stream":
        rates = [f"{who} {8 / each.median:.1f}" for who, each in found.figures.items() if each.samples]
        found.notes.append(f"In Gbit/s: {'; '.join(rates)}.")


def sent(host: Host, kind: Kind, route: Route, text: str, netfilter: bool = False) -> float:
    load(host, text)
    host.run(f"sysctl -q -w net.bridge.bridge-nf-call-iptables={int(netfilter)}")
    address = route.address if text else route.direct or route.address
    argv = ["python3", "-", kind.name, address, str(_PORT), str(kind.rounds), str(kind.size)]
    try:
        return float(route.sender.run(argv, input=_PROGRAM.read_text()).stdout)
    except CommandError as problem:
        if "timed out" in str(problem):
            raise MissingError("nothing gets through") from problem
        raise
