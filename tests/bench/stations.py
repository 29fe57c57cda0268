# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests that are namespaces on a bridge of a host, and the rulesets of contenders on that host."""

from __future__ import annotations

from lab import Bed, Host, namespaces
from lab.node import Node

from .hosts import subnet

GUEST = f"{subnet(0)}.2"


def bridge(host: Host, name: str = "vn0", address: str = "") -> None:
    lines = [f"link add {name} type bridge forward_delay 0", f"link set {name} up"]
    namespaces.ip(host.namespace, [*lines, *([f"addr add {address} dev {name}"] if address else [])])


def guest(made: Bed, host: Host, name: str, address: str, on: str = "vn0", gateway: str = "") -> Node:
    """A guest with one interface, eth0."""
    found = Node(made.state, name)
    namespaces.create(made.state, found.namespace)
    namespaces.veth(host.namespace, f"{name}"[:15], found.namespace, "eth0")
    namespaces.ip(host.namespace, [f"link set {name[:15]} master {on} up"])
    lines = [f"addr add {address} dev eth0", "link set eth0 up"]
    namespaces.ip(found.namespace, [*lines, *([f"route add default via {gateway}"] if gateway else [])])
    return found


def reach_guests(made: Bed, host: Host) -> None:
    """Have the neighbour on the LAN know the guests' subnet, for the contender that translates nothing."""
    made.neighbour.run(f"ip route replace {subnet(0)}.0/24 via {host.address}")


def load(host: Host, text: str) -> None:
    """Make this the host's only ruleset: of nft, or of iptables-restore when it begins with a star."""
    host.run("nft flush ruleset")
    tool = ["nft", "-f", "-"]
    if text.startswith("*"):
        tool = ["iptables-legacy-restore"] if host.name == "legacy" else ["iptables-nft-restore"]
    if text:
        host.run(tool, input=text.replace("{host}", host.address), timeout=300)
    host.run("conntrack -F", check=False)
