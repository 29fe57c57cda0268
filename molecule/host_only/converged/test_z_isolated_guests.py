# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With isolate_guests the peers are apart too, from the moment of the change; the last to run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Guest, Host
from verify import Scenario, answers, run_playbook, silent


@pytest.fixture(scope="module", autouse=True)
def isolated(scenario: Scenario) -> Iterator[None]:
    playbook, networks = "tapestry.vmnet.host_only", scenario.networks("host12")
    apart = [networks[0] | {"isolate_guests": True}, *networks[1:]]
    run = run_playbook(playbook, scenario.inventory, host_only_networks=apart).succeeded()
    assert all(run.changed.values())
    yield
    run_playbook(playbook, scenario.inventory).succeeded()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("protocol", "port"), [("icmp", 0), ("tcp", 80), ("udp", 7)])
def test_peers_do_not_reach_one_another(
    guests: dict[str, Guest], addresses: dict[int, dict[str, str]], protocol: str, port: int, family: int
) -> None:
    assert silent(guests["two"], addresses[family]["one"], port, protocol)


def test_the_host_and_a_guest_still_reach_one_another(
    host: Host, guests: dict[str, Guest], addresses: dict[int, dict[str, str]]
) -> None:
    assert answers(guests["two"], "192.168.56.1", protocol="icmp")
    assert answers(host, addresses[4]["two"], 80)
