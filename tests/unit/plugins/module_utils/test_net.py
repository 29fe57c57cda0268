# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notations that networks are written in: what is accepted, its normal form, and what is said about the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import net

ACCEPTED: list[tuple[str, Callable[[Any], Any], Any, str]] = [
    ("a plain interface name", net.interface_name, "vmnet8", "vmnet8"),
    ("an interface name of 15 characters", net.interface_name, "abcdefghijklmno", "abcdefghijklmno"),
    ("an interface name with dot, dash and underscore", net.interface_name, "br-lan_0.100", "br-lan_0.100"),
    ("an interface name with blanks around it", net.interface_name, " eth0 ", "eth0"),
    ("an interface name that YAML took for a number", net.interface_name, 100, "100"),
    ("a scope", net.scope_name, "ci-lab_2", "ci-lab_2"),
    ("an IPv4 address", net.address, "192.168.233.2", "192.168.233.2"),
    ("an IPv6 address in long form", net.address, "FD00:0233:0000::0002", "fd00:233::2"),
    ("a host address keeps its host bits", net.host_address, "192.168.233.2/24", "192.168.233.2/24"),
    ("a host address with a netmask", net.host_address, "192.168.233.2/255.255.255.0", "192.168.233.2/24"),
    ("an IPv6 host address", net.host_address, "FD00:233::2/64", "fd00:233::2/64"),
    ("the first address of a /31 (RFC 3021)", net.host_address, "10.0.0.0/31", "10.0.0.0/31"),
    ("a single host address", net.host_address, "10.0.0.1/32", "10.0.0.1/32"),
    ("the last address of an IPv6 subnet", net.host_address, "fd00::ffff/112", "fd00::ffff/112"),
    ("a subnet", net.subnet, "192.168.233.0/24", "192.168.233.0/24"),
    ("a subnet written with host bits", net.subnet, "192.168.233.2/24", "192.168.233.0/24"),
    ("an address as a subnet of one", net.subnet, "10.0.0.7", "10.0.0.7/32"),
    ("everything as a subnet", net.subnet, "::/0", "::/0"),
    ("a MAC address", net.mac, "52:54:00:00:00:65", "52:54:00:00:00:65"),
    ("a MAC address in upper case with dashes", net.mac, "52-54-00-AB-CD-EF", "52:54:00:ab:cd:ef"),
    ("a MAC address without separators", net.mac, "525400ABCDEF", "52:54:00:ab:cd:ef"),
    ("the smallest MTU", net.mtu, 68, "68"),
    ("the largest MTU as a text", net.mtu, "65535", "65535"),
    ("the first port", net.port, 1, "1"),
    ("the last port", net.port, "65535", "65535"),
    ("a single port as a range", net.ports, 80, "range(80, 81)"),
    ("a range of ports", net.ports, "5000-5010", "range(5000, 5011)"),
    ("a range of ports with blanks", net.ports, "5000 - 5010", "range(5000, 5011)"),
    ("a range of one port", net.ports, "80-80", "range(80, 81)"),
    ("a lease time in seconds", net.lease_time, 120, "120"),
    ("a lease time in minutes", net.lease_time, "90m", "5400"),
    ("a lease time in hours", net.lease_time, "1h", "3600"),
    ("a lease time in days", net.lease_time, "2d", "172800"),
    ("a lease time in weeks", net.lease_time, "1w", "604800"),
    ("an infinite lease time", net.lease_time, "infinite", "infinite"),
    ("a host name", net.host_name, "Web-1", "web-1"),
    ("a host name that begins with a digit", net.host_name, "4th", "4th"),
    ("a domain name", net.domain_name, "VMnet8.Internal", "vmnet8.internal"),
    ("a domain name with its root", net.domain_name, "vmnet8.internal.", "vmnet8.internal"),
    ("one of the choices", net.choice("tcp", "udp"), "udp", "udp"),
    ("true", net.boolean, True, "True"),
    ("yes", net.boolean, "Yes", "True"),
    ("off", net.boolean, "off", "False"),
    ("zero as false", net.boolean, 0, "False"),
]

