# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, source NAT and port forwards as entries and as elements of the packet filter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import nat as source_nat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import policy as policies
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import port_forward
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.nat import SourceNat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import Policy, forwarding_families
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.port_forward import PortForward, refuse_conflicts
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import SETS, Element
from ansible_collections.tapestry.vmnet.tests.unit.support import forward, nat, policy
from ansible_collections.tapestry.vmnet.tests.unit.wishes import forwards, nats, policies_of


def written(elements: list[Element]) -> list[str]:
    return sorted(e.name + (f" : {e.value}" if e.value else "") for e in elements)


# Policies

POLICIES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "an isolated network lets nothing through and its subnet is closed",
        {"subnets": ["192.168.56.0/24"], "mode": "isolated", "host_services": []},
        [
            "vn_any_uplink br0",
            "vn_bridges br0",
            "vn_closed4 192.168.56.0/24",
            "vn_from br0",
            "vn_guarded br0",
            "vn_in4 br0 : goto refuse",
            "vn_in6 br0 : goto refuse",
            "vn_inside4 192.168.56.0/24",
            "vn_out4 br0 : goto to_nowhere",
            "vn_out6 br0 : goto to_nowhere",
            "vn_self br0 . br0",
            "vn_sources4 br0 . 192.168.56.0/24",
            "vn_to br0",
        ],
    ),
    (
        "behind NAT a family without a subnet is isolated",
        {"subnets": ["192.168.233.2/24"], "mode": "nat", "host_services": ["all"]},
        [
            "vn_any_uplink br0",
            "vn_bridges br0",
            "vn_closed4 192.168.233.0/24",
            "vn_from br0",
            "vn_in4 br0 : goto from_forwards",
            "vn_in6 br0 : goto refuse",
            "vn_inside4 192.168.233.0/24",
            "vn_out4 br0 : jump to_uplinks_by_nat",
            "vn_out6 br0 : goto to_nowhere",
            "vn_self br0 . br0",
            "vn_sources4 br0 . 192.168.233.0/24",
            "vn_to br0",
        ],
    ),
    (
        "a routed family may be reached directly, so its subnet is not closed",
        {"subnets": ["10.0.0.0/24", "fd00::/64"], "mode": "nat", "ipv6_mode": "routed", "host_services": ["all"]},
        [
            "vn_any_uplink br0",
            "vn_bridges br0",
            "vn_closed4 10.0.0.0/24",
            "vn_from br0",
            "vn_in4 br0 : goto from_forwards",
            "vn_in6 br0 : goto from_uplinks",
            "vn_inside4 10.0.0.0/24",
            "vn_inside6 fd00::/64",
            "vn_out4 br0 : jump to_uplinks_by_nat",
            "vn_out6 br0 : jump to_uplinks",
            "vn_self br0 . br0",
            "vn_sources4 br0 . 10.0.0.0/24",
            "vn_sources6 br0 . fd00::/64",
            "vn_to br0",
        ],
    ),
    (
        "an open network is open in both families and has no rule of its own",
        {"mode": "open", "host_services": ["all"]},
        [
            "vn_any_uplink br0",
            "vn_bridges br0",
            "vn_from br0",
            "vn_open4 br0",
            "vn_open6 br0",
            "vn_self br0 . br0",
            "vn_to br0",
        ],
    ),
    (
        "uplinks, peers, services and isolated guests are an element each",
        {
            "subnets": ["10.0.0.1/32"],
            "mode": "routed",
            "uplinks": ["eth1", "eth0"],
            "peers": ["br1"],
            "host_services": ["dns", "icmp", "sctp/9"],
            "isolate_guests": True,
        },
        [
            "vn_apart br0",
            "vn_bridges br0",
            "vn_echo br0",
            "vn_from br0",
            "vn_guarded br0",
            "vn_in4 br0 : goto from_uplinks",
            "vn_in6 br0 : goto refuse",
            "vn_inside4 10.0.0.1",
            "vn_out4 br0 : jump to_uplinks",
            "vn_out6 br0 : goto to_nowhere",
            "vn_peers br0 . br1",
            "vn_self br0 . br0",
            "vn_services br0 . sctp . 9",
            "vn_services br0 . tcp . 53",
            "vn_services br0 . udp . 53",
            "vn_sources4 br0 . 10.0.0.1",
            "vn_to br0",
            "vn_uplinks br0 . eth0",
            "vn_uplinks br0 . eth1",
        ],
    ),
]


