# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client that reads raw packets gets answers with a checksum that is right, where it is asked for."""

from __future__ import annotations

import pytest

from lab import Host
from verify import Scenario, offered, run_task


def test_the_answer_of_the_server_has_a_checksum_that_is_right(host: Host) -> None:
    assert "[udp sum ok]" in offered(host, "vmnet1")


def test_without_the_fix_it_is_left_to_the_receiver(host: Host) -> None:
    """This is what the fix is for; if it passes for right here, the test above proves nothing."""
    assert "bad udp cksum" in offered(host, "vmnet2")


@pytest.mark.parametrize("gone", ["checksum_fix", "bridge"])
def test_it_goes_without_a_trace(host: Host, scenario: Scenario, gone: str) -> None:
    network = {"bridge": "vmnet3", "addresses": ["192.168.58.1/24"], "ranges": ["192.168.58.10-192.168.58.20"]}
    host.run("ip link add vmnet3 type bridge; ip addr add 192.168.58.1/24 dev vmnet3; ip link set vmnet3 up")
    task = {"tapestry.vmnet.dhcp": {"scope": "x", "dhcp": [{**network, "checksum_fix": "tc"}]}}
    run_task(scenario, host.name, task).succeeded()
    assert "csum" in host.run("tc filter show dev vmnet3 egress").stdout
    if gone == "bridge":
        host.run("ip link del vmnet3")
        task = {"tapestry.vmnet.dhcp": {"scope": "x", "dhcp": [network], "state": "absent"}}
    else:
        task = {"tapestry.vmnet.dhcp": {"scope": "x", "dhcp": [network]}}
    run_task(scenario, host.name, task).succeeded()
    if gone != "bridge":
        assert "clsact" not in host.run("tc qdisc show dev vmnet3").stdout
        task["tapestry.vmnet.dhcp"]["state"] = "absent"
        run_task(scenario, host.name, task).succeeded()
        host.run("ip link del vmnet3")
    assert not host.run("ls /etc/vmnet/dhcp/vmnet3", check=False).stdout
