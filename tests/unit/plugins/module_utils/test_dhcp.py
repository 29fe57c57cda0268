# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP networks: what is refused and how, that dnsmasq takes whatever is written, and that a plan leads to where it says."""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils import _diff
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import systemd
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.boot_file import ARCHITECTURES
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.dhcp import (
    Daemon,
    DhcpNetwork,
    HeldLease,
    Leases,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.dhcp_option import OPTIONS
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError, InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields, entries
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.lease import Lease
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Key, Unit
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.dhcp import TEMPLATE, loaded, plan_dhcp, show_dhcp
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import dnsmasq
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.dhcp import DHCP

BASE: dict[str, Any] = {
    "bridge": "vmnet8",
    "addresses": ["192.168.233.2/24", "fd00:233::2/64"],
    "ranges": ["192.168.233.100-192.168.233.200"],
}
WEB = {"name": "web", "mac": "52:54:00:00:00:65", "addresses": ["192.168.233.101"]}
UNIT = "vmnet-dhcp@vmnet8.service"


def network(**fields: Any) -> DhcpNetwork:
    return DhcpNetwork.parse(Fields({**BASE, **fields}, "dhcp[vmnet8]"))


REFUSED = [
    ({"bridge": "a/b"}, "bridge: 'a/b' is not an interface name"),
    ({"addresses": []}, "addresses: is missing"),
    ({"addresses": ["192.168.233.2"]}, "addresses[0]: '192.168.233.2' has no prefix length"),
    ({"addresses": ["192.168.233.2/31"], "ranges": []}, "addresses[0]: 192.168.233.2/31 has no room for a guest"),
    ({"addresses": ["10.0.0.1/24", "10.0.0.1/24"], "ranges": []}, "addresses[1]: the address 10.0.0.1 is already"),
    ({"ranges": ["192.168.234.10-192.168.234.20"]}, "ranges[0]: 192.168.234.10 is outside 192.168.233.0/24"),
    ({"ranges": ["192.168.233.10-192.168.234.20"]}, "ranges[0]: 192.168.234.20 is outside 192.168.233.0/24"),
    ({"ranges": ["192.168.233.20-192.168.233.10"]}, "ranges[0]: 192.168.233.20-192.168.233.10: the range ends before"),
    ({"ranges": ["192.168.233.1-192.168.233.10"]}, "ranges[0]: 192.168.233.1-192.168.233.10 contains 192.168.233.2"),
    ({"ranges": ["192.168.233.10-192.168.233.20", "192.168.233.20-192.168.233.30"]}, "ranges[1]: "),
    ({"ranges": ["192.168.233.0-192.168.233.1"]}, "ranges[0]: 192.168.233.0 is the address of the subnet"),
    ({"ranges": ["192.168.233.250-192.168.233.255"]}, "ranges[0]: 192.168.233.255 is the broadcast address"),
    ({"ranges": ["192.168.233.10"]}, "ranges[0]: '192.168.233.10' is not a range"),
    ({"ranges": ["192.168.233.10-fd00::1"]}, "ranges[0]: 192.168.233.10-fd00::1: both ends have to be of one family"),
    ({"ranges": ["fd00:233::10-fd00:233::20"]}, "ranges[0]: fd00:233::10-fd00:233::20 is IPv6"),
    ({"ranges": ["fd00:1::10-fd00:1::20"], "ipv6": "stateful"}, "ranges[0]: fd00:1::10 is outside fd00:233::/64"),
    ({"lease_time": "119"}, "lease_time: 119 is out of range; two minutes (120) is the shortest"),
    ({"lease_time": "1y"}, "lease_time: '1y' is not a lease time"),
    ({"ipv6": "dhcp"}, "ipv6: 'dhcp' is not accepted"),
    ({"ipv6": "slaac", "addresses": ["192.168.233.2/24"]}, "ipv6: slaac needs an IPv6 address"),
    ({"ipv6": "stateful", "addresses": ["192.168.233.2/24"]}, "ipv6: stateful needs an IPv6 address"),
    ({"ipv6": "slaac", "addresses": ["192.168.233.2/24", "fd00::1/80"]}, "ipv6: slaac needs a /64"),
    ({"ipv6": "stateful", "addresses": ["192.168.233.2/24", "fd00::1/48"]}, "ipv6: fd00::/48 is larger than a /64"),
    ({"ipv6": "slaac", "mtu": 1000}, "mtu: 1000 is too small for IPv6"),
    ({"mtu": 10}, "mtu: 10 is out of range"),
    ({"reservations": [{"mac": "52:54:00:00:00:65"}]}, "reservations[0].name: is missing"),
    ({"reservations": [{"name": "web"}]}, "reservations[web].mac: is missing"),
    ({"reservations": [{**WEB, "addresses": ["10.0.0.1"]}]}, "reservations[web].addresses[0]: 10.0.0.1 is outside"),
    ({"reservations": [{**WEB, "addresses": ["192.168.233.2"]}]}, "addresses[0]: 192.168.233.2 is an address of the"),
    ({"reservations": [{**WEB, "addresses": ["192.168.233.255"]}]}, "addresses[0]: 192.168.233.255 is the broadcast"),
    (
        {"reservations": [{"name": "web", "duid": "00:01", "addresses": ["192.168.233.3"]}]},
        "[web].mac: is missing; DHCPv4",
    ),
    ({"reservations": [{"name": "web", "duid": "00:01", "options": {42: "1.1.1.1"}}]}, "[web].mac: is missing; DHCPv4"),
    (
        {"ipv6": "stateful", "reservations": [{"name": "web", "client_id": "00:01", "addresses": ["fd00:233::3"]}]},
        "reservations[web].duid: is missing; DHCPv6 does not know a guest by its client_id",
    ),
    ({"reservations": [{**WEB, "client_id": "x"}]}, "reservations[web].client_id: 'x' is not a client id"),
    ({"reservations": [{**WEB, "client_id": "a\nb"}]}, "client_id: 'a\\nb' is empty or has characters"),
    ({"reservations": [{**WEB, "duid": "web"}]}, "reservations[web].duid: 'web' is not a row of octets"),
    (
        {"reservations": [{**WEB, "client_id": "ab"}, {"name": "b", "client_id": "61:62"}]},
        "reservations[b].client_id: the client id 61:62 is already that of dhcp[vmnet8].reservations[web].client_id",
    ),
    ({"reservations": [{**WEB, "duid": "00:01"}, {"name": "b", "duid": "00:01"}]}, "duid: the DUID 00:01 is already"),
    ({"reservations": [{**WEB, "options": {"mtu": 1400}}]}, "reservations[web].options.mtu: is not set here"),
    (
        {"router": False, "reservations": [{**WEB, "options": {3: "192.168.233.9"}}]},
        "[web].options.router: there is no",
    ),
    ({"lease_limit": 0}, "lease_limit: 0 is out of range; 1 to 65536"),
    ({"checksum_fix": "ethtool"}, "checksum_fix: 'ethtool' is not accepted; one of none, tc"),
    ({"forced_options": {"ntp-server": ["x"]}}, "forced_options.ntp-server[0]: 'x' is not an IP address"),
    (
        {"options": {42: ["1.1.1.1"]}, "forced_options": {42: ["1.1.1.1"]}},
        "forced_options.ntp-server: the option 42 is",
    ),
    ({"boot": {}}, "boot.file: is missing"),
    ({"boot": {"files": {"sparc": "x"}}}, "boot.files.sparc: is not an architecture; one of bios, efi-ia32"),
    ({"boot": {"file": "a,b"}}, "boot.file: 'a,b' is not a file name"),
    ({"boot": {"file": "a\nb"}}, "boot.file: 'a\\nb' is empty or has characters"),
    ({"boot": {"file": "x" * 128}}, "boot.file: 'xxx"),
    ({"boot": {"file": "tag:x"}}, "boot.file: 'tag:x' begins like a tag"),
    (
        {"reservations": [{**WEB, "addresses": [f"192.168.233.{n}" for n in range(20, 33)]}]},
        "[web].addresses: 13 are too many for one guest; 12 fit",
    ),
    ({"boot": {"file": "a", "server": "fd00::1"}}, "boot.server: fd00::1 is not IPv4"),
    (
        {"boot": {"file": "a", "server": "10.0.0.1", "tftp_root": "/srv"}},
        "boot.server: and tftp_root exclude each other",
    ),
    ({"boot": {"file": "a", "tftp_root": "srv"}}, "boot.tftp_root: 'srv' is not the absolute path of a directory"),
    ({"boot": {"file": "a", "tftp_root": "/srv/../etc"}}, "boot.tftp_root: '/srv/../etc' is not the absolute path"),
    ({"boot": {"file": "a", "tftp_root": "/home/me"}}, "boot.tftp_root: /home/me is hidden from the server"),
    ({"boot": {"file": "a", "menu": "x"}}, "boot.menu: is not a field"),
    ({"options": {"domain-name": "s"}}, "options.domain-name[0]: 's' is a number with a unit to dnsmasq"),
    ({"options": {"domain-search": "5b"}}, "options.domain-search[0]: '5b' is a number with a unit"),
    ({"options": {"default-ttl": [1, 2]}}, "options.default-ttl: has 2 values; it takes one number"),
    ({"options": {"224": [1, 2]}}, "options.224: has 2 values; it takes one number"),
    ({"reservations": [WEB, {**WEB, "name": "b", "addresses": []}]}, "reservations[b].mac: the MAC address 52:54"),
    ({"reservations": [WEB, {**WEB, "mac": "52:54:00:00:00:66"}]}, "the address 192.168.233.101 is already"),
    ({"reservations": [WEB, {"name": "WEB", "mac": "52:54:00:00:00:66"}]}, "reservations[WEB].name: the name web is"),
    ({"reservations": [{**WEB, "name": "ignore"}]}, "reservations[ignore].name: 'ignore' is not taken for a name"),
    ({"reservations": [{**WEB, "name": "1h"}]}, "reservations[1h].name: '1h' is not taken for a name"),
    ({"reservations": [{**WEB, "name": "a,b"}]}, "reservations[a,b].name: 'a,b' is not a host name"),
    ({"reservations": [{**WEB, "name": "a\nport=0"}]}, ".name: 'a\\nport=0' is empty or has characters"),
    (
        {"reservations": [{**WEB, "mac": "01:54:00:00:00:65"}]},
        "reservations[web].mac: 01:54:00:00:00:65 is a multicast",
    ),
    ({"reservations": [{**WEB, "ip": "1.2.3.4"}]}, "reservations[web].ip: is not a field"),
    ({"options": {"ntp-sever": ["192.168.233.2"]}}, "options.ntp-sever: is not an option known by name"),
    ({"options": {"ntp-server": ["time.example"]}}, "options.ntp-server[0]: 'time.example' is not an IP address"),
    ({"options": {"ntp-server": ["fd00::1"]}}, "options.ntp-server[0]: fd00::1 is not IPv4"),
    ({"options": {"ntp-server": []}}, "options.ntp-server: has no value"),
    ({"options": {"ntp-server": ["1.1.1.1"], 42: ["1.1.1.1"]}}, "the option 42 is already"),
    ({"options": {"mtu": [1400]}}, "options.mtu: is not set here; use the field mtu"),
    ({"options": {"121": ["10.0.0.0/8"]}}, "options.121: is not set here; use the field routes"),
    ({"options": {"53": [1]}}, "options.53: is the protocol's own"),
    ({"options": {"255": [1]}}, "options.255: is the protocol's own"),
    ({"options": {"router": ["192.168.233.1"]}, "router": False}, "options.router: there is no default route here"),
    ({"options": {"default-ttl": [256]}}, "options.default-ttl[0]: 256 is out of range"),
    ({"options": {"root-path": ['a"b']}}, "options.root-path[0]: 'a\"b' has other characters"),
    ({"options": {"root-path": ["a\\"]}}, "options.root-path[0]: 'a\\\\' has other characters"),
    ({"options": {"root-path": ["a\nport=0"]}}, "options.root-path[0]: 'a\\nport=0' is empty or has characters"),
    ({"options": {"root-path": ["x" * 300]}}, "options.root-path: is longer than an option can be"),
    ({"options": {"root-path": ["a", "b"]}}, "options.root-path: has 2 values"),
    ({"options": {"domain-search": ["a b"]}}, "options.domain-search[0]: 'a b' is not a domain name"),
    ({"options": {"ntp-server\nport=0": ["1.1.1.1"]}}, "is not an option known by name"),
    ({"routes": [{"to": "10.0.0.0/8"}]}, "routes[10.0.0.0/8].via: is missing"),
    ({"routes": [{"to": "10.0.0.0/8", "via": "10.0.0.1"}]}, "routes[0].via: 10.0.0.1 is outside 192.168.233.0/24"),
    ({"routes": [{"to": "fd00::/8", "via": "fd00::1"}]}, "routes[fd00::/8].to: fd00::/8 is not IPv4"),
    ({"dns": {"domain": "a b"}}, "dns.domain: 'a b' is not a domain name"),
    ({"dns": {"domain": "a/b"}}, "dns.domain: 'a/b' is not a domain name"),
    ({"dns": {"forwarders": ["dns.example"]}}, "dns.forwarders[0]: 'dns.example' is not an IP address"),
    ({"dns": {"forwarders": ["8.8.8.8"], "forward": False}}, "dns.forwarders: nobody would ask them"),
    ({"dns": {"domain_forwarders": {"a b": ["1.1.1.1"]}}}, "dns.domain_forwarders.a b: 'a b' is not a domain name"),
    ({"dns": {"domain_forwarders": {"a/b": ["1.1.1.1"]}}}, "dns.domain_forwarders.a/b: 'a/b' is not a domain name"),
    ({"dns": {"domain_forwarders": {"a.b": ["x"]}}}, "dns.domain_forwarders.a.b[0]: 'x' is not an IP address"),
    ({"dns": {"domain_forwarders": {"a.b": []}}}, "dns.domain_forwarders.a.b: has no forwarder"),
    ({"dns": {"domain": "a.b", "domain_forwarders": {"a.b": ["1.1.1.1"]}}}, "a.b: is the network's own domain"),
    (
        {"dns": {"domain_forwarders": {"a.b": ["1.1.1.1"]}, "forward": False}},
        "domain_forwarders: nobody would ask them",
    ),
    ({"dns": {"forwarders": ["0.0.0.0"]}}, "dns.forwarders[0]: 0.0.0.0 is not an address of a DNS server"),
    ({"dns": {"records": [{"name": "a", "cname": "b", "txt": ["x"]}]}}, "records[a].cname: a is another name and can"),
    ({"dns": {"records": [{"name": "a", "cname": "a b"}]}}, "records[a].cname: 'a b' is not a domain name"),
    ({"dns": {"domain": "x.y", "records": [{"name": "a", "cname": "a.x.y"}]}}, "records[a].cname: a leads back to a"),
    (
        {"dns": {"records": [{"name": "a", "cname": "b"}, {"name": "b", "cname": "a"}]}},
        "dns.records[a].cname: b leads back to a",
    ),
    ({"dns": {"records": [{"name": "a", "txt": ['x"y']}]}}, "records[a].txt[0]: 'x\"y' has other characters"),
    ({"dns": {"records": [{"name": "a", "txt": ["x\ny"]}]}}, "records[a].txt[0]: 'x\\ny' is empty or has characters"),
    ({"dns": {"records": [{"name": "a", "txt": ["x" * 256]}]}}, "records[a].txt[0]: has 256 characters"),
    ({"dns": {"records": [{"name": "a", "txt": ["x" * 250] * 3}]}}, "records[a].txt: is longer than 700 characters"),
    ({"dns": {"records": [{"name": "a", "srv": [{"target": "b"}]}]}}, "records[a].srv[b].port: is missing"),
    ({"dns": {"records": [{"name": "a", "srv": [{"target": "b", "port": 0}]}]}}, "srv[b].port: 0 is out of range"),
    (
        {"dns": {"records": [{"name": "a", "srv": [{"target": "b,c", "port": 1}]}]}},
        "target: 'b,c' is not a domain name",
    ),
    (
        {"dns": {"records": [{"name": "web", "cname": "b"}]}, "reservations": [WEB]},
        "[web].name: the name web is already",
    ),
    ({"dns": {"records": [{"name": "p", "addresses": []}]}}, "dns.records[p].addresses: is missing"),
    ({"dns": {"records": [{"name": "p", "addresses": ["1.1.1.1"]}], "enabled": False}}, "dns.records: nobody would"),
    (
        {"dns": {"domain": "x.y", "records": [{"name": "web.x.y", "addresses": ["1.1.1.1"]}]}, "reservations": [WEB]},
        "web.x",
    ),
    ({"rangs": []}, "rangs: is not a field of it"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[message for _fields, message in REFUSED])
def test_wrong_input_is_refused_by_place_and_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        network(**fields)
    assert str(error.value).startswith("dhcp[vmnet8].")
    assert message in str(error.value)


def test_the_place_is_the_callers() -> None:
    with pytest.raises(InputError, match=r"^nat_networks\[vmnet8\]\.dhcp\.ranges\[0\]: 192\.168\.234\.10 is outside"):
        entry = {**BASE, "ranges": ["192.168.234.10-192.168.234.20"]}
        DhcpNetwork.parse(Fields(entry, "nat_networks[vmnet8].dhcp"))


def test_only_the_bridge_is_needed_to_remove_a_network() -> None:
    assert DHCP.parse(entries([{"bridge": "vmnet8"}], "dhcp", "bridge"), False)[0].bridge == "vmnet8"


def test_an_isolated_network_has_no_router_and_resolves_nothing_outside() -> None:
    files = dnsmasq.render(network(router=False, ipv6="slaac", dns={"forward": False}), "s")
    assert "option:router" in files.options.splitlines()
    assert "ra-param=vmnet8,600,0" in files.conf.splitlines()
    assert "no-resolv" in files.conf.splitlines()
    assert files.forwarders == "# vmnet:s\n"


def test_a_guest_that_takes_routes_keeps_its_default_route() -> None:
    options = dnsmasq.render(network(routes=[{"to": "10.0.0.0/8", "via": "192.168.233.9"}]), "s").options
    assert "option:classless-static-route,10.0.0.0/8,192.168.233.9,0.0.0.0/0,192.168.233.2" in options.splitlines()


LIVE = [
    {"reservations": [WEB]},
    {"reservations": [{**WEB, "client_id": "web-1", "duid": "00:01:02"}]},
    {"options": {"ntp-server": "192.168.233.9"}},
    {"routes": [{"to": "10.0.0.0/8", "via": "192.168.233.9"}]},
    {"mtu": 1400},
    {"dns": {"domain": "x.y", "records": [{"name": "printer", "addresses": ["192.168.233.77"]}]}},
    {"dns": {"domain": "x.y", "domain_forwarders": {"corp.example": ["10.0.0.53"]}}},
]
RESTARTS = [
    {"ranges": ["192.168.233.100-192.168.233.199"]},
    {"lease_time": "2h"},
    {"reservations": [{**WEB, "options": {"ntp-server": "192.168.233.9"}}]},
    {"forced_options": {"ntp-server": "192.168.233.9"}},
    {"boot": {"file": "pxelinux.0"}},
    {"dns": {"domain": "x.y", "forwarders": ["8.8.8.8"]}},  # the host's own resolvers are not asked any more
    *({"dns": {"domain": "x.y", "records": [{"name": "a", **r}]}} for r in ({"cname": "b"}, {"txt": ["b"]})),
]


@pytest.mark.parametrize(
    ("fields", "restarts"), [*((fields, False) for fields in LIVE), *((fields, True) for fields in RESTARTS)], ids=str
)
def test_what_dnsmasq_reads_again_takes_no_restart(fields: dict[str, Any], restarts: bool) -> None:
    plain = dnsmasq.render(network(dns={"domain": "x.y"}), "s")
    changed = dnsmasq.render(network(**{"dns": {"domain": "x.y"}, **fields}), "s")
    assert (plain.conf != changed.conf) == restarts
    assert plain != changed


def test_a_guest_with_options_of_its_own_is_recognised_without_a_tag_in_the_file_of_reservations() -> None:
    """dnsmasq 2.90 dies of such a tag when it reads the file again."""
    web = {**WEB, "client_id": "01:02", "options": {"ntp-server": "192.168.233.9"}}
    files = dnsmasq.render(network(reservations=[web]), "s")
    assert "set:" not in files.reservations
    assert "dhcp-mac=set:guest-web,52:54:00:00:00:65\n" in files.conf
    assert "dhcp-match=set:guest-web,61,01:02\n" in files.conf
    assert "tag:guest-web,42,192.168.233.9\n" in files.options


def test_further_addresses_of_a_guest_are_kept_from_others() -> None:
    web = {**WEB, "addresses": ["192.168.233.101", "192.168.233.102", "fd00:233::5", "fd00:233::6"]}
    assert dnsmasq.render(network(reservations=[web]), "s").reservations.splitlines()[1:] == [
        "52:54:00:00:00:65,192.168.233.101,[fd00:233::6],[fd00:233::5],web",
        "id:76:6d:6e:65:74:c0:a8:e9:66,192.168.233.102",
    ]


def test_a_guest_with_a_duid_is_known_by_it_to_dhcpv6_only() -> None:
    web = {**WEB, "duid": "00:01:02", "client_id": "web", "addresses": ["192.168.233.101", "fd00:233::5"]}
    assert dnsmasq.render(network(reservations=[web]), "s").reservations.splitlines()[1:] == [
        "52:54:00:00:00:65,id:77:65:62,192.168.233.101,web",
        "tag:dhcpv6,id:00:01:02,[fd00:233::5],web",
    ]


def test_firmware_gets_the_boot_file_of_its_architecture() -> None:
    files = {"bios": "pxelinux.0", "efi-x86_64": "grub.efi", "ipxe": "http://x/y"}
    conf = dnsmasq.render(network(boot={"file": "other", "files": files, "server": "192.168.233.9"}), "s").conf
    assert [line for line in conf.splitlines() if line.startswith(("dhcp-match", "dhcp-boot"))] == [
        "dhcp-boot=other,,192.168.233.9",
        "dhcp-match=set:bios,option:client-arch,0",
        "dhcp-boot=tag:bios,pxelinux.0,,192.168.233.9",
        "dhcp-match=set:efi-x86_64,option:client-arch,7",
        "dhcp-match=set:efi-x86_64,option:client-arch,9",
        "dhcp-boot=tag:efi-x86_64,grub.efi,,192.168.233.9",
        "dhcp-match=set:ipxe,175",
        "dhcp-boot=tag:ipxe,http://x/y,,192.168.233.9",
    ]


# What dnsmasq takes.

names = st.from_regex(r"[a-z]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda n: n not in ("infinite", "ignore")
)
printable = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), min_size=1, max_size=60
)
texts = printable.map(str.strip).filter(lambda t: t and not re.fullmatch("[0-9]*[bsi]", t))
octets = st.binary(min_size=2, max_size=20).map(lambda b: b.hex(":"))
file_names = st.from_regex(r"[A-Za-z0-9_./:@?&=%+~-]{1,127}", fullmatch=True)
v4 = st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n)))
macs = st.integers(1, 2**32).map(lambda n: "52:54:" + ":".join(f"{b:02x}" for b in n.to_bytes(5, "big")[1:]))
OTHER_NUMBERS = [160, 200, 224, 252, 254]
VALUES = {
    "addresses": st.lists(v4, min_size=1, max_size=4),
    "text": texts.map(lambda t: [t]),
    "names": st.lists(st.builds("{}.{}".format, names, names), min_size=1, max_size=4),
    "octets": octets.map(lambda o: [o]),
    "number": st.builds("{}{}".format, st.integers(0, 255), st.sampled_from(["", "b", "s", "i"])).map(lambda n: [n]),
    "byte": st.integers(0, 255).map(lambda n: [n]),
    "short": st.integers(0, 65535).map(lambda n: [n]),
    "long": st.integers(0, 2**32 - 1).map(lambda n: [n]),
}


