# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who gets a lease, how long, and how many do."""

from __future__ import annotations

from lab import Host
from verify import client


def test_only_known_guests_are_served_and_their_lease_never_ends(host: Host) -> None:
    with client(host, "vmnet9", "52:54:00:00:00:90") as who:
        told = who.dhclient()
        assert (told.get("ip_address"), told.get("dhcp_lease_time")) == ("10.9.0.90", str(2**32 - 1)), told
    with client(host, "vmnet9", "52:54:00:00:00:99") as who:
        assert who.dhclient(patience=8) == {}


def test_a_network_without_dns_names_no_server(host: Host) -> None:
    with client(host, "vmnet9", "52:54:00:00:00:90") as who:
        assert "domain_name_servers" not in who.dhclient()


def test_there_are_no_more_leases_than_allowed(host: Host) -> None:
    macs = [f"52:54:00:00:11:0{number}" for number in range(3)]
    got = []
    for mac in macs:
        with client(host, "vmnet11", mac) as who:
            got.append(bool(who.dhclient(patience=8, release=False)))
    assert got == [True, True, False]


def test_a_client_that_offers_it_gets_its_lease_with_two_messages(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:9a") as who:
        cursor = host.run("journalctl --sync; journalctl -n 0 --show-cursor -q").stdout.partition("cursor: ")[2].strip()
        assert who.dhcpcd("--option rapid_commit").get("ip_address")
        said = host.run(f"journalctl --sync; journalctl -o cat -u vmnet-dhcp@vmnet8 --after-cursor '{cursor}'").stdout
    messages = [word.partition("(")[0] for line in said.splitlines() for word in line.split()[:1] if "(vmnet8)" in word]
    assert [message for message in messages if message.startswith("DHCP")][:2] == ["DHCPDISCOVER", "DHCPACK"], said


def test_who_asks_for_an_address_of_elsewhere_is_told_at_once(host: Host) -> None:
    """The server is the only one there (authoritative): it refuses instead of keeping silent."""
    with client(host, "vmnet8", "52:54:00:00:00:9b") as who:
        assert who.dhclient(release=False).get("ip_address")
        who.run(
            "cp /run/client.client.leases /run/client-leases.client; sed -i s/192.168.233/172.16.9/ /run/client-leases.client"
        )
        who.run(
            "rm -f /run/client.client.B*; timeout 20 dhclient -1 -v -lf /run/client-leases.client -pf /run/client.client.pid"
            f" -sf {who.script} eth0 2> /run/client-said.client",
            check=False,
        )
        assert (
            "DHCPNAK"
            in who.run(
                "cat /run/client-said.client; kill $(cat /run/client.client.pid); rm /run/client-leases.client"
            ).stdout
        )
