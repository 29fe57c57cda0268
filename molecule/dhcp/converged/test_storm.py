# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two thousand clients at once."""

from __future__ import annotations

import re

import pytest

from lab import Host
from lab.waiting import wait_for
from verify import client

CLIENTS = 2000
# Clients a second, round by round. dnsmasq writes all leases anew for each of them, and syncs; how many a second it can
# serve is the machine's affair, and what else it has to do.
RATES = (40, 20, 10)


def test_two_thousand_clients_all_get_their_lease(host: Host) -> None:
    if not host.run("which perfdhcp", check=False).ok:
        pytest.skip("perfdhcp is not in this release of Debian")
    macs = {f"52:54:00:aa:{number >> 8:02x}:{number & 255:02x}" for number in range(CLIENTS)}
    with client(host, "vmnet10", "52:54:00:00:00:a1") as who:
        who.run("ip addr add 10.10.0.77/16 dev eth0")
        # Two that ask at the same moment may be offered one address; whoever is later is refused and asks again.
        for rate in RATES:
            before = dropped(host)
            said = who.run(
                f"perfdhcp -4 -b mac=52:54:00:aa:00:00 -R {CLIENTS} -r {rate} -n {CLIENTS + 20} -W 5 -l eth0 10.10.0.1",
                check=False,
                timeout=2 * CLIENTS // rate + 60,
            ).stdout
            lost = dropped(host) - before
            missing = macs - leased(host)
            if not missing and not lost:
                break
        assert not missing, said
        assert not lost, f"at {rate} clients a second {lost} datagrams were dropped for want of room"


def leased(host: Host) -> set[str]:
    """Read when the server has nothing to do any more: it writes the file in place."""
    path = "/var/lib/vmnet/vmnet10/leases"
    wait_for("idle", lambda: host.run(f"find -L {path} -newermt '-2 seconds'").stdout == "", timeout=60, interval=1)
    return {line.split()[1] for line in host.run(f"cat {path}").lines}


def dropped(host: Host) -> int:
    """How many datagrams found a full buffer so far."""
    found = re.search(r"^Udp: (?!In).*", host.run("cat /proc/net/snmp").stdout, re.MULTILINE)
    assert found
    return int(found[0].split()[5])
