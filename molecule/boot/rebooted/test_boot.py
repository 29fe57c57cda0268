# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network is back without Ansible; what is not to start has not; and a run brings that back, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab import Host, Snapshot
from verify import Run, Scenario, left, run_playbook, without_guests

# Of the network that is not to start.
NOT_BACK = re.compile(r"vmnet9|vnet9|/run/vmnet(/| )")


# NetworkManager 1.42 turns link-local addresses on again for a tap that it leaves alone, unless that was there before it started;
# and it sets what concerns its own interface as a host, which the kernel sets for all when the host becomes a router.
OF_MANAGERS = re.compile(
    r"/run/NetworkManager|/var/lib/(NetworkManager|dhcp)|lab-looks|nm-dispatcher"
    r"|net\.ipv6\.conf\.(eth\d\.forwarding|vnet\d\.addr_gen_mode)|6 type=anycast .* dev=eth\d "
)


def without(pattern: re.Pattern[str], snapshot: Snapshot) -> Snapshot:
    taps = [re.sub(r" inet6_addr_gen_mode=\S+(?= kind=tun)", "", line) for line in snapshot["links"]]
    found = without_guests(snapshot | {"links": taps})
    return {
        name: [line for line in lines if not (pattern.search(line) or OF_MANAGERS.search(line))]
        for name, lines in found.items()
    }


@pytest.fixture(scope="module", autouse=True)
def _as_others_left_it(host: Host) -> Iterator[None]:
    """What was put there to be in the way of this boot goes after it."""
    yield
    if "networkd" in host.machine.variants:
        host.run("rm /etc/systemd/network/50-all.network && networkctl reload")


def test_everything_else_is_back_without_ansible(scenario: Scenario, host: Host) -> None:
    before, after = (without(NOT_BACK, scenario.snapshot(moment, host)) for moment in ("running", "rebooted"))
    assert left(before, after) == []


def test_what_is_not_to_start_is_not_there(scenario: Scenario, host: Host) -> None:
    before, after = (scenario.snapshot(moment, host) for moment in ("running", "rebooted"))
    for section in ("links", "addresses", "nftables", "processes", "units"):
        assert any("vmnet9" in line for line in before[section]), section
        assert not [line for line in after[section] if "vmnet9" in line or "vnet9" in line], section


def test_what_is_not_to_start_leaves_no_parameter_to_set(host: Host) -> None:
    assert "vmnet" not in host.run("cat /etc/sysctl.d/60-vmnet.conf").stdout
    assert "no parameter" not in host.run("journalctl --boot --unit vmnet.service").stdout


def test_links_are_back_before_whoever_wants_the_network(host: Host) -> None:
    seen = host.run("cat /var/tmp/links").stdout
    assert " vmnet8: " in seen
    assert " vnet0: " in seen
    host.run("systemctl disable --quiet lab-looks; rm /etc/systemd/system/lab-looks.service; systemctl daemon-reload")


def test_no_unit_has_failed(host: Host) -> None:
    assert host.run("systemctl list-units --failed --no-legend --plain").stdout == ""


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[Run]:
    steps = (True, False, False)
    return [run_playbook(scenario.playbook, scenario.inventory, check=check).succeeded() for check in steps]


def test_a_run_brings_it_back_as_check_mode_says(runs: list[Run], host: Host) -> None:
    assert runs[0].changes_on(host.name)
    assert runs[1].changes_on(host.name) == runs[0].changes_on(host.name)
    assert runs[2].changes_on(host.name) == []


@pytest.mark.usefixtures("runs")
def test_the_host_is_then_as_before_the_reboot(scenario: Scenario, host: Host) -> None:
    before, after = (without(OF_MANAGERS, found) for found in (scenario.snapshot("running", host), host.snapshot()))
    assert left(before, after) == []


@pytest.mark.usefixtures("runs")
def test_a_restart_of_the_service_sets_what_networks_need_that_are_not_to_start(host: Host) -> None:
    localnet = "/proc/sys/net/ipv4/conf/vmnet9/route_localnet"
    said = host.run(f"cat {localnet}; echo 0 > {localnet}; systemctl restart vmnet.service; cat {localnet}").stdout
    assert said == "1\n1\n"
