# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot the leases are still there."""

from __future__ import annotations

from lab import Host
from verify import client


def test_reservations_are_served(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:65") as web:
        assert web.dhclient()["ip_address"] == "192.168.233.20"
