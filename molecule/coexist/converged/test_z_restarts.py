# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whoever flushes or loads rules anew: guests have what is promised again, without any help. Last, because it disturbs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import Host
from lab.waiting import wait_for

# Each leaves the rules of the others in place: what flushes everything is followed by what brings theirs back.
OWN = {
    "dock": "systemctl reset-failed docker.service docker.socket; systemctl restart docker",
    "fire": "firewall-cmd --reload",
    "ufw": "ufw reload",
    "virt": "systemctl reset-failed libvirtd.service; systemctl restart libvirtd",
}
EVENTS = ["OWN", "nft flush ruleset; OWN"]
# The same wherever they happen.
ON_ONE = [
    "systemctl start nftables; OWN",
    "systemctl restart nftables; OWN",
    "systemctl reload nftables; OWN",
    "systemctl stop nftables; OWN",
    "nft delete table inet vmnet",
]


def has_table(host: Host) -> bool:
    return "table inet vmnet" in host.run("nft list tables").lines


@pytest.mark.parametrize("event", [*EVENTS, *ON_ONE])
def test_guests_have_what_is_promised_after(host: Host, broken: Callable[[], list[str]], event: str) -> None:
    if event in ON_ONE and host.name != "virt":
        pytest.skip("it is the same on all hosts; on one of them it is seen")
    host.run(event.replace("OWN", OWN[host.name]), timeout=120)
    wait_for(f"{host}: the table", lambda: has_table(host), timeout=30)
    if host.name == "dock":  # its rules may come after ours
        wait_for(f"{host}: our rules", lambda: "vmnet8" in host.run("iptables -S DOCKER-USER").stdout, timeout=30)
    assert broken() == []


def test_no_unit_has_failed(host: Host) -> None:
    assert host.run("systemctl list-units --failed --no-legend --plain").stdout == ""