REFUSED: list[tuple[str, Callable[[Any], Any], Any, str]] = [
    (
        "an interface name of 16 characters",
        net.interface_name,
        "abcdefghijklmnop",
        "abcdefghijklmnop has 16 characters; an interface name has at most 15",
    ),
    ("an interface name with a slash", net.interface_name, "br/0", "'br/0' is not an interface name"),
    ("an interface name with a blank", net.interface_name, "br 0", "'br 0' is not an interface name"),
    ("an interface name that the kernel would expand", net.interface_name, "tap%d", "'tap%d' is not an interface name"),
    ("an interface name that ends the string of nft", net.interface_name, 'a"b', "is not an interface name"),
    ("an interface name that looks like an option", net.interface_name, "-br", "no '.' or '-' first"),
    ("an interface name that is a directory", net.interface_name, "..", "no '.' or '-' first"),
    ("an interface name beyond ASCII", net.interface_name, "brücke", "'brücke' is not an interface name"),
    ("an empty interface name", net.interface_name, "", "'' is empty"),
    ("an interface name of blanks", net.interface_name, "  ", "is empty"),
    ("an interface name of two lines", net.interface_name, "br\n0", "characters that cannot be printed"),
    ("an interface name that is a list", net.interface_name, ["br0"], "['br0'] is not a text"),
    ("an interface name that YAML took for a truth value", net.interface_name, True, "True is not a text"),
    ("nothing as an interface name", net.interface_name, None, "None is not a text"),
    ("a scope in upper case", net.scope_name, "Lab", "'Lab' is not a scope; 1 to 32 of a-z"),
    ("a scope that leaves its directory", net.scope_name, "../x", "'../x' is not a scope"),
    ("a scope of 33 characters", net.scope_name, "a" * 33, "1 to 32"),
    ("an address that is a name", net.address, "router", "'router' is not an IP address"),
    ("an address with an octet too many", net.address, "10.0.0.0.1", "'10.0.0.0.1' is not an IP address"),
    ("an octet out of range", net.address, "10.0.0.256", "'10.0.0.256' is not an IP address"),
    ("an address with a prefix length", net.address, "10.0.0.1/24", "'10.0.0.1/24' is not an IP address"),
    ("a number as an address", net.address, 80, "80 is not an IP address"),
    (
        "a host address without prefix length",
        net.host_address,
        "192.168.233.2",
        "'192.168.233.2' has no prefix length; write it like 192.168.233.2/24",
    ),
    ("a host address with a bad prefix length", net.host_address, "10.0.0.1/33", "like 192.168.233.2/24"),
    (
        "the subnet's own address",
        net.host_address,
        "192.168.233.0/24",
        "192.168.233.0/24 is the subnet's own address; the first usable one is 192.168.233.1/24",
    ),
    (
        "the broadcast address",
        net.host_address,
        "192.168.233.255/24",
        "192.168.233.255/24 is the subnet's broadcast address; the last usable one is 192.168.233.254/24",
    ),
    ("the subnet-router anycast address", net.host_address, "fd00::/64", "the first usable one is fd00::1/64"),
    ("a loopback address", net.host_address, "127.0.0.1/8", "127.0.0.1 cannot be an address of a network interface"),
    ("a multicast address", net.host_address, "ff02::1/64", "ff02::1 cannot be an address of a network interface"),
    ("the unspecified address", net.host_address, "0.0.0.0/0", "0.0.0.0 cannot be an address"),
    ("a link-local address", net.host_address, "fe80::1/64", "fe80::1 is link-local; the kernel assigns it by itself"),
    ("a subnet that is a name", net.subnet, "lan", "'lan' is not a subnet, like 192.168.233.0/24"),
    ("a subnet with a bad prefix length", net.subnet, "10.0.0.0/99", "is not a subnet"),
    ("a MAC address with an octet missing", net.mac, "52:54:00:00:65", "is not a MAC address, like 52:54:00:00:00:65"),
    ("a MAC address with a letter too far", net.mac, "52:54:00:00:00:6g", "is not a MAC address"),
    ("a MAC address that YAML took for a number", net.mac, 41135040061, "in base 60 unless it is in quotes; quote it"),
    ("a multicast MAC address", net.mac, "01:00:5e:00:00:01", "multicast address; the first octet"),
    ("the MAC address of zeros", net.mac, "00:00:00:00:00:00", "cannot have the MAC address of zeros"),
    ("an MTU below IPv4's smallest", net.mtu, 67, "67 is out of range; 68 to 65535 are accepted"),
    ("an MTU above what the kernel takes", net.mtu, 65536, "65536 is out of range; 68 to 65535 are accepted"),
    ("an MTU with a unit", net.mtu, "1500B", "'1500B' is not a whole number"),
    ("an MTU with a fraction", net.mtu, 1500.0, "1500.0 is not a whole number"),
    ("a truth value as a number", net.mtu, True, "True is not a whole number"),
    ("port 0", net.port, 0, "0 is out of range; 1 to 65535 are accepted"),
    ("port 65536", net.port, 65536, "65536 is out of range; 1 to 65535 are accepted"),
    ("a service's name as a port", net.port, "http", "'http' is not a whole number"),
    ("a range of ports backwards", net.ports, "90-80", "90-80: the range ends before it begins; did you mean 80-90?"),
    ("a range of ports without its end", net.ports, "80-", "'' is not a whole number"),
    ("a range of ports beyond the last", net.ports, "65530-65540", "65540 is out of range"),
    ("a list of ports as a text", net.ports, "80,443", "'80,443' is not a whole number"),
    ("a lease time below two minutes", net.lease_time, "119", "119 is out of range; two minutes (120) is the shortest"),
    ("a lease time longer than 32 bits", net.lease_time, 2**32 - 1, "is out of range"),
    ("a lease time in months", net.lease_time, "1M", "seconds, or like 30m, 2h, 1d, or infinite"),
    ("a host name with a dot", net.host_name, "web.lan", "'web.lan' is not a host name"),
    ("a host name that ends in a dash", net.host_name, "web-", "not ending in '-'"),
    ("a host name of 64 characters", net.host_name, "a" * 64, "at most 63 of them"),
    ("a domain name with an empty label", net.domain_name, "a..b", "'a..b' is not a domain name"),
    ("the root as a domain name", net.domain_name, ".", "'.' is not a domain name"),
    ("a domain name of 254 characters", net.domain_name, ".".join(["a" * 49] * 5) + ".abcd", "is not a domain name"),
    ("none of the choices", net.choice("tcp", "udp"), "icmp", "'icmp' is not accepted; one of tcp, udp"),
    ("neither true nor false", net.boolean, "maybe", "'maybe' is neither true nor false"),
    ("two as a truth value", net.boolean, 2, "2 is neither true nor false"),
]


