# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names, asked for by guests and by the host."""

from __future__ import annotations

import ipaddress
import json

import pytest

from lab import Guest, Host
from verify import name_server_answers

Guests = dict[str, Guest]
Leases = dict[str, dict[str, str]]

GATEWAY, OTHER, ISOLATED, NAMELESS = "192.168.233.2", "192.168.234.2", "192.168.56.1", "192.168.235.2"
# Of the standard library alone: what a question for any type is answered with, as (type, text) of each record.
ASK = r"""
import json, socket, struct, sys
server, name, kind = sys.argv[1:]
types = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
asker = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(5)
asker.sendto(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question + struct.pack("!2H", types[kind], 1), (server, 53))
answer = asker.recv(65535)
status, count = answer[3] & 15, struct.unpack("!H", answer[6:8])[0]

def text(at):
    labels = []
    while answer[at]:
        if answer[at] >= 192:
            rest, _ = text((answer[at] & 63) << 8 | answer[at + 1])
            return ".".join(labels + [rest]), at + 2
        labels.append(answer[at + 1:at + 1 + answer[at]].decode())
        at += 1 + answer[at]
    return ".".join(labels), at + 1

at, found = 12 + len(question) + 4, []
for _ in range(count):
    _, at = text(at)
    number, _, _, size = struct.unpack("!HHIH", answer[at:at + 10])
    at += 10
    data, word = answer[at:at + size], {value: key for key, value in types.items()}.get(number, str(number))
    if word == "A": found.append((word, socket.inet_ntop(socket.AF_INET, data)))
    elif word == "AAAA": found.append((word, socket.inet_ntop(socket.AF_INET6, data)))
    elif word in ("CNAME", "PTR"): found.append((word, text(at)[0]))
    elif word == "SRV": found.append((word, "%d %d %d " % struct.unpack("!3H", data[:6]) + text(at + 6)[0]))
    elif word == "TXT":
        while data: found.append((word, data[1:1 + data[0]].decode())); data = data[1 + data[0]:]
    at += size
print(json.dumps([status, found]))
"""
NOT_FOUND, REFUSED = 3, 5


def asked(host: Host, name: str, kind: str, server: str = GATEWAY) -> tuple[int, list[list[str]]]:
    """(status, records) as the host is answered."""
    status, found = json.loads(host.run(["python3", "-c", ASK, server, name, kind]).stdout)
    return status, sorted(found)


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        pytest.param("web.vmnet8.internal", "A", ["192.168.233.101"], id="a guest"),
        pytest.param("web.vmnet8.internal", "AAAA", ["fd00:233::5054:ff:fe00:65"], id="a guest, by IPv6"),
        pytest.param("static.vmnet8.internal", "A", ["192.168.233.50"], id="a guest that DHCP does not know"),
        pytest.param("printer.vmnet8.internal", "A", ["192.168.233.77"], id="a record"),
        pytest.param("printer.vmnet8.internal", "AAAA", ["fd00:233::77"], id="a record, by IPv6"),
        pytest.param("info.vmnet8.internal", "TXT", ["hello, world", "x=#1;"], id="texts"),
        pytest.param(
            "_http._tcp.vmnet8.internal",
            "SRV",
            ["0 0 8080 printer.vmnet8.internal", "1 2 80 web.vmnet8.internal"],
            id="services",
        ),
    ],
)
def test_a_name_has_what_it_was_given(host: Host, name: str, kind: str, found: list[str]) -> None:
    assert asked(host, name, kind) == (0, [[kind, value] for value in found])


@pytest.mark.parametrize("alias", ["www.vmnet8.internal", "www.example.test"])
def test_another_name_leads_to_the_guest(host: Host, alias: str) -> None:
    assert asked(host, alias, "A") == (0, [["A", "192.168.233.101"], ["CNAME", "web.vmnet8.internal"]])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.168.233.101", "web.vmnet8.internal"),
        ("fd00:233::5054:ff:fe00:65", "web.vmnet8.internal"),
        ("192.168.233.77", "printer.vmnet8.internal"),
    ],
)
def test_an_address_leads_back_to_its_name(host: Host, address: str, name: str) -> None:
    assert asked(host, ipaddress.ip_address(address).reverse_pointer, "PTR") == (0, [["PTR", name]])


def test_a_guest_asks_by_short_names_and_by_tcp(guests: Guests) -> None:
    assert "192.168.233.77" in guests["web"].run("nslookup printer").stdout
    wire = r"\000\045\022\064\001\000\000\001\000\000\000\000\000\000\003web\006vmnet8\010internal\000\000\001\000\001"
    answer = guests["web"].run(f"printf '{wire}' | socat -t 2 - TCP4:{GATEWAY}:53 | hexdump -e '1/1 \"%02x\"'").stdout
    assert "c0a8e965" in answer  # 192.168.233.101


def test_a_guest_without_a_fixed_address_has_its_name_with_its_lease(host: Host, leases: Leases) -> None:
    assert asked(host, "inside.vmnet1.internal", "A", ISOLATED) == (0, [["A", leases["inside"]["ip"]]])


@pytest.mark.parametrize(
    ("server", "name"),
    [
        pytest.param(GATEWAY, "unheard-of", id="a plain name"),
        pytest.param(GATEWAY, "unheard-of.vmnet8.internal", id="a name of the network's own domain"),
        pytest.param(GATEWAY, "1.1.168.192.in-addr.arpa", id="a private address"),
        pytest.param(GATEWAY, "other.lab.example", id="a guest of another network"),
        pytest.param(OTHER, "web.vmnet8.internal", id="a guest of another network, asked elsewhere"),
    ],
)
def test_what_is_nobodys_business_is_not_forwarded_or_not_found(host: Host, server: str, name: str) -> None:
    status, found = asked(host, name, "A", server)
    assert (status, found) == (NOT_FOUND, []) or (status == REFUSED and not found), (status, found)


def test_names_of_the_world_are_those_of_the_hosts_resolver_or_of_the_forwarder(host: Host) -> None:
    assert asked(host, "internet.test", "A", GATEWAY) == (0, [["A", "8.8.8.8"]])
    assert asked(host, "internet.test", "A", OTHER) == (0, [["A", "8.8.8.8"]])


def test_private_addresses_come_only_from_whom_the_domain_is_forwarded_to(host: Host) -> None:
    """192.168.1.20, which only the server for lan.test may say."""
    assert asked(host, "neighbour.lan.test", "A", GATEWAY) == (0, [["A", "192.168.1.20"]])
    assert asked(host, "neighbour.lan.test", "A", OTHER)[1] == []


def test_an_isolated_network_resolves_nothing_outside(host: Host, guests: Guests) -> None:
    status, found = asked(host, "internet.test", "A", ISOLATED)
    assert status and not found
    assert "192.168.56." in guests["inside"].run("nslookup inside").stdout


def test_without_dns_port_53_is_closed(host: Host, guests: Guests) -> None:
    assert host.run(f"ss -Hlntu 'src {NAMELESS}:53'").stdout == ""
    assert not name_server_answers(guests["nameless"], NAMELESS, "nameless.vmnet10.internal")
    assert "nameserver" not in guests["nameless"].run("cat /etc/resolv.conf").stdout


@pytest.mark.parametrize(
    ("guest", "server"), [("web", OTHER), ("web", ISOLATED), ("other", GATEWAY), ("inside", GATEWAY)]
)
def test_no_guest_gets_an_answer_of_another_networks_server(guests: Guests, guest: str, server: str) -> None:
    assert not name_server_answers(guests[guest], server, "web.vmnet8.internal")
