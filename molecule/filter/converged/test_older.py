# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an older version of the collection has written for other scopes is loaded with the present program, until they are run again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Host

# As 0.2.0 wrote them. Since then sets have come, and of these the names and types stay.
FILES = {
    "policies.nft": """\
add element inet vmnet vn_any_uplink { "old0" comment "vmnet:before/old0" }
add element inet vmnet vn_bridges { "old0" comment "vmnet:before/old0" }
add element inet vmnet vn_closed4 { 192.168.90.0/24 comment "vmnet:before/old0" }
add element inet vmnet vn_closed6 { fd90::/64 comment "vmnet:before/old0" }
add element inet vmnet vn_guarded { "old0" comment "vmnet:before/old0" }
add element inet vmnet vn_in4 { "old0" comment "vmnet:before/old0" : goto from_forwards }
add element inet vmnet vn_in6 { "old0" comment "vmnet:before/old0" : goto from_forwards }
add element inet vmnet vn_inside4 { 192.168.90.0/24 comment "vmnet:before/old0" }
add element inet vmnet vn_inside6 { fd90::/64 comment "vmnet:before/old0" }
add element inet vmnet vn_out4 { "old0" comment "vmnet:before/old0" : jump to_uplinks }
add element inet vmnet vn_out6 { "old0" comment "vmnet:before/old0" : jump to_uplinks }
add element inet vmnet vn_self { "old0" . "old0" comment "vmnet:before/old0" }
add element inet vmnet vn_services { "old0" . tcp . 53 comment "vmnet:before/old0" }
add element inet vmnet vn_services { "old0" . udp . 547 comment "vmnet:before/old0" }
add element inet vmnet vn_sources4 { "old0" . 192.168.90.0/24 comment "vmnet:before/old0" }
add element inet vmnet vn_sources6 { "old0" . fd90::/64 comment "vmnet:before/old0" }
""",
    "nat.nft": """\
add element inet vmnet vn_nat4 { "old1" . 192.168.91.0/24 comment "vmnet:before/old1" }
add element inet vmnet vn_nat6 { "old1" . fd91::/64 comment "vmnet:before/old1" }
add element inet vmnet vn_nat_uplinks4 { "old0" . "eth0" . 192.168.90.0/24 comment "vmnet:before/old0" }
add element inet vmnet vn_snat4 { "old0" . 192.168.90.0/24 comment "vmnet:before/old0" : 192.168.1.200-192.168.1.200 . 1024-65535 }
add element inet vmnet vn_snat_portless4 { "old0" . 192.168.90.0/24 comment "vmnet:before/old0" : 192.168.1.200-192.168.1.200 }
""",
    "port_forwards.nft": """\
add element inet vmnet vn_forwards_any4 { tcp . 8091 comment "vmnet:before/old0" : 192.168.90.10 . 81 }
add element inet vmnet vn_forwards_any_from4 { 192.168.1.0/24 . tcp . 8090 comment "vmnet:before/old0" : 192.168.90.10 . 80 }
""",
}
RESTORE = "/etc/vmnet/restore filter"
COUNT = "nft list table inet vmnet | grep -o 'comment \"vmnet:before/' | wc -l"


@pytest.fixture(scope="module")
def upgraded(bed: Bed) -> Iterator[dict[str, tuple[bool, str]]]:
    """host -> whether bringing back succeeded, and what it complained of."""
    for host in bed.hosts.values():
        host.run("mkdir /etc/vmnet/before")
        for name, text in FILES.items():
            host.run(f"cat > /etc/vmnet/before/{name}", input=text)
    tried = {name: host.run(RESTORE, check=False) for name, host in bed.hosts.items()}
    yield {name: (result.ok, result.stderr) for name, result in tried.items()}
    for host in bed.hosts.values():
        host.run(f"rm -r /etc/vmnet/before && {RESTORE}")
        assert host.run(COUNT).stdout == "0\n"


def test_every_element_of_it_is_loaded(host: Host, upgraded: dict[str, tuple[bool, str]]) -> None:
    assert upgraded[host.name] == (True, "")
    assert int(host.run(COUNT).stdout) == "".join(FILES.values()).count("comment")
