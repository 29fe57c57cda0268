# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong is refused, with the place and what would be right, and the hosts stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, difference
from verify import Scenario, refusals, snapshots

NETWORK = {"name": "vmnet0", "uplink": "eth1"}
GUEST = {"name": "vm", "mac": "52:54:00:00:00:65", "tap": {"name": "vnet0"}}


@pytest.fixture(scope="module", autouse=True)
def untouched(bed: Bed) -> Iterator[None]:
    before = snapshots(bed)
    yield
    for name, after in snapshots(bed).items():
        assert difference(before[name], after) == [], name


@pytest.mark.parametrize(
    ("networks", "at", "right"),
    [
        pytest.param([{"name": "vmnet0"}], "bridged_networks[vmnet0].uplink", "missing", id="no uplink"),
        pytest.param(
            [NETWORK | {"uplink": "eth7"}], "bridges[vmnet0].uplink: eth7", "it has eth0, eth1", id="unknown uplink"
        ),
        pytest.param([NETWORK | {"uplink": "vmnet0"}], "bridged_networks[vmnet0].uplink", "physical", id="itself"),
        pytest.param(
            [NETWORK | {"name": "a-name-too-long-"}],
            "bridged_networks[a-name-too-long-].name",
            "15",
            id="name too long",
        ),
        pytest.param([NETWORK | {"addresses": []}], "bridged_networks[vmnet0].addresses", "uplink", id="unknown field"),
        pytest.param(
            [NETWORK, NETWORK | {"name": "vmnet5"}],
            "bridged_networks[vmnet5].uplink",
            "bridged_networks[vmnet0]",
            id="uplink used twice",
        ),
        pytest.param([NETWORK, NETWORK | {"uplink": "eth2"}], "bridged_networks", "vmnet0", id="name used twice"),
        pytest.param([NETWORK | {"mtu": 9}], "bridged_networks[vmnet0].mtu", "68", id="MTU too small"),
        pytest.param(
            [NETWORK | {"guests": [GUEST, GUEST | {"name": "other", "tap": {"name": "vnet1"}}]}],
            "bridged_networks[vmnet0].guests[other].mac",
            "bridged_networks[vmnet0].guests[vm]",
            id="MAC used twice",
        ),
        pytest.param(
            [NETWORK | {"guests": [GUEST | {"port_security": True}]}],
            "bridged_networks[vmnet0].guests[vm].port_security",
            "tap",
            id="a field of later",
        ),
    ],
)
def test_it_is_refused(scenario: Scenario, networks: list[dict[str, Any]], at: str, right: str) -> None:
    for message in refusals(scenario, bridged_networks=networks):
        assert at in message
        assert right in message


def test_a_name_that_another_role_has_is_refused(scenario: Scenario) -> None:
    other = [{"name": "vmnet0", "addresses": ["192.168.56.1/24"]}]
    for message in refusals(scenario, bridged_networks=[NETWORK], host_only_networks=other):
        assert "bridged_networks[vmnet0]" in message
        assert "host_only_networks[vmnet0]" in message