@pytest.mark.parametrize(("values", "elements"), [c[1:] for c in POLICIES], ids=[c[0] for c in POLICIES])
def test_in_the_packet_filter(values: dict[str, Any], elements: list[str]) -> None:
    assert written(policy(bridge="br0", **values).elements("lab")) == elements


@given(policies_of("br0"))
def test_a_policy_told_from_its_elements_has_these_elements(entry: Policy) -> None:
    told = Policy.parse(Fields(policies.from_elements("br0", entry.elements("lab")), "x"))
    assert written(told.elements("lab")) == written(entry.elements("lab"))
    assert policies.from_elements("br0", told.elements("lab")) == policies.from_elements("br0", entry.elements("lab"))


@given(st.one_of(policies_of("br0"), nats("br0"), forwards("br0")), st.sampled_from(["default", "lab"]))
def test_every_element_has_its_set_its_key_once_and_the_mark_of_its_scope_and_bridge(entry: Any, scope: str) -> None:
    elements = entry.elements(scope)
    assert len({e.name for e in elements}) == len(elements)
    for e in elements:
        assert len(e.parts) == len(SETS[e.set].key)
        assert bool(e.value) == bool(SETS[e.set].value)
        assert e.mark == f"vmnet:{scope}/br0"
        assert e.module == {Policy: "policies", SourceNat: "nat", PortForward: "port_forwards"}[type(entry)]


FORWARDING: list[tuple[str, dict[str, Any], set[int]]] = [
    ("an isolated network", {"mode": "isolated", "subnets": ["10.0.0.0/24", "fd00::/64"]}, set()),
    ("an IPv4 network behind NAT", {"mode": "nat", "subnets": ["10.0.0.0/24"]}, {4}),
    ("a network behind NAT in both families", {"mode": "nat", "subnets": ["10.0.0.0/24", "fd00::/64"]}, {4, 6}),
    ("a routed IPv6 network", {"mode": "routed", "subnets": ["fd00::/64"]}, {6}),
    ("an isolated network that is open for IPv6", {"mode": "isolated", "ipv6_mode": "open"}, {6}),
    ("an open network", {"mode": "open"}, {4, 6}),
    ("two peers that are isolated otherwise", {"mode": "isolated", "peers": ["br1"]}, {4, 6}),
]


@pytest.mark.parametrize(("values", "families"), [c[1:] for c in FORWARDING], ids=[c[0] for c in FORWARDING])
def test_which_families_the_host_forwards_for(values: dict[str, Any], families: set[int]) -> None:
    assert forwarding_families(policy(bridge="br0", **values).elements("lab")) == families


# Source NAT


def test_source_nat_without_uplinks_is_an_element_for_each_subnet() -> None:
    entry = nat(bridge="br0", subnets=["10.0.0.2/24", "fd00::/64"])
    assert written(entry.elements("lab")) == [
        "vn_masqueraded4 br0 . 10.0.0.0/24",
        "vn_masqueraded6 br0 . fd00::/64",
    ]


def test_source_nat_with_uplinks_is_an_element_for_each_subnet_and_uplink() -> None:
    entry = nat(bridge="br0", subnets=["10.0.0.0/24", "10.1.0.7"], uplinks=["eth1", "eth0"])
    assert written(entry.elements("lab")) == [
        "vn_masqueraded_uplinks4 br0 . eth0 . 10.0.0.0/24",
        "vn_masqueraded_uplinks4 br0 . eth0 . 10.1.0.7",
        "vn_masqueraded_uplinks4 br0 . eth1 . 10.0.0.0/24",
        "vn_masqueraded_uplinks4 br0 . eth1 . 10.1.0.7",
    ]


