# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network and the modules that make it, each with its list, in the order in which they are run."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Host
from verify import Staged

Step = tuple[str, dict[str, Any]]

NETWORK: list[Step] = [
    (
        "policies",
        {"policies": [{"bridge": "br0", "subnets": ["10.77.0.0/24", "fd00:77::/64"], "mode": "nat"}]},
    ),
    (
        "bridges",
        {
            "bridges": [
                {"name": "br0", "addresses": ["10.77.0.1/24", "fd00:77::1/64"], "mtu": 1400},
                {"name": "br1", "ports": ["eth1"], "stp": True},
            ]
        },
    ),
    (
        "taps",
        {
            "taps": [
                {"name": "t0", "bridge": "br0", "owner": "1000", "isolated": True},
                {"name": "t1", "bridge": "br1", "multi_queue": True},
            ]
        },
    ),
    (
        "dhcp",
        {"dhcp": [{"bridge": "br0", "addresses": ["10.77.0.1/24"], "ranges": ["10.77.0.100-10.77.0.200"]}]},
    ),
]


@pytest.fixture(scope="module")
def staged(host: Host) -> Staged:
    return Staged(host)
