# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""At boot no tap is put into a bridge that NetworkManager has made and not taken yet: it would leave it without addresses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import Bed, Host

QUESTIONS = 5  # so often the bridge is said to be there and not taken, state 20; then NetworkManager itself is asked
NMCLI = f"""\
#!/bin/sh
for _ in $(seq 100); do [ -e /sys/class/net/vmnet0 ] && break; sleep 0.1; done
echo >> /run/lab-asked
[ "$(wc -l < /run/lab-asked)" -gt {QUESTIONS} ] && exec /usr/bin/nmcli "$@"
ip -o link show master vmnet0 >> /run/lab-ports
echo "20 (unavailable)"
"""
DROP_IN = "etc/systemd/system/vmnet.service.d/lab.conf"


def hosts_with_networkmanager(bed: Bed) -> list[Host]:
    return [host for host in bed.hosts.values() if host.machine.manager == "networkmanager"]


@pytest.fixture(scope="module", autouse=True)
def rebooted(bed: Bed) -> Iterator[None]:
    """The hosts after a boot at which NetworkManager was slow."""
    for host in hosts_with_networkmanager(bed):
        tool = host.disk / "opt/lab/nmcli"
        tool.parent.mkdir(parents=True)
        tool.write_text(NMCLI)
        tool.chmod(0o755)
        (host.disk / DROP_IN).write_text("[Service]\nEnvironment=PATH=/opt/lab:/usr/sbin:/usr/bin:/sbin:/bin\n")
    with ThreadPoolExecutor() as pool:
        list(pool.map(Host.reboot, hosts_with_networkmanager(bed)))
    yield
    for host in hosts_with_networkmanager(bed):
        host.run(f"rm -r /opt/lab /{DROP_IN} /run/lab-asked /run/lab-ports; systemctl daemon-reload")


def test_a_tap_waits_until_the_bridge_is_taken(bed: Bed) -> None:
    for host in hosts_with_networkmanager(bed):
        asked = len(host.run("cat /run/lab-asked").lines)
        # Many more of them would be that the answer was not understood.
        assert QUESTIONS < asked < 10 * QUESTIONS, host.name
        assert "vnet0" not in host.run("cat /run/lab-ports").stdout, host.name


def test_the_host_and_its_guests_are_on_the_network(bed: Bed) -> None:
    for host in hosts_with_networkmanager(bed):
        assert "master vmnet0" in host.run("ip -o link show vnet0").stdout, host.name
        assert host.address in host.run("ip -o -4 address show dev vmnet0").stdout, host.name
