# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same without systemd: plain daemons with the same files, which the script for boot starts again."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Host
from verify import Scenario, client, run_task

NETWORK = {
    "bridge": "vmnet20",
    "addresses": ["10.20.0.1/24"],
    "ranges": ["10.20.0.100-10.20.0.110"],
    "dns": {"domain": "vmnet20.internal"},
}
WEB = {"name": "web", "mac": "52:54:00:00:00:65", "addresses": ["10.20.0.20"]}


@pytest.fixture(scope="module", autouse=True)
def bridge(host: Host) -> Any:
    host.run("ip link add vmnet20 type bridge; ip addr add 10.20.0.1/24 dev vmnet20; ip link set vmnet20 up")
    yield
    host.run("ip link del vmnet20")


def apply(scenario: Scenario, host: Host, state: str = "present", **fields: Any) -> None:
    arguments = {"scope": "plain", "service_manager": "none", "state": state, "dhcp": [{**NETWORK, **fields}]}
    task = {"tapestry.vmnet.dhcp": arguments}
    predicted, done, again = (
        run_task(scenario, host.name, task, check=check).succeeded() for check in (True, False, False)
    )
    assert predicted.changes_on(host.name) == done.changes_on(host.name) != []
    assert again.changes_on(host.name) == []


def pid(host: Host) -> str:
    return host.run("cat /run/vmnet-dhcp/vmnet20/pid").stdout.strip()


def test_a_plain_daemon_serves_reloads_and_goes(scenario: Scenario, host: Host) -> None:
    apply(scenario, host)
    first = pid(host)
    assert "dnsmasq" in host.run(f"cat /proc/{first}/comm").stdout
    assert "Uid:\t0" not in host.run(f"cat /proc/{first}/status").stdout  # it gives up being root
    assert not host.run("systemctl is-active vmnet-dhcp@vmnet20.service", check=False).ok
    with client(host, "vmnet20", WEB["mac"]) as who:
        assert who.dhclient(release=False)["ip_address"].startswith("10.20.0.1")

        apply(scenario, host, reservations=[WEB])
        assert pid(host) == first
        assert who.dhclient(release=False)["ip_address"] == "10.20.0.20"

        # As at boot after a power cut: no process, and what is in /run is gone.
        host.run(f"kill -9 {first}; rm -r /run/vmnet-dhcp/vmnet20; sh /etc/vmnet/restore")
        assert pid(host) != first
        assert "10.20.0.20" in host.run("cat /var/lib/vmnet/vmnet20/leases").stdout
        assert who.dhclient(release=False)["ip_address"] == "10.20.0.20"

        apply(scenario, host, reservations=[WEB], lease_time="2h")
        assert who.dhclient(release=False)["dhcp_lease_time"] == "7200"

        apply(scenario, host)
        assert "10.20.0.20" not in host.run("cat /var/lib/vmnet/vmnet20/leases").stdout

    last = pid(host)
    apply(scenario, host, state="absent")
    assert not host.run(f"test -e /proc/{last}", check=False).ok
    assert not host.run("ls /run/vmnet-dhcp/vmnet20 /var/lib/vmnet/vmnet20 /etc/vmnet/dhcp/vmnet20", check=False).stdout
