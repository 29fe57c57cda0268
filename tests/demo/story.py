# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the claims are about: the bed, the host in it, its guests, and what happened so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from lab import Bed, CommandError, Guest, Host, LabError
from lab.places import bed_name

from .playbook import Run

BED = bed_name("demo")
HOST = "host12"
NETWORKS = Path(__file__).with_name("networks.yml")

INTERNET = "8.8.8.8"
INTERNET6 = "2001:4860:4860::8888"
ROUTER = "192.168.1.1"
NEIGHBOUR = "192.168.1.20"
ATTACKER = "192.168.1.66"
CONTROLLER = "192.168.1.250"

NAT_SUBNET = "192.168.233.0/24"
NAT_SUBNET6 = "fd00:233::/64"
NAT_GATEWAY = "192.168.233.2"
WEB = "192.168.233.101"
FORWARDED = 8080
HOST_ONLY_SUBNET = "192.168.56.0/24"
HOST_ONLY_SUBNET6 = "fd00:56::/64"
HOST_ONLY_HOST = "192.168.56.1"
HOST_ONLY_HOST6 = "fd00:56::1"


@dataclass(frozen=True)
class Port:
    """Where a guest is plugged in."""

    network: str
    tap: str
    mac: str


def ports() -> dict[str, Port]:
    """The guests that networks.yml names."""
    variables = yaml.safe_load(NETWORKS.read_text())
    return {
        guest["name"]: Port(network["name"], guest["tap"]["name"], guest["mac"])
        for networks in variables.values()
        for network in networks
        for guest in network["guests"]
    }


@dataclass
class Story:
    """The host has one guest of each name in networks.yml once `boot` has been called."""

    bed: Bed
    ports: dict[str, Port] = field(default_factory=ports)
    runs: list[Run] = field(default_factory=list)
    _leases: dict[str, dict[str, str]] = field(default_factory=dict)
    _refusals: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> Host:
        return self.bed.hosts[HOST]

    def guest(self, name: str) -> Guest:
        return Guest(self.host, name)

    def ask_for_lease(self, name: str) -> str:
        """Have the guest ask; returns its address. That nobody answers is for the claims to say."""
        try:
            self._leases[name] = self.guest(name).dhcp(timeout=16)
        except CommandError as problem:
            self._refusals[name] = str(problem)
            return "no lease"
        return self._leases[name]["ip"]

    def lease(self, name: str) -> dict[str, str]:
        """The fields of the guest's lease as udhcpc names them; raises LabError when it has none."""
        if name not in self._leases:
            raise LabError(f"{name} has no lease: {self._refusals.get(name, 'it never asked')}")
        return self._leases[name]

    def address(self, name: str) -> str:
        """The IPv4 address that the guest was given."""
        return self.lease(name)["ip"]

    def address6(self, name: str, prefix: str) -> str:
        """The IPv6 address that the guest has made itself, under a prefix like `fd00:233:`; waits for it."""
        look = f"ip -6 -o addr show dev eth0 scope global | grep -v tentative | grep -o '{prefix}[0-9a-f:]*' && exit"
        found = self.guest(name).run(f"for n in $(seq 20); do {look}; sleep 0.3; done; exit 1", check=False)
        if not found.ok:
            raise LabError(f"{name} has no IPv6 address under {prefix}:/64: no router advertisement came")
        return found.lines[0]
