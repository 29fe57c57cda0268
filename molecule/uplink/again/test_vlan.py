# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VLAN is an uplink as a network card is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Host
from verify import Staged, answers

LINK = "ip link add link {on} name {on}.5 type vlan id 5; ip link set {on}.5 up; ip addr add 10.5.0.{n}/24 dev {on}.5"
COMMON: dict[str, Any] = {"scope": "vlan", "persistent": False}
BRIDGE = {"bridges": [{"name": "vmnet5", "uplink": "eth1.5"}], **COMMON}
UPLINK = {"uplinks": [{"name": "eth1.5", "bridge": "vmnet5"}], **COMMON}


@pytest.fixture(scope="module")
def on_a_vlan(bed: Bed) -> Iterator[Host]:
    host = bed.hosts["ifupdown"]
    bed.neighbour.run(LINK.format(on="eth0", n=20))
    host.run(LINK.format(on="eth1", n=5))
    host.run("ip route add 10.6.0.0/16 via 10.5.0.20 dev eth1.5")
    yield host
    host.run("ip link del eth1.5")
    bed.neighbour.run("ip link del eth0.5")


def confirmed(host: Host, result: dict[str, Any]) -> bool:
    return "confirmed" in host.run(f"/run/vmnet-uplinks/uplinks confirm {result['confirm']['token']}").stdout


def test_a_vlan_moves_to_its_bridge_and_back(bed: Bed, on_a_vlan: Host) -> None:
    host, staged = on_a_vlan, Staged(on_a_vlan)
    assert answers(bed.neighbour, "10.5.0.5", protocol="icmp")
    staged.run("bridges", **BRIDGE)
    assert confirmed(host, staged.run("uplinks", **UPLINK))
    assert "master vmnet5" in host.run("ip -o link show eth1.5").stdout
    assert "10.6.0.0/16 via 10.5.0.20 dev vmnet5" in host.run("ip route").stdout
    assert answers(bed.neighbour, "10.5.0.5", protocol="icmp")
    assert not staged.run("uplinks", **UPLINK)["changed"]
    assert confirmed(host, staged.run("uplinks", **UPLINK, state="absent"))
    staged.run("bridges", **BRIDGE, state="absent")
    assert "10.6.0.0/16 via 10.5.0.20 dev eth1.5" in host.run("ip route").stdout
    assert answers(bed.neighbour, "10.5.0.5", protocol="icmp")
