# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network namespaces and the veth pairs between them. Nothing here touches the machine's own namespace."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .command import run
from .state import State

# A new namespace takes its IPv4 settings from the machine's own (net.core.devconf_inherit_init_net): say what we rely on.
_PLAIN = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv4.conf.default.route_localnet": "0",
    "net.ipv4.conf.all.arp_ignore": "0",
    "net.ipv4.conf.default.arp_ignore": "0",
    "net.ipv4.conf.all.proxy_arp": "0",
    "net.ipv4.conf.default.proxy_arp": "0",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
}


def create(state: State, name: str, sysctls: dict[str, str] | None = None) -> None:
    """Make the namespace `name`, registered first, with lo up and plain settings, then `sysctls` on top."""
    with state.change() as record:
        if name not in record.namespaces:
            record.namespaces.append(name)
    run(["ip", "netns", "add", name])
    ip(name, ["link set lo up"])
    set_sysctls(name, _PLAIN | (sysctls or {}))


def delete(name: str) -> None:
    """Remove the namespace if it is there."""
    if exists(name):
        run(["ip", "netns", "delete", name])


def exists(name: str) -> bool:
    return Path("/run/netns", name).exists()


def ip(name: str, lines: Iterable[str]) -> None:
    """Run `ip` commands in the namespace, in one go; the first failure ends it."""
    run(["ip", "-n", name, "-batch", "-"], input="".join(f"{line}\n" for line in lines))


def inside(name: str, argv: Iterable[str]) -> list[str]:
    """`argv` with only its network in the namespace.

    Not `ip netns exec`: that gives the process a mount namespace of its own, and a long-lived one would hold on to
    every mount that other beds have at the time.
    """
    return ["nsenter", f"--net=/run/netns/{name}", "--", *argv]


def set_sysctls(name: str, settings: dict[str, str]) -> None:
    run(inside(name, ["sysctl", "-q", "-w", *(f"{key}={value}" for key, value in settings.items())]))


def veth(near: str, near_interface: str, far: str, far_interface: str, far_mac: str = "") -> None:
    """A veth pair, each end made directly in its namespace."""
    address = f" address {far_mac}" if far_mac else ""
    ip(near, [f"link add name {near_interface} type veth peer name {far_interface}{address} netns {far}"])