def test_source_nat_to_addresses_is_an_element_more_for_each_subnet() -> None:
    entry = nat(
        bridge="br0", subnets=["10.0.0.0/24", "fd00::/64"], to_addresses=["192.168.1.6", "192.168.1.5", "2001:db8::5"]
    )
    assert written(entry.elements("lab")) == [
        "vn_nat4 br0 . 10.0.0.0/24",
        "vn_nat6 br0 . fd00::/64",
        "vn_snat4 br0 . 10.0.0.0/24 : 192.168.1.5-192.168.1.6 . 1024-65535",
        "vn_snat6 br0 . fd00::/64 : 2001:db8::5",
        "vn_snat_portless4 br0 . 10.0.0.0/24 : 192.168.1.5-192.168.1.6",
    ]


def test_a_family_without_a_given_address_gets_the_hosts_own() -> None:
    entry = nat(bridge="br0", subnets=["10.0.0.0/24", "fd00::/64"], to_addresses=["192.168.1.5"])
    assert {"vn_nat4 br0 . 10.0.0.0/24", "vn_masqueraded6 br0 . fd00::/64"} < set(written(entry.elements("lab")))


@given(nats("br0"))
def test_source_nat_told_from_its_elements_is_the_same(entry: SourceNat) -> None:
    assert SourceNat.parse(Fields(source_nat.from_elements("br0", entry.elements("lab")), "x")) == entry


# Port forwards

FORWARDS: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "tcp on every address is the default",
        {"listen": 8080, "to_address": "10.0.0.101", "to_port": 80},
        ["vn_forwards_any4 tcp . 8080 : 10.0.0.101 . 80"],
    ),
    (
        "without a port of the target it is the one that is listened on",
        {"listen": 53, "protocol": "udp", "to_address": "fd00::101"},
        ["vn_forwards_any6 udp . 53 : fd00::101 . 53"],
    ),
    (
        "a range leads to a range in the same order",
        {"listen": "5000-5002", "to_address": "10.0.0.101", "to_port": "6000-6002", "address": "192.168.1.5"},
        [
            "vn_forwards4 192.168.1.5 . tcp . 5000 : 10.0.0.101 . 6000",
            "vn_forwards4 192.168.1.5 . tcp . 5001 : 10.0.0.101 . 6001",
            "vn_forwards4 192.168.1.5 . tcp . 5002 : 10.0.0.101 . 6002",
        ],
    ),
    (
        "sources come before the address",
        {
            "listen": 22,
            "to_address": "10.0.0.101",
            "address": "192.168.1.5",
            "sources": ["192.168.1.9/24", "172.16.0.1"],
        },
        [
            "vn_forwards_from4 172.16.0.1 . 192.168.1.5 . tcp . 22 : 10.0.0.101 . 22",
            "vn_forwards_from4 192.168.1.0/24 . 192.168.1.5 . tcp . 22 : 10.0.0.101 . 22",
        ],
    ),
    (
        "sources on every address",
        {"listen": 22, "protocol": "sctp", "to_address": "fd00::101", "sources": ["2001:db8::/32"]},
        ["vn_forwards_any_from6 2001:db8::/32 . sctp . 22 : fd00::101 . 22"],
    ),
    (
        "from loopback it is one address more",
        {"listen": 22, "to_address": "10.0.0.101", "sources": ["172.16.0.1"], "loopback": True},
        [
            "vn_forwards4 127.0.0.1 . tcp . 22 : 10.0.0.101 . 22",
            "vn_forwards_any_from4 172.16.0.1 . tcp . 22 : 10.0.0.101 . 22",
        ],
    ),
]


@pytest.mark.parametrize(("values", "elements"), [c[1:] for c in FORWARDS], ids=[c[0] for c in FORWARDS])
def test_a_port_forward_in_the_packet_filter(values: dict[str, Any], elements: list[str]) -> None:
    assert written(forward(**values).elements("lab")) == elements


@given(forwards("br0"))
def test_a_port_forward_told_from_its_elements_is_the_same(entry: PortForward) -> None:
    returned = port_forward.from_elements(entry.elements("lab"))
    told = [PortForward.parse(Fields(e, "x")) for e in returned]
    assert written([e for one in told for e in one.elements("lab")]) == written(entry.elements("lab"))
    assert {one.bridge for one in told} == {"br0"}


