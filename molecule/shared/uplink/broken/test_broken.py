# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A role that cuts a host off fails with a clear message, and the host has everything back."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pytest

from lab import Bed, Host, LabError
from lab.waiting import wait_for
from verify import Run, Scenario, left, run_playbook, snapshots

# No packet of a new connection is answered by way of the bridge. Established ones are, or the module could not say anything.
CLOSED = (
    "add table inet closed; add chain inet closed input { type filter hook input priority 0; };"
    " add rule inet closed input iifname vmnet0 tcp dport 22 tcp flags & (syn | ack) == syn drop"
)
CUT = CLOSED.replace(" tcp flags & (syn | ack) == syn", "")


@dataclass(frozen=True)
class Broken:
    """A run that broke every host; by host, what its uplink was like after it, and what had changed once the bridge was gone."""

    run: Run
    uplinks: dict[str, str]
    removed: Run
    left: dict[str, list[str]]


def has_address(host: Host, look: str) -> bool:
    return f" {host.address}/24" in host.run(look.format(host.uplink)).stdout


def patience(host: Host) -> int:
    """Seconds in which nobody confirms; an emulated processor takes some for the move itself."""
    return 30 if host.machine.own_kernel else 8


# Of the session: of a module, pytest would go through both with one host after the other, and break them all each time.
@pytest.fixture(scope="session", params=["closed to new connections", "cut off"])
def broken(scenario: Scenario, bed: Bed, request: pytest.FixtureRequest) -> Broken:
    networks = {
        name: [network | {"confirm_timeout": patience(host)} for network in scenario.networks(name)]
        for name, host in bed.hosts.items()
    }
    before = snapshots(bed)
    for host in bed.hosts.values():
        host.run(["nft", CLOSED if request.param.startswith("closed") else CUT])
    asked = "{{ networks[inventory_hostname] }}"
    run = run_playbook("tapestry.vmnet.bridged", scenario.inventory, networks=networks, bridged_networks=asked)
    for host in bed.hosts.values():
        host.run("nft delete table inet closed")
    look = "ip -o link show {0}; ip -o addr show {0}"
    uplinks = {name: host.run(look.format(host.uplink)).stdout for name, host in bed.hosts.items()}
    for host in bed.hosts.values():
        # One that is late fails its own test of that, and one that never comes back the one of what is left on it.
        with suppress(LabError):
            wait_for("its address", partial(has_address, host, look), timeout=60, interval=0.5)
    removed = run_playbook("tapestry.vmnet.bridged", scenario.inventory, bridged_state="absent")
    return Broken(run, uplinks, removed, {name: left(before[name], after) for name, after in snapshots(bed).items()})


def test_a_run_that_cuts_the_host_off_fails_and_says_so(host: Host, broken: Broken) -> None:
    assert f"within {patience(host)} seconds" in broken.run.failures[host.name]
    assert "everything back as it was" in broken.run.failures[host.name]


def test_the_host_is_back_at_once(host: Host, broken: Broken) -> None:
    assert f" {host.address}/24" in broken.uplinks[host.name], broken.run.failures[host.name]
    assert "master" not in broken.uplinks[host.name]


def test_nothing_of_it_is_left(host: Host, broken: Broken) -> None:
    assert host.name not in broken.removed.failures, broken.removed.failures[host.name]
    # A DHCP client that the way back has started stays in its unit, which systemd lists for as long.
    unit = re.compile(r"unit_files: [+-]vmnet-uplinks-\w+\.service transient")
    # Where the play has ended before the host was through, nobody was told, and the account of it stays for as long as /run.
    account = "/run/vmnet-uplinks" if "it is putting" in broken.run.failures[host.name] else "\0"
    assert [line for line in broken.left[host.name] if not unit.fullmatch(line) and account not in line] == []