@pytest.mark.parametrize(("parse", "value", "normal"), [c[1:] for c in ACCEPTED], ids=[c[0] for c in ACCEPTED])
def test_accepts(parse: Callable[[Any], Any], value: Any, normal: str) -> None:
    assert str(parse(value)) == normal


@pytest.mark.parametrize(
    ("parse", "value"),
    [c[1:3] for c in ACCEPTED if c[1] is not net.ports],
    ids=[c[0] for c in ACCEPTED if c[1] is not net.ports],
)
def test_a_normal_form_is_its_own_normal_form(parse: Callable[[Any], Any], value: Any) -> None:
    once = parse(value)
    assert parse(str(once)) == once


@pytest.mark.parametrize(("parse", "value", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refuses(parse: Callable[[Any], Any], value: Any, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse(value)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "parse",
    [net.interface_name, net.scope_name, net.host_address, net.mac, net.mtu, net.ports, net.lease_time, net.host_name],
)
@given(value=st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text()), st.floats(), st.booleans()))
def test_anything_else_is_a_value_error_and_never_a_crash(parse: Callable[[Any], Any], value: Any) -> None:
    try:
        normal = parse(value)
    except ValueError as refusal:
        assert str(refusal)
    else:
        assert "\n" not in str(normal)


@given(st.ip_addresses())
def test_every_address_is_its_own_normal_form(value: net.Address) -> None:
    assert net.address(str(value)) == value


@pytest.mark.parametrize("parse", [net.address, net.host_address, net.subnet])
def test_an_address_has_no_zone(parse: Callable[[Any], Any]) -> None:
    """What stands behind a percent sign may be any text, which would reach nft and ip as it is."""
    with pytest.raises(ValueError, match="fd00::1%"):
        parse("fd00::1%x } ; flush ruleset" + ("" if parse is net.address else "/64"))


@given(st.integers(1, 65535), st.integers(0, 100))
def test_port_range_is_the_inverse_of_ports(first: int, more: int) -> None:
    ports = range(first, min(first + more, 65535) + 1)
    assert net.ports(net.port_range(ports)) == ports


@given(st.lists(st.ip_addresses(), unique=True))
def test_ipv4_comes_before_ipv6_and_then_by_number(values: list[net.Address]) -> None:
    ordered = net.in_order(values)
    assert [v.version for v in ordered] == sorted(v.version for v in values)
    assert all(a < b for a, b in zip(ordered, ordered[1:]) if a.version == b.version)
    assert net.in_order(reversed(values)) == ordered