def test_what_is_returned_for_a_forward_can_be_given_back() -> None:
    entry = forward(listen=80, to_address="10.0.0.1")
    for returned in port_forward.from_elements(entry.elements("lab")):
        assert PortForward.parse(Fields(returned, "x")) == entry


def test_two_forwards_that_would_answer_the_same_packet_are_refused() -> None:
    first = forward(listen="8000-8010", to_address="10.0.0.1")
    second = forward(listen=8005, to_address="10.0.0.2")
    with pytest.raises(InputError, match=r"^b: the listener tcp 8005 \(IPv4\) is already that of a$"):
        refuse_conflicts([("a", first), ("b", second)])


def test_two_forwards_of_one_port_cannot_both_have_the_loopback_address() -> None:
    first, second = (
        forward(listen=80, to_address="10.0.0.1", address=address, loopback=True) for address in ("1.1.1.1", "2.2.2.2")
    )
    with pytest.raises(InputError, match=r"^b: the listener 127\.0\.0\.1 tcp 80 \(IPv4\) is already that of a$"):
        refuse_conflicts([("a", first), ("b", second)])


def test_forwards_that_differ_in_protocol_address_source_or_family_do_not_conflict() -> None:
    common = {"listen": 53, "to_address": "10.0.0.1"}
    several = [
        forward(**common),
        forward(**common, protocol="udp"),
        forward(**common, address="192.168.1.5"),
        forward(**common, sources=["192.168.1.0/24"]),
        forward(listen=53, to_address="fd00::1"),
    ]
    refuse_conflicts((str(i), f) for i, f in enumerate(several))


# What is refused