@st.composite
def option_values(draw: st.DrawFn, router: bool) -> dict[Any, Any]:
    chosen = draw(st.sets(st.sampled_from(sorted(OPTIONS)), max_size=3)) - (set() if router else {"router"})
    options: dict[Any, Any] = {name: draw(VALUES[OPTIONS[name][1]]) for name in sorted(chosen)}
    for number in draw(st.sets(st.sampled_from(OTHER_NUMBERS), max_size=2)):
        options[number] = draw(st.one_of(*(VALUES[kind] for kind in ("addresses", "number", "octets", "text"))))
    return options


@st.composite
def boots(draw: st.DrawFn) -> dict[str, Any]:
    where = draw(st.sampled_from([{}, {"server": "10.0.0.9"}, {"tftp_root": "/srv/tftp"}]))
    files = draw(st.dictionaries(st.sampled_from([*ARCHITECTURES, "ipxe"]), file_names, max_size=3))
    return {"file": draw(file_names), "files": files, **where}


@st.composite
def more_records(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = draw(st.lists(names.map(lambda n: f"s.{n}"), unique=True, max_size=3))
    service = {"target": draw(names), "port": draw(st.integers(1, 65535)), "priority": 1, "weight": 2}
    kinds = [
        {"cname": "target"},
        {"txt": draw(st.lists(printable.map(str.strip).filter(bool), min_size=1, max_size=3))},
    ]
    return [{"name": name, **draw(st.sampled_from([*kinds, {"srv": [service], "txt": ["x,y#z;"]}]))} for name in found]


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    prefix = draw(st.integers(16, 29))
    base = draw(st.integers(1, 126)) << 24
    subnet = ipaddress.ip_network((base, prefix))
    subnet6 = ipaddress.ip_network("fd00:233::/64")
    ipv6 = draw(st.sampled_from(["none", "slaac", "stateful"]))
    free = range(2, min(subnet.num_addresses - 1, 200))
    cuts = sorted(draw(st.sets(st.sampled_from(free), max_size=4)))
    ranges = [f"{subnet[a]}-{subnet[b]}" for a, b in zip(cuts[::2], cuts[1::2])]
    if ipv6 == "stateful" and draw(st.booleans()):
        ranges.append(f"{subnet6[16]}-{subnet6[4096]}")
    reserved = draw(st.lists(st.sampled_from(free), unique=True, max_size=4))
    guests = draw(st.lists(names, unique=True, min_size=len(reserved), max_size=len(reserved)))
    guest_macs = draw(st.lists(macs, unique=True, min_size=len(reserved), max_size=len(reserved)))
    router = draw(st.booleans())
    reservations = [
        {
            "name": name,
            "mac": mac,
            "addresses": draw(
                st.sampled_from(
                    [
                        [],
                        [str(subnet[n])],
                        [str(subnet6[n]), str(subnet[n])],
                        [str(subnet6[n]), str(subnet6[n + 500]), str(subnet[n])],
                    ]
                )
            ),
            "client_id": draw(st.none() | st.just(f"client-{n}") | st.just(f"01:{n % 256:02x}:02")),
            "duid": draw(st.none() | st.just(f"00:03:{n % 256:02x}")),
            "options": draw(option_values(router)),
        }
        for name, mac, n in zip(guests, guest_macs, reserved)
    ]
    options = draw(option_values(router))
    forced = {key: value for key, value in draw(option_values(router)).items() if key not in options}
    enabled, forward = draw(st.booleans()), draw(st.booleans())
    dns: dict[str, Any] = {"enabled": enabled, "forward": forward, "domain": draw(st.none() | st.just("lab.internal"))}
    if enabled:
        hosts = draw(st.lists(names.map(lambda n: f"r.{n}"), unique=True, max_size=3))
        dns["records"] = [{"name": name, "addresses": draw(st.lists(v4, min_size=1, max_size=3))} for name in hosts]
        dns["records"] += draw(more_records())
        dns["rebind_protection"] = draw(st.booleans())
        dns["domain_forwarders"] = (
            draw(st.sampled_from([{}, {"corp.example": ["10.0.0.53", "fd00::53"]}])) if forward else {}
        )
        dns["forwarders"] = draw(st.sampled_from([[], ["8.8.8.8"], ["8.8.8.8", "2001:db8::1"]])) if forward else []
    return {
        "bridge": draw(st.sampled_from(["vmnet8", "br-lan.1", "x"])),
        "addresses": [f"{subnet[1]}/{prefix}", "fd00:233::1/64"],
        "ranges": ranges,
        "lease_time": draw(st.sampled_from(["2m", "1h", "3d", "infinite"])),
        "reservations": reservations,
        "known_only": draw(st.booleans()),
        "lease_limit": draw(st.none() | st.integers(1, 65536)),
        "authoritative": draw(st.booleans()),
        "rapid_commit": draw(st.booleans()),
        "ping_check": draw(st.booleans()),
        "options": options,
        "forced_options": forced,
        "boot": draw(st.none() | boots()),
        "checksum_fix": draw(st.sampled_from(["none", "tc"])),
        "routes": [
            {"to": f"{n}.0.0.0/8", "via": str(subnet[2])} for n in draw(st.sets(st.integers(1, 220), max_size=25))
        ],
        "mtu": draw(st.none() | st.integers(1280, 65535)),
        "router": router,
        "ipv6": ipv6,
        "dns": dns,
    }


def parsed(entry: dict[str, Any]) -> DhcpNetwork:
    return DhcpNetwork.parse(Fields(entry, "dhcp[x]"))


@pytest.mark.skipif(not shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"), reason="needs dnsmasq")
@settings(max_examples=50, deadline=None)
@given(networks())
def test_dnsmasq_takes_every_file_that_can_be_written(entry: dict[str, Any]) -> None:
    files = dnsmasq.render(parsed(entry), "default")
    assert max(len(line) for text in files for line in text.splitlines()) < 1024
    text = dnsmasq.for_test(files)
    command = [shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"), "--test", "--conf-file=-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)  # type: ignore[arg-type]
    assert result.returncode == 0, result.stderr + text


@settings(max_examples=200, deadline=None)
@given(networks())
def test_what_is_written_is_read_back(entry: dict[str, Any]) -> None:
    wanted = parsed(entry)
    assert dnsmasq.show(dnsmasq.parse(wanted.bridge, dnsmasq.render(wanted, "default"))) == dnsmasq.show(wanted)


# Plans.


def request(*networks: DhcpNetwork, **options: Any) -> Request:
    return Request(entries=networks, option="dhcp", **options)


def planned(host: Any, *networks: DhcpNetwork, **options: Any) -> Plan:
    """The plan, and that the state it leads to needs nothing more."""
    plan = plan_dhcp(request(*networks, **options), host)
    assert not plan_dhcp(request(*networks, **options), plan.after)
    assert bool(_diff.render(plan)) == bool(plan)
    return plan


@settings(max_examples=50, deadline=None)
@given(networks(), networks())
def test_a_plan_leads_to_where_nothing_is_left_to_do(first: dict[str, Any], second: dict[str, Any]) -> None:
    one, two = parsed(first), parsed(second)
    state = planned({}, one).after
    state = planned(state, two).after
    assert planned(state, purge=True).after == {}


def test_a_new_reservation_reloads_and_a_new_range_restarts() -> None:
    state = planned({}, network()).after
    for changed, takes_reload in ((network(reservations=[WEB]), True), (network(lease_time="2h"), False)):
        plan = planned(state, changed)
        [(old, new)] = [pair for pair in plan.changed if isinstance(pair[1], Unit)]
        assert isinstance(old, Unit)
        assert isinstance(new, Unit)
        assert systemd._takes_reload(old, new) == takes_reload


def test_another_network_is_left_running() -> None:
    other = network(bridge="vmnet9")
    state = planned({}, network(), other).after
    plan = planned(state, network(lease_time="2h"))
    assert [new.name for _old, new in plan.changed if isinstance(new, Unit)] == [UNIT]


def test_a_process_that_missed_what_was_written_is_restarted() -> None:
    """A run that was killed between writing and restarting."""
    old = planned({}, network()).after
    new = planned(old, network(lease_time="2h")).after
    state = {**new, Key("unit", UNIT): old[Key("unit", UNIT)]}
    assert [r for _old, r in planned(state, network(lease_time="2h")).changed] == [new[Key("unit", UNIT)]]


def test_a_new_unit_file_restarts_the_networks_of_all_scopes() -> None:
    state = dict(planned({}, network(), scope="a").after)
    state[Key("file", TEMPLATE)] = File(TEMPLATE, "old\n")
    state[Key("unit", UNIT)] = loaded(Unit(UNIT, enabled=True, active=True), state, "vmnet8")
    plan = planned(state, network(bridge="vmnet9"), scope="b")
    assert UNIT in [new.name for _old, new in plan.changed]


def test_the_network_of_another_scope_is_refused_by_name() -> None:
    state = planned({}, network(), scope="theirs").after
    for what in ("present", "absent"):
        with pytest.raises(HostError, match=r"^dhcp\[vmnet8\]\.bridge: vmnet8 belongs to the scope theirs"):
            plan_dhcp(request(network(), scope="mine", state=what), state)
    assert not plan_dhcp(request(scope="mine", purge=True), state)


def test_absent_leaves_nothing_not_even_leases() -> None:
    state = {**planned({}, network()).after, Key("leases", "/var/lib/vmnet/vmnet8"): Leases("/var/lib/vmnet/vmnet8")}
    assert planned(state, network(), state="absent").after == {}
    assert planned(state, purge=True).after == {}


def test_the_unit_file_stays_while_a_network_does() -> None:
    state = planned({}, network(), network(bridge="vmnet9")).after
    after = planned(state, network(), state="absent").after
    assert Key("file", TEMPLATE) in after
    assert Key("unit", layout.dhcp_unit("vmnet9")) in after
    assert not [key for key in after if "vmnet8" in key.name]


def test_without_systemd_there_are_daemons_and_no_units() -> None:
    state = planned({}, network(), systemd=False).after
    assert [type(r) for r in state.values() if not isinstance(r, File)] == [Daemon]
    assert TEMPLATE not in [key.name for key in state]
    assert "/etc/vmnet/dhcp/vmnet8/autostart" in [key.name for key in state]
    assert planned(state, network(), systemd=False, state="absent").after == {}


def test_another_service_manager_takes_over() -> None:
    by_systemd = planned({}, network()).after
    by_itself = planned(by_systemd, network(), systemd=False).after
    assert Key("dnsmasq", "vmnet8") in by_itself
    assert Key("unit", UNIT) not in by_itself
    assert Key("file", "/etc/vmnet/dhcp/vmnet8/autostart") not in planned(by_itself, network()).after


def test_the_file_for_the_checksum_filter_comes_and_goes_with_it() -> None:
    state = planned({}, network(checksum_fix="tc")).after
    keys = [Key("checksum fix", "vmnet8"), Key("file", "/etc/vmnet/dhcp/vmnet8/checksum.tc")]
    assert all(key in state for key in keys)
    assert not any(key in planned(state, network()).after for key in keys)


# Leases of reservations that go.

NOW = {"mac": "52:54:00:00:00:65", "expires": 1700003600}
LEASE = Lease(ipaddress.ip_address("192.168.233.101"), "web", **NOW)
LEASE6 = Lease(ipaddress.ip_address("fd00:233::65"), "web", duid="00:01:02", iaid=1)
OTHERS = Lease(ipaddress.ip_address("192.168.233.150"), "other", "52:54:00:00:00:99", 1700003600)
SIX = {**WEB, "addresses": ["192.168.233.101", "fd00:233::65"]}


@pytest.mark.parametrize(
    ("before", "after", "taken_back"),
    [
        pytest.param([WEB], [], [LEASE], id="a reservation that goes"),
        pytest.param([WEB], [{**WEB, "mac": "52:54:00:00:00:66"}], [LEASE], id="an address for somebody else"),
        pytest.param([WEB], [{**WEB, "addresses": ["192.168.233.102"]}], [LEASE], id="another address"),
        pytest.param([WEB], [{**WEB, "name": "www"}], [], id="another name"),
        pytest.param([WEB], [{**WEB, "options": {42: "192.168.233.9"}}], [], id="an option"),
        pytest.param([WEB], [WEB, {"name": "b", "mac": "52:54:00:00:00:66"}], [], id="one more"),
        pytest.param([], [WEB], [], id="one for a guest that is there"),
        pytest.param([{**SIX, "duid": "00:01:02"}], [], [LEASE, LEASE6], id="both families, by DUID"),
        pytest.param([SIX], [], [LEASE, LEASE6], id="both families, by MAC address"),
        pytest.param([SIX], [WEB], [LEASE6], id="one family"),
    ],
)
def test_the_lease_of_a_reservation_that_goes_is_taken_back_and_no_other(
    before: list[Any], after: list[Any], taken_back: list[Lease]
) -> None:
    held = [HeldLease(f"vmnet8/{lease.address}", lease) for lease in (LEASE, LEASE6, OTHERS)]
    state = {**planned({}, network(ipv6="stateful", reservations=before)).after, **{h.key: h for h in held}}
    plan = planned(state, network(ipv6="stateful", reservations=after))
    removed = [r for r in plan.removed if isinstance(r, HeldLease)]
    assert [r.lease for r in removed] == taken_back
    assert [str(r.server) for r in removed] == [
        {4: "192.168.233.2", 6: "fd00:233::2"}[lease.address.version] for lease in taken_back
    ]


def test_the_networks_of_the_scope_are_shown_as_entries() -> None:
    wanted = network(reservations=[WEB], options={"ntp-server": "192.168.233.2"}, lease_time="30m")
    after = planned({}, wanted).after
    assert show_dhcp(request(wanted), after) == [dnsmasq.show(wanted)]
