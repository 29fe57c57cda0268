# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot every network is served again, and who had a lease has it still."""

from __future__ import annotations

from lab import Host
from verify import client


def test_the_leases_are_still_there(host: Host) -> None:
    before = host.run("cat /var/lib/vmnet/vmnet11/leases").stdout
    assert before
    assert "52:54:00:00:11:00" in before
    with client(host, "vmnet11", "52:54:00:00:11:00") as who:
        assert who.dhclient(release=False)["ip_address"] in before


def test_every_network_is_served(host: Host) -> None:
    for bridge in ("vmnet1", "vmnet8", "vmnet10"):
        with client(host, bridge, "52:54:00:00:00:99") as who:
            assert who.dhclient().get("ip_address"), bridge
