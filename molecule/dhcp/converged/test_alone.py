# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""It answers on its own bridge and nowhere else, beside other servers of the host; and says who is in its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import Bed, Host
from verify import Scenario, client, name_server_answers, run_task, snapshots

NEW = {"bridge": "vmnet21", "addresses": ["10.21.0.1/24"], "ranges": ["10.21.0.100-10.21.0.110"]}


@contextmanager
def another_dnsmasq(host: Host, options: str) -> Iterator[str]:
    """A dnsmasq of somebody else; its process id."""
    host.run(f"dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --pid-file=/run/other.pid {options}")
    try:
        yield host.run("cat /run/other.pid").stdout.strip()
    finally:
        host.run("kill $(cat /run/other.pid); rm -f /run/other.pid /var/lib/misc/dnsmasq.leases")


def test_nobody_on_the_lan_gets_an_answer(bed: Bed, host: Host) -> None:
    bed.attacker.route("192.168.233.0/24", host.address)
    for server in (host.address, host.address6, "192.168.233.2"):
        assert not name_server_answers(bed.attacker, server, "web.vmnet8.internal"), server
    bed.attacker.unroute("192.168.233.0/24")


def test_the_host_has_its_loopback_and_uplinks_for_others(host: Host) -> None:
    sockets = host.run("ss -Hlntu 'sport = :53'").lines
    assert sockets
    taken = {line.split()[4].rpartition(":")[0].strip("[]").partition("%")[0] for line in sockets}
    assert not taken & {"127.0.0.1", "::1", "0.0.0.0", "::", "*", host.address, host.address6}, taken


def test_one_network_has_no_answer_for_another(host: Host) -> None:
    with client(host, "vmnet10", "52:54:00:00:00:9e") as who:
        who.run("ip addr add 10.10.0.77/16 dev eth0; ip route add default via 10.10.0.1")
        assert name_server_answers(who, "10.10.0.1", "x.vmnet10.internal")
        assert not name_server_answers(who, "192.168.233.2", "web.vmnet8.internal")


def test_another_dnsmasq_and_dhcp_server_keep_working(host: Host) -> None:
    """As libvirt's and systemd-resolved are there: on addresses of their own, DHCP for a bridge of their own."""
    host.run("ip link add virbr9 type bridge; ip addr add 10.99.0.1/24 dev virbr9; ip link set virbr9 up")
    options = "--bind-dynamic --interface=virbr9 --except-interface=lo --dhcp-range=10.99.0.100,10.99.0.110"
    try:
        with another_dnsmasq(host, options), client(host, "virbr9", "52:54:00:00:00:9f") as theirs:
            assert theirs.dhclient().get("dhcp_server_identifier") == "10.99.0.1"
            with client(host, "vmnet8", "52:54:00:00:00:a0", name="ours") as ours:
                assert ours.dhclient().get("dhcp_server_identifier") == "192.168.233.2"
    finally:
        host.run("ip link del virbr9; rm -f /var/lib/misc/dnsmasq.leases")


@pytest.mark.parametrize(
    ("options", "place"),
    [
        pytest.param("--port=53", "tcp port 53 of 10.21.0.1", id="DNS on all addresses"),
        pytest.param("--port=0 --dhcp-range=10.99.0.100,10.99.0.110,1h", "udp port 67 of all addresses", id="DHCP"),
    ],
)
def test_who_has_a_port_is_named_before_anything_changes(
    bed: Bed, host: Host, scenario: Scenario, options: str, place: str
) -> None:
    units = host.run("systemctl list-units --plain --no-legend 'vmnet-dhcp@*' | cut -d' ' -f1").stdout.split()
    host.run(["systemctl", "stop", *units])  # whose DHCP sockets leave no room for one that does not share
    try:
        with another_dnsmasq(host, options) as pid:
            before = snapshots(bed)[host.name]
            run = run_task(scenario, host.name, {"tapestry.vmnet.dhcp": {"scope": "x", "dhcp": [NEW]}})
            assert snapshots(bed)[host.name] == before
    finally:
        host.run(["systemctl", "start", *units])
    [message] = run.failures.values()
    assert f"dhcp[vmnet21]: {place} is taken by dnsmasq (pid {pid})" in message


def test_a_kernel_that_cannot_complete_checksums_is_said_before_anything_changes(
    bed: Bed, host: Host, scenario: Scenario
) -> None:
    if host.run("unshare -n tc actions add action csum udp", check=False).ok:
        pytest.skip("this kernel has act_csum")
    host.run("ip link add vmnet21 type bridge")
    try:
        before = snapshots(bed)[host.name]
        task = {"tapestry.vmnet.dhcp": {"scope": "x", "dhcp": [{**NEW, "checksum_fix": "tc"}]}}
        run = run_task(scenario, host.name, task)
        assert snapshots(bed)[host.name] == before
    finally:
        host.run("ip link del vmnet21")
    [message] = run.failures.values()
    assert "dhcp[vmnet21].checksum_fix: tc needs act_csum and cls_flower of the kernel" in message