REFUSED: list[tuple[str, Any, dict[str, Any], str]] = [
    ("a policy without a mode", policy, {"bridge": "br0"}, "policies[br0].mode: is missing"),
    (
        "a mode that there is not",
        policy,
        {"bridge": "br0", "mode": "bridged"},
        "policies[br0].mode: 'bridged' is not accepted; one of isolated, nat, routed, open",
    ),
    (
        "NAT without a subnet",
        policy,
        {"bridge": "br0", "mode": "nat"},
        "policies[br0].subnets: is missing; behind NAT only guests of a known subnet may leave",
    ),
    (
        "NAT for IPv6 without a subnet",
        policy,
        {"bridge": "br0", "mode": "isolated", "ipv6_mode": "nat"},
        "policies[br0].subnets: is missing",
    ),
    (
        "a network that is its own peer",
        policy,
        {"bridge": "br0", "mode": "isolated", "peers": ["br1", "br0"]},
        "policies[br0].peers: br0 is the network itself",
    ),
    (
        "a service that there is not",
        policy,
        {"bridge": "br0", "mode": "isolated", "host_services": ["dhcp", "smb"]},
        f"policies[br0].host_services[1]: 'smb' is not a service; {', '.join(policies.SERVICES)}, or like tcp/8080",
    ),
    (
        "a service on port 0",
        policy,
        {"bridge": "br0", "mode": "isolated", "host_services": ["tcp/0"]},
        "policies[br0].host_services[0]: 0 is out of range",
    ),
    (
        "a service of ICMP",
        policy,
        {"bridge": "br0", "mode": "isolated", "host_services": ["icmp/8"]},
        "'icmp/8' is not",
    ),
    ("a bad subnet", policy, {"bridge": "br0", "mode": "nat", "subnets": ["lan"]}, "policies[br0].subnets[0]: 'lan'"),
    (
        "an unknown field",
        policy,
        {"bridge": "br0", "mode": "open", "subnet": "x"},
        "policies[br0].subnet: is not a field",
    ),
    (
        "source NAT of nobody",
        nat,
        {"bridge": "br0"},
        "nat[br0].subnets: is missing; it says which guests are translated",
    ),
    (
        "addresses to translate to that leave a gap",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["192.168.1.5", "192.168.1.7"]},
        "nat[br0].to_addresses: 192.168.1.7 does not follow 192.168.1.5; the addresses of a family have to be one range",
    ),
    (
        "an address to translate to of a family without a subnet",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["2001:db8::5"]},
        "nat[br0].to_addresses: 2001:db8::5 is IPv6, and no IPv6 subnet is translated",
    ),
    (
        "several IPv6 addresses to translate to",
        nat,
        {"bridge": "br0", "subnets": ["fd00::/64"], "to_addresses": ["2001:db8::5-2001:db8::6"]},
        "nat[br0].to_addresses: 2001:db8::5-2001:db8::6 is more than one IPv6 address",
    ),
    (
        "a guest's address to translate to",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["10.0.0.2"]},
        "nat[br0].to_addresses: 10.0.0.2 is a guest's",
    ),
    (
        "a loopback address to translate to",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["127.0.0.1"]},
        "nat[br0].to_addresses: 127.0.0.1 cannot be the source of what leaves the host",
    ),
    (
        "a range of addresses that ends before it begins",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["192.168.1.7-192.168.1.5"]},
        "nat[br0].to_addresses[0]: 192.168.1.7-192.168.1.5: the range ends before it begins",
    ),
    (
        "ports to translate to without an address",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_ports": "2000-2999"},
        "nat[br0].to_ports: needs an IPv4 address in to_addresses",
    ),
    (
        "one port to translate to",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["192.168.1.5"], "to_ports": 2000},
        "nat[br0].to_ports: 2000 is one port; give a range, like 2000-2999",
    ),
    (
        "port 0 to translate to",
        nat,
        {"bridge": "br0", "subnets": ["10.0.0.0/24"], "to_addresses": ["192.168.1.5"], "to_ports": "0-1023"},
        "nat[br0].to_ports: 0 is out of range",
    ),
    ("a bad uplink", nat, {"bridge": "br0", "subnets": [], "uplinks": ["a/b"]}, "nat[br0].uplinks[0]: 'a/b'"),
    ("a forward from nowhere", forward, {"to_address": "10.0.0.1"}, "port_forwards[None].listen: is missing"),
    ("a forward to nowhere", forward, {"listen": 80}, "port_forwards[80].to_address: is missing"),
    (
        "a protocol without ports",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "protocol": "icmp"},
        "port_forwards[80].protocol: 'icmp' is not accepted; one of tcp, udp, sctp",
    ),
    (
        "a range that leads to a smaller one",
        forward,
        {"listen": "80-85", "to_address": "10.0.0.1", "to_port": "80-81"},
        "to_port: 80-81 does not fit 80-85; ports lead to as many ports, in the same order",
    ),
    (
        "a range that leads to one port",
        forward,
        {"listen": "80-85", "to_address": "10.0.0.1", "to_port": "80"},
        "to_port: 80 does not fit 80-85",
    ),
    (
        "one port that leads to a range",
        forward,
        {"listen": "80", "to_address": "10.0.0.1", "to_port": "80-81"},
        "to_port: 80-81 does not fit 80;",
    ),
    (
        "an address of the other family",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "address": "fd00::1"},
        "port_forwards[80].address: fd00::1 is not of the same family as the target 10.0.0.1",
    ),
    (
        "a loopback address",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "address": "127.0.0.1"},
        "port_forwards[80].address: 127.0.0.1 is a loopback address",
    ),
    (
        "a source of the other family",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "sources": ["10.0.0.0/8", "fd00::/8"]},
        "port_forwards[80].sources[1]: fd00::/8 is not of the same family as the target 10.0.0.1",
    ),
    (
        "an empty list of sources",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "sources": []},
        "port_forwards[80].sources: is empty, so that nobody could connect",
    ),
    (
        "loopback to an IPv6 target",
        forward,
        {"listen": 80, "to_address": "fd00::1", "loopback": True},
        "port_forwards[80].loopback: fd00::1 is IPv6; the kernel takes no answer to ::1 from another interface",
    ),
    (
        "a loopback that is neither true nor false",
        forward,
        {"listen": 80, "to_address": "10.0.0.1", "loopback": "maybe"},
        "port_forwards[80].loopback: 'maybe' is neither true nor false",
    ),
]


@pytest.mark.parametrize(("parse", "values", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refuses(parse: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(**values)
    assert message in str(refusal.value)


def test_an_entry_that_is_to_go_only_needs_its_bridge() -> None:
    assert Policy.parse(Fields({"bridge": "br0"}, "x"), False).bridge == "br0"
    assert SourceNat.parse(Fields({"bridge": "br0"}, "x"), False).bridge == "br0"
