# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a network would be dead on arrival, the role says who kills it, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Host
from verify import Scenario, left, run_playbook, snapshots

OTHER = [{"name": "vmnet7", "addresses": ["192.168.77.1/24"], "dhcp": {"ranges": ["192.168.77.100-192.168.77.200"]}}]
NAMED = {
    "dock": "table ip filter, chain FORWARD (Docker)",
    "ufw": "table ip filter, chain INPUT (ufw)",
    "fire": "table inet firewalld, chain filter_FORWARD (firewalld)",
}
FOREIGN = "table inet others { chain closed { type filter hook forward priority 20; policy drop; }; }"


@pytest.fixture(scope="module")
def strange_firewall(bed: Bed) -> Iterator[None]:
    """One that nobody knows, on a host where otherwise nobody drops anything."""
    bed.hosts["virt"].run(["nft", FOREIGN])
    yield
    bed.hosts["virt"].run("nft delete table inet others")


@pytest.mark.parametrize("check", [True, False], ids=["check mode", "run"])
def test_report_names_table_and_chain_and_changes_nothing(bed: Bed, scenario: Scenario, check: bool) -> None:
    before = snapshots(bed)
    only = {"vmnet_hosts": "dock:fire:ufw", "nat_coexist": "report", "nat_networks": OTHER}
    run = run_playbook("tapestry.vmnet.nat", scenario.inventory, check=check, **only)
    assert run.failures.keys() == NAMED.keys()
    for name, words in NAMED.items():
        assert words in run.failures[name]
        assert run.changed[name] == 0
        assert left(before[name], bed.hosts[name].snapshot()) == []


@pytest.mark.parametrize("how", ["auto", "report"])
@pytest.mark.usefixtures("strange_firewall")
def test_a_firewall_that_nobody_knows_is_named(scenario: Scenario, how: str) -> None:
    only = {"vmnet_hosts": "virt", "nat_coexist": how, "nat_networks": OTHER}
    run = run_playbook("tapestry.vmnet.nat", scenario.inventory, **only)
    assert "networks[vmnet7]: table inet others, chain closed drops what guests of vmnet7 send" in run.failures["virt"]
    assert run.changed["virt"] == 0


@pytest.mark.usefixtures("strange_firewall")
def test_off_does_not_look(scenario: Scenario) -> None:
    only = {"vmnet_hosts": "virt", "nat_coexist": "off", "nat_networks": OTHER}
    run_playbook("tapestry.vmnet.nat", scenario.inventory, check=True, **only).succeeded()


def test_a_bridged_network_is_refused_where_firewalld_would_cut_it(scenario: Scenario) -> None:
    lan = [{"name": "vmnet0", "uplink": "eth1"}]
    run = run_playbook("tapestry.vmnet.bridged", scenario.inventory, vmnet_hosts="fire", bridged_networks=lan)
    assert "chain filter_FORWARD (firewalld) drops what guests of vmnet0 send each other" in run.failures["fire"]
    assert run.changed["fire"] == 0


def test_ports_that_firewalld_keeps_to_itself_are_refused(scenario: Scenario, bed: Bed) -> None:
    host: Host = bed.hosts["fire"]
    settings = "/etc/firewalld/firewalld.conf"
    host.run(f"sed -i.kept s/^StrictForwardPorts=no/StrictForwardPorts=yes/ {settings} && firewall-cmd --reload")
    try:
        run = run_playbook("tapestry.vmnet.nat", scenario.inventory, vmnet_hosts="fire")
        assert "drops what is forwarded to guests of vmnet8. StrictForwardPorts" in run.failures["fire"]
        assert run.changed["fire"] == 0
    finally:
        host.run(f"mv {settings}.kept {settings} && firewall-cmd --reload")
