# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network that is no longer listed goes with purge, and gives its uplink back; the others stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Host
from verify import Scenario, run_playbook

PLAYBOOK = "tapestry.vmnet.bridged"
SPARE = {"name": "vmnet6", "uplink": "spare0"}


@pytest.fixture
def spare(host: Host) -> Iterator[None]:
    """A network card more. What the host is on one moves in the scenario `uplink`."""
    host.run("ip link add spare0 type veth peer name spare1")
    host.run("ip link set spare0 up && ip link set spare1 up")
    yield
    host.run("ip link del spare0")


@pytest.mark.usefixtures("spare")
def test_a_network_that_is_not_listed_any_more_goes_and_its_uplink_comes_back(scenario: Scenario, host: Host) -> None:
    networks = scenario.networks(host.name)

    def play(check: bool = False, **variables: object) -> list[object]:
        run = run_playbook(PLAYBOOK, scenario.inventory, check=check, vmnet_hosts=host.name, **variables)
        return run.succeeded().changes_on(host.name)

    assert play(bridged_networks=[*networks, SPARE])
    assert "master vmnet6" in host.run("ip link show spare0").stdout
    predicted = play(check=True, bridged_networks=networks, bridged_purge=True)
    assert play(bridged_networks=networks, bridged_purge=True) == predicted
    assert not host.run("ip link show vmnet6", check=False).ok
    assert "master" not in host.run("ip link show spare0").stdout
    assert "master vmnet0" in host.run("ip link show eth1").stdout
    assert play(bridged_networks=networks, bridged_purge=True) == []
