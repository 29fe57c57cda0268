# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server as a process: unprivileged, in a sandbox, back after a crash, and waiting for a bridge that comes later."""

from __future__ import annotations

import re

from lab import Host
from lab.waiting import wait_for
from verify import Scenario, client, run_task

UNIT = "vmnet-dhcp@vmnet8.service"
LATER = {"bridge": "vmnet20", "addresses": ["10.20.0.1/24"], "ranges": ["10.20.0.100-10.20.0.110"]}


def pid(host: Host, unit: str = UNIT) -> str:
    return host.run(f"systemctl show --property=MainPID --value {unit}").stdout.strip()


def leases(host: Host) -> str:
    return host.run("cat /var/lib/vmnet/vmnet8/leases").stdout


def test_its_exposure_is_below_2_5(host: Host) -> None:
    said = host.run(f"systemd-analyze security --no-pager {UNIT}", check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) < 2.5, said


def test_it_is_not_root_and_can_do_nothing_but_networking(host: Host) -> None:
    status = dict(line.split(":\t", 1) for line in host.run(f"cat /proc/{pid(host)}/status").lines if ":\t" in line)
    assert set(status["Uid"].split()) != {"0"}
    assert status["NoNewPrivs"] == "1"
    allowed = {10, 12, 13}  # CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW
    assert {bit for bit in range(64) if int(status["CapBnd"], 16) >> bit & 1} == allowed


def test_after_a_crash_it_is_back_with_its_leases(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:9c") as who:
        told = who.dhclient(release=False)
        before = pid(host)
        host.run(f"kill -9 {before}")
        wait_for("another process", lambda: pid(host) not in ("0", before), timeout=30, interval=0.5)
        assert told["ip_address"] in leases(host)
        assert who.dhclient()["ip_address"] == told["ip_address"]


def test_a_bridge_that_comes_later_is_waited_for(host: Host, scenario: Scenario) -> None:
    task = {"tapestry.vmnet.dhcp": {"scope": "later", "dhcp": [LATER]}}
    run_task(scenario, host.name, task).succeeded()
    host.run("ip link add vmnet20 type bridge; ip addr add 10.20.0.1/24 dev vmnet20; ip link set vmnet20 up")
    try:
        with client(host, "vmnet20", "52:54:00:00:00:9d") as who:
            assert who.dhclient().get("ip_address", "").startswith("10.20.0.1")
    finally:
        task["tapestry.vmnet.dhcp"]["state"] = "absent"
        run_task(scenario, host.name, task).succeeded()
        host.run("ip link del vmnet20")
