# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What cannot be an uplink is refused with the reason, before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Bed, difference
from verify import Scenario, run_playbook

PLAYBOOK = "tapestry.vmnet.bridged"


@pytest.mark.parametrize(
    ("network", "why"),
    [
        pytest.param({"uplink": "eth7"}, "eth7 does not exist on this host; it has eth0, eth1", id="not there"),
        pytest.param({"uplink": "eth0"}, "eth0 is already a port of vmnet0", id="in another bridge"),
        pytest.param({"uplink": "vnet0"}, "vnet0 is already a port of vmnet0", id="a tap"),
        pytest.param({"uplink": "vmnet0"}, "vmnet0 is a bridge", id="our own bridge"),
        pytest.param({"uplink": "lo"}, "lo has a meaning of its own in the kernel", id="loopback"),
    ],
)
def test_what_cannot_be_an_uplink(scenario: Scenario, bed: Bed, network: dict[str, Any], why: str) -> None:
    host = next(iter(bed.hosts.values()))
    before = host.snapshot()
    networks = [{"name": "vmnet5", **network}]
    run = run_playbook(PLAYBOOK, scenario.inventory, bridged_networks=networks, vmnet_hosts=host.name)
    assert why in run.failures[host.name], run.output
    assert difference(before, host.snapshot()) == []
