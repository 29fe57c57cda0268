# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network profiles: the resources that a network is made of, and what is refused before any host is touched."""

from __future__ import annotations

import copy
import ipaddress
from contextlib import nullcontext
from itertools import combinations
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.filter.expand import FilterModule
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.coexist import Network as Neighbour
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import entries
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Bridge, Tap
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.nat import SourceNat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.network import MODES, RESOURCES, expand
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import Policy
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.port_forward import PortForward, refuse_conflicts
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.uplink import Uplink
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.dhcp import DHCP

Profile = dict[str, Any]

NAT: Profile = {
    "name": "vmnet8",
    "addresses": ["192.168.233.2/24", "fd00:233::2/64"],
    "mtu": 1500,
    "uplinks": [],
    "ipv6": "nat",
    "isolate_guests": False,
    "host_services": ["dhcp", "dns", "icmp"],
    "dhcp": {
        "ranges": ["192.168.233.100-192.168.233.200"],
        "lease_time": "1h",
        "known_only": False,
        "options": {"ntp-server": ["192.168.233.2"]},
        "routes": [],
        "ipv6": "slaac",
    },
    "dns": {"domain": "vmnet8.internal", "forwarders": [], "records": []},
    "guests": [
        {
            "name": "web",
            "mac": "52:54:00:00:00:65",
            "addresses": ["192.168.233.101"],
            "tap": {"name": "vnet0", "owner": "libvirt-qemu"},
            "forwards": [
                {"listen": 8080, "to_port": 80},
                {"protocol": "udp", "listen": "5000-5010", "address": "192.168.1.5", "sources": ["192.168.1.0/24"]},
            ],
        }
    ],
    "forwards": [{"listen": 2222, "to_address": "192.168.233.150", "to_port": 22}],
}
HOST_ONLY: Profile = {
    "name": "vmnet1",
    "addresses": ["192.168.56.1/24"],
    "guests": [{"name": "db", "mac": "52:54:00:00:01:01", "addresses": ["192.168.56.10"], "tap": {"name": "vnet10"}}],
}
BRIDGED: Profile = {"name": "lan0", "uplink": "eth1", "guests": [{"name": "pc", "tap": {"name": "vnet20"}}]}


def with_(base: Profile, **changes: Any) -> Profile:
    """A profile in which fields differ; None takes one away."""
    return {k: v for k, v in {**copy.deepcopy(base), **changes}.items() if v is not None}


def with_guest(base: Profile, **changes: Any) -> Profile:
    return with_(base, guests=[with_(base["guests"][0], **changes)])


def test_the_profile_of_the_design_becomes_these_resources() -> None:
    assert expand([NAT], "nat") == {
        "bridges": [{"name": "vmnet8", "addresses": ["192.168.233.2/24", "fd00:233::2/64"], "mtu": 1500}],
        "taps": [
            {
                "mtu": 1500,
                "hairpin": True,
                "name": "vnet0",
                "isolated": False,
                "owner": "libvirt-qemu",
                "bridge": "vmnet8",
            }
        ],
        "dhcp": [
            {
                "ipv6": "slaac",
                "ranges": ["192.168.233.100-192.168.233.200"],
                "lease_time": "1h",
                "known_only": False,
                "options": {"ntp-server": ["192.168.233.2"]},
                "routes": [],
                "bridge": "vmnet8",
                "addresses": ["192.168.233.2/24", "fd00:233::2/64"],
                "mtu": 1500,
                "router": True,
                "reservations": [{"name": "web", "mac": "52:54:00:00:00:65", "addresses": ["192.168.233.101"]}],
                "dns": {"domain": "vmnet8.internal", "forwarders": [], "records": [], "forward": True},
            }
        ],
        "nat": [{"bridge": "vmnet8", "subnets": ["192.168.233.0/24", "fd00:233::/64"], "uplinks": []}],
        "port_forwards": [
            {
                "bridge": "vmnet8",
                "protocol": "tcp",
                "listen": "8080",
                "to_address": "192.168.233.101",
                "to_port": "80",
            },
            {
                "bridge": "vmnet8",
                "protocol": "udp",
                "listen": "5000-5010",
                "to_address": "192.168.233.101",
                "to_port": "5000-5010",
                "address": "192.168.1.5",
                "sources": ["192.168.1.0/24"],
            },
            {
                "bridge": "vmnet8",
                "protocol": "tcp",
                "listen": "2222",
                "to_address": "192.168.233.150",
                "to_port": "22",
            },
        ],
        "policies": [
            {
                "bridge": "vmnet8",
                "subnets": ["192.168.233.0/24", "fd00:233::/64"],
                "mode": "nat",
                "host_services": ["dhcp", "dns", "icmp"],
                "peers": [],
                "isolate_guests": False,
                "ipv6_mode": "nat",
                "uplinks": [],
            }
        ],
        "coexist": [
            {
                "bridge": "vmnet8",
                "subnets": ["192.168.233.0/24", "fd00:233::/64"],
                "mode": "nat",
                "ipv6_mode": "nat",
                "uplinks": [],
                "peers": [],
                "host_services": ["dhcp", "dns", "icmp"],
                "forwards": True,
            }
        ],
    }


def test_a_host_only_network_is_isolated_and_gives_no_default_route() -> None:
    found = expand([with_(HOST_ONLY, dhcp={"ranges": ["192.168.56.100-192.168.56.200"]})], "host_only")
    assert set(found) == {"bridges", "taps", "dhcp", "policies", "coexist"}
    assert [(p["mode"], p["subnets"]) for p in found["policies"]] == [("isolated", ["192.168.56.0/24"])]
    assert [(d["router"], d["dns"]["forward"], d["ipv6"]) for d in found["dhcp"]] == [(False, False, "none")]


def test_a_host_only_network_without_addresses_is_a_bridge_on_which_the_host_is_not() -> None:
    found = expand([{"name": "vmnet2", "addresses": []}], "host_only")
    assert found["bridges"] == [{"name": "vmnet2", "addresses": [], "mtu": 1500}]
    assert found["dhcp"] == []
    assert found["policies"][0]["mode"] == "isolated"


def test_a_bridged_network_is_a_bridge_in_the_likeness_of_its_uplink_and_nothing_else() -> None:
    assert expand([BRIDGED], "bridged") == {
        "bridges": [{"name": "lan0", "addresses": [], "uplink": "eth1"}],
        "uplinks": [{"name": "eth1", "bridge": "lan0", "migrate": True}],
        "taps": [{"hairpin": False, "name": "vnet20", "isolated": False, "bridge": "lan0"}],
        "coexist": [{"bridge": "lan0", "mode": "bridged"}],
    }


def test_a_bridged_network_keeps_vlans_apart_where_it_is_to() -> None:
    network = with_guest(with_(BRIDGED, vlan_filtering=True), vlan={"pvid": 10, "tagged": [20, 21, "30-31"]})
    found = expand([network], "bridged")
    assert found["bridges"][0]["vlan_filtering"] is True
    assert found["taps"][0]["vlan"] == {"pvid": 10, "tagged": ["20-21", "30-31"]}


def test_what_a_network_that_is_not_started_at_boot_is_made_of_is_not_either() -> None:
    other = {"name": "vmnet9", "addresses": ["10.0.0.1/24"], "dhcp": {}}
    found = expand([with_(NAT, autostart=False), other], "nat")
    del found["coexist"]  # others' firewalls start by themselves
    for part in found.values():
        assert part
        for entry in part:
            mine = "vmnet8" in (entry.get("bridge"), entry.get("name"))
            assert entry.get("autostart", True) is not mine


def test_a_routed_ipv6_network_is_not_translated() -> None:
    found = expand([with_(NAT, ipv6="routed")], "nat")
    assert found["nat"] == [{"bridge": "vmnet8", "subnets": ["192.168.233.0/24"], "uplinks": []}]
    assert found["policies"][0]["ipv6_mode"] == "routed"


def test_the_mtu_of_a_network_is_that_of_bridge_taps_and_dhcp() -> None:
    found = expand([with_(NAT, mtu=9000)], "nat")
    assert [found[part][0]["mtu"] for part in ("bridges", "taps", "dhcp")] == [9000, 9000, 9000]


def test_a_tap_s_own_mtu_and_isolation_win() -> None:
    tap = {"name": "vnet0", "mtu": 1400, "isolated": False}
    found = expand([with_guest(with_(NAT, isolate_guests=True), tap=tap)], "nat")
    assert (found["taps"][0]["mtu"], found["taps"][0]["isolated"]) == (1400, False)
    assert expand([with_(NAT, isolate_guests=True)], "nat")["taps"][0]["isolated"] is True


def test_a_guest_without_mac_has_no_reservation_and_one_without_tap_no_tap() -> None:
    found = expand([with_guest(NAT, mac=None, tap=None)], "nat")
    assert (found["taps"], found["dhcp"][0]["reservations"]) == ([], [])


def test_a_guest_may_be_known_by_more_than_its_mac_and_have_options_of_its_own() -> None:
    known = {"client_id": "web-1", "duid": "00:01:02", "options": {"ntp-server": "192.168.233.9"}}
    [reservation] = expand([with_guest(NAT, **known)], "nat")["dhcp"][0]["reservations"]
    assert {name: reservation[name] for name in known} == known


def test_a_guest_that_dhcp_cannot_know_still_has_its_name() -> None:
    found = expand([with_guest(NAT, mac=None)], "nat")["dhcp"][0]
    assert found["reservations"] == []
    assert found["dns"]["records"][-1]["name"] == "web"


def test_guests_that_boot_from_the_host_may_reach_its_tftp_server() -> None:
    boot = {"boot": {"file": "pxelinux.0", "tftp_root": "/srv/tftp"}}
    plain = with_(NAT, dhcp=boot, host_services=None)
    assert expand([plain], "nat")["policies"][0]["host_services"] == ["dhcp", "dns", "icmp", "tftp"]
    chosen = with_(NAT, dhcp=boot, host_services=["dhcp"])
    assert expand([chosen], "nat")["policies"][0]["host_services"] == ["dhcp"]


def test_guests_do_not_reach_a_name_server_of_the_host_where_names_are_off() -> None:
    off = with_(NAT, dns={"enabled": False}, host_services=None)
    assert expand([off], "nat")["policies"][0]["host_services"] == ["dhcp", "icmp"]


LOCAL = {"name": "vmnet8", "addresses": ["192.168.233.2/24", "fd00:233::2/64"], "dhcp": {"ranges": []}}


@pytest.mark.parametrize(
    ("network", "forward", "refused"),
    [
        pytest.param({}, {"protocol": "udp", "listen": 53}, True, id="DNS on every address"),
        pytest.param({}, {"listen": "50-60", "to_port": "50-60"}, True, id="DNS by TCP in a range"),
        pytest.param({}, {"protocol": "udp", "listen": 67}, True, id="DHCP"),
        pytest.param({}, {"protocol": "udp", "listen": 53, "address": "192.168.233.2"}, True, id="on the gateway"),
        pytest.param({}, {"protocol": "udp", "listen": 53, "sources": ["192.168.233.0/25"]}, True, id="for guests"),
        pytest.param({}, {"protocol": "udp", "listen": 53, "address": "192.168.1.5"}, False, id="on another address"),
        pytest.param({}, {"protocol": "udp", "listen": 53, "sources": ["192.168.1.0/24"]}, False, id="for the LAN"),
        pytest.param({"dns": {"enabled": False}}, {"protocol": "udp", "listen": 53}, False, id="no DNS"),
        pytest.param({"dhcp": None}, {"protocol": "udp", "listen": 53}, False, id="no server"),
        pytest.param({}, {"protocol": "udp", "listen": 547}, False, id="no DHCPv6"),
    ],
)
def test_a_forward_does_not_take_what_guests_ask_the_host_itself(
    network: dict[str, Any], forward: dict[str, Any], refused: bool
) -> None:
    made = with_(LOCAL, **network, forwards=[{"to_address": "192.168.233.101", **forward}])
    if refused:
        with pytest.raises(
            InputError, match=r"^nat_networks\[vmnet8\]\.forwards\[.*\]\.listen: .* is also where vmnet8 has its"
        ):
            expand([made], "nat")
    else:
        assert expand([made], "nat")["port_forwards"]


def test_a_network_without_dhcp_and_dns_has_no_service() -> None:
    found = expand([with_(NAT, dhcp=None, dns=None)], "nat")
    assert found["dhcp"] == []
    assert found["coexist"][0]["host_services"] == ["icmp"], "nobody has to let through what nobody answers"


def test_a_forward_of_a_guest_with_both_families_leads_to_both() -> None:
    guest = {"addresses": ["192.168.233.101", "fd00:233::65"], "forwards": [{"listen": 80}]}
    found = expand([with_guest(NAT, **guest)], "nat")["port_forwards"][:2]
    assert [f["to_address"] for f in found] == ["192.168.233.101", "fd00:233::65"]


def test_a_forward_leads_to_the_family_of_its_address_or_its_sources() -> None:
    addresses = ["192.168.233.101", "fd00:233::65"]
    forwards = [{"listen": 80, "address": "2001:db8::5"}, {"listen": 81, "sources": ["10.0.0.0/8"]}]
    found = expand([with_guest(NAT, addresses=addresses, forwards=forwards)], "nat")["port_forwards"][:2]
    assert [f["to_address"] for f in found] == ["fd00:233::65", "192.168.233.101"]


def test_a_forward_leads_to_the_first_address_of_a_guest_with_several() -> None:
    addresses = ["192.168.233.150", "192.168.233.101"]
    found = expand([with_guest(with_(NAT, dhcp=None, dns=None), addresses=addresses)], "nat")["port_forwards"][0]
    assert found["to_address"] == "192.168.233.150"


def test_guests_configure_ipv6_addresses_by_themselves_only_on_a_64() -> None:
    found = expand([with_(NAT, addresses=["192.168.233.2/24", "fd00:233::2/80"], dhcp={})], "nat")
    assert found["dhcp"][0]["ipv6"] == "none"


def test_a_list_of_ports_is_a_forward_for_each() -> None:
    forwards = [{"listen": [80, "443", "5000-5001"], "to_port": [8080, 8443, "6000-6001"]}]
    found = expand([with_guest(NAT, forwards=forwards)], "nat")["port_forwards"][:3]
    assert [(f["listen"], f["to_port"]) for f in found] == [
        ("80", "8080"),
        ("443", "8443"),
        ("5000-5001", "6000-6001"),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("networks", [[], None], ids=["empty", "null"])
def test_no_networks_are_no_resources(mode: str, networks: Any) -> None:
    assert expand(networks, mode) == {resource: [] for resource in RESOURCES[mode]}


def test_the_order_of_networks_is_kept() -> None:
    second = with_(NAT, name="vmnet9", addresses=["10.9.0.1/24"], ipv6=None, dhcp=None, guests=None, forwards=None)
    assert [b["name"] for b in expand([second, NAT], "nat")["bridges"]] == ["vmnet9", "vmnet8"]


def test_the_filter_says_the_same_as_an_error_of_ansible() -> None:
    filter_ = FilterModule().filters()["expand"]
    assert filter_([NAT], "nat") == expand([NAT], "nat")
    with pytest.raises(AnsibleFilterError, match=r"nat_networks\[vmnet8\]\.mtu: 9 is out of range"):
        filter_([with_(NAT, mtu=9)], "nat")


def second(**changes: Any) -> Profile:
    """Another NAT network that fits beside the first."""
    base = {"name": "vmnet9", "addresses": ["10.9.0.1/24"], "guests": [{"name": "mail", "addresses": ["10.9.0.5"]}]}
    return with_(base, **changes)


W, D = "nat_networks[vmnet8].guests[web]", "nat_networks[vmnet8].dhcp"

REFUSED: list[tuple[str, list[Any], str]] = [
    # names
    ("a network without a name", [with_(NAT, name=None)], "nat_networks[0].name: is missing"),
    (
        "a name that is too long",
        [with_(NAT, name="vmnet-of-the-lab")],
        "nat_networks[vmnet-of-the-lab].name: vmnet-of-the-lab has 16 characters; an interface name has at most 15",
    ),
    (
        "a name that is no interface name",
        [with_(NAT, name="vm net")],
        "nat_networks[vm net].name: 'vm net' is not an interface name; letters, digits, '_', '.' and '-' are accepted,"
        " no '.' or '-' first",
    ),
    ("a name that is a list", [with_(NAT, name=["x"])], "nat_networks[['x']].name: ['x'] is not a text"),
    (
        "two networks of one name",
        [NAT, second(name="vmnet8")],
        "nat_networks[vmnet8]: the interface name vmnet8 is already that of nat_networks[vmnet8]",
    ),
    (
        "a tap with the name of a network",
        [with_guest(NAT, tap={"name": "vmnet8"})],
        f"{W}.tap.name: the interface name vmnet8 is already that of nat_networks[vmnet8]",
    ),
    (
        "two taps of one name",
        [NAT, second(guests=[{"name": "mail", "tap": {"name": "vnet0"}}])],
        f"nat_networks[vmnet9].guests[mail].tap.name: the interface name vnet0 is already that of {W}.tap.name",
    ),
    (
        "two guests of one MAC address",
        [NAT, second(guests=[{"name": "mail", "mac": "52-54-00-00-00-65"}])],
        f"nat_networks[vmnet9].guests[mail].mac: the MAC address 52:54:00:00:00:65 is already that of {W}.mac",
    ),
    (
        "two guests of one address",
        [with_(NAT, guests=[*NAT["guests"], {"name": "twin", "addresses": ["192.168.233.101"]}])],
        "nat_networks[vmnet8].guests[twin].addresses[0]: the address 192.168.233.101 is already that of"
        f" {W}.addresses[0]",
    ),
    (
        "a guest with the host's address",
        [with_(with_guest(NAT, addresses=["192.168.233.2"]), dhcp=None, dns=None)],
        f"{W}.addresses[0]: 192.168.233.2 is the host's own address",
    ),
    (
        "a guest's name with a dot",
        [with_guest(NAT, name="web.lan")],
        "guests[web.lan].name: 'web.lan' is not a host name",
    ),
    # addresses
    (
        "a NAT network without addresses",
        [with_(NAT, addresses=[], dhcp=None, dns=None, guests=None, forwards=None, ipv6=None)],
        "nat_networks[vmnet8].addresses: is missing; the first address of each family is the guests' gateway",
    ),
    (
        "an address without prefix length",
        [with_(NAT, addresses=["192.168.233.2"])],
        "nat_networks[vmnet8].addresses[0]: '192.168.233.2' has no prefix length; write it like 192.168.233.2/24",
    ),
    (
        "overlapping subnets of two networks",
        [NAT, second(addresses=["192.168.233.129/25"], guests=None)],
        "nat_networks[vmnet9].addresses[0]: 192.168.233.129/25 overlaps 192.168.233.0/24 of nat_networks[vmnet8]",
    ),
    (
        "a subnet inside one in which its network has two addresses",
        [
            second(addresses=["10.9.7.1/24"], guests=None),
            with_(
                NAT,
                addresses=["10.9.0.1/16", "10.9.200.1/16"],
                dhcp=None,
                dns=None,
                guests=None,
                forwards=None,
                ipv6=None,
            ),
        ],
        "nat_networks[vmnet8].addresses[1]: 10.9.200.1/16 overlaps 10.9.7.0/24 of nat_networks[vmnet9]",
    ),
    (
        "overlapping subnets of one network",
        [
            with_(
                NAT,
                addresses=["10.9.0.1/16", "10.8.0.1/16", "10.9.7.1/24"],
                dhcp=None,
                dns=None,
                guests=None,
                forwards=None,
                ipv6=None,
            )
        ],
        "nat_networks[vmnet8].addresses[2]: 10.9.7.1/24 overlaps 10.9.0.0/16 of nat_networks[vmnet8]",
    ),
    (
        "a guest outside the subnet",
        [with_guest(NAT, addresses=["192.168.234.101"])],
        f"{W}.addresses[0]: 192.168.234.101 is outside 192.168.233.0/24, fd00:233::/64",
    ),
    # MTU
    (
        "an MTU out of range",
        [with_(NAT, mtu=70000)],
        "nat_networks[vmnet8].mtu: 70000 is out of range; 68 to 65535 are accepted",
    ),
    (
        "an MTU that is too small for IPv6",
        [with_(NAT, mtu=1279)],
        "nat_networks[vmnet8].mtu: 1279 is too small for IPv6, which needs 1280 (RFC 8200)",
    ),
    # IPv6 without an IPv6 address
    (
        "IPv6 translation without an IPv6 address",
        [with_(NAT, addresses=["192.168.233.2/24"], dhcp=None, dns=None)],
        "nat_networks[vmnet8].ipv6: needs an IPv6 address in addresses",
    ),
    (
        "router advertisements without an IPv6 address",
        [with_(NAT, addresses=["192.168.233.2/24"], ipv6=None)],
        f"{D}.ipv6: slaac needs an IPv6 address of the host in nat_networks[vmnet8].addresses",
    ),
    # DHCP and DNS
    (
        "a range outside the subnet",
        [with_(NAT, dhcp={"ranges": ["192.168.234.10-192.168.234.20"]})],
        f"{D}.ranges[0]: 192.168.234.10 is outside 192.168.233.0/24",
    ),
    (
        "a range that leaves the subnet",
        [with_(NAT, dhcp={"ranges": ["192.168.233.200-192.168.234.20"]})],
        f"{D}.ranges[0]: 192.168.234.20 is outside 192.168.233.0/24",
    ),
    (
        "a range with the host's address",
        [with_(NAT, dhcp={"ranges": ["192.168.233.1-192.168.233.20"]})],
        f"{D}.ranges[0]: 192.168.233.1-192.168.233.20 contains 192.168.233.2, an address of the host",
    ),
    (
        "a lease of a second",
        [with_(NAT, dhcp={"lease_time": "1s"})],
        f"{D}.lease_time: 1s is out of range; two minutes",
    ),
    ("an unknown field of DHCP", [with_(NAT, dhcp={"range": []})], f"{D}.range: is not a field of it; it has"),
    (
        "a field of DHCP that the network itself says",
        [with_(NAT, dhcp={"mtu": 1500})],
        f"{D}.mtu: is not a field of it; the network itself says so",
    ),
    (
        "a client id without DHCP",
        [with_(with_guest(NAT, client_id="web-1"), dhcp=None, dns=None)],
        f"{W}.client_id: nobody would heed it; the network has no nat_networks[vmnet8].dhcp",
    ),
    (
        "an option of a guest that does not parse",
        [with_guest(NAT, options={"ntp-server": "x"})],
        f"{W}.options.ntp-server[0]: 'x' is not an IP address",
    ),
    ("DHCP that is a truth value", [with_(NAT, dhcp=True)], f"{D}: True is not a mapping"),
    (
        "a bad domain",
        [with_(NAT, dns={"domain": "a..b"})],
        "nat_networks[vmnet8].dns.domain: 'a..b' is not a domain name",
    ),
    (
        "a bad record",
        [with_(NAT, dns={"records": [{"name": "x", "addresses": ["y"]}]})],
        "nat_networks[vmnet8].dns.records[x].addresses[0]: 'y' is not an IP address",
    ),
    (
        "two guests of one name",
        [with_(NAT, guests=[*NAT["guests"], {"name": "web", "mac": "52:54:00:00:00:66"}])],
        "nat_networks[vmnet8].guests[web].name: the name web.vmnet8.internal is already that of"
        " nat_networks[vmnet8].guests[web].name",
    ),
    (
        "a record with the name of a guest",
        [with_(NAT, dns={"records": [{"name": "web", "addresses": ["10.0.0.1"]}]})],
        "nat_networks[vmnet8].guests[web].name: the name web.vmnet8.internal is already that of"
        " nat_networks[vmnet8].dns.records",
    ),
    # forwards
    (
        "a forward without a target address",
        [with_(NAT, forwards=[{"listen": 2222}])],
        "nat_networks[vmnet8].forwards[2222].to_address: is missing",
    ),
    (
        "a forward of a guest without an address",
        [with_guest(NAT, addresses=None)],
        f"{W}.forwards[8080]: leads nowhere: the guest web has no address; give it one in addresses",
    ),
    (
        "a forward from IPv6 of a guest without an IPv6 address",
        [with_guest(NAT, forwards=[{"listen": 80, "sources": ["2001:db8::/32"]}])],
        f"{W}.forwards[80]: leads nowhere: the guest web has no IPv6 address; give it one in addresses",
    ),
    (
        "a forward to outside the network",
        [with_(NAT, forwards=[{"listen": 2222, "to_address": "10.0.0.1"}])],
        "nat_networks[vmnet8].forwards[2222].to_address: 10.0.0.1 is outside 192.168.233.0/24, fd00:233::/64",
    ),
    (
        "two forwards that listen on one port",
        [NAT, second(forwards=[{"listen": "8000-8100", "to_address": "10.9.0.5"}])],
        f"nat_networks[vmnet9].forwards[8000-8100]: the listener tcp 8080 (IPv4) is already that of {W}.forwards[8080]",
    ),
    (
        "another number of target ports",
        [with_guest(NAT, forwards=[{"listen": [80, 443], "to_port": [8080]}])],
        f"{W}.forwards[[80, 443]].to_port: has 1 items and listen has 2; give one for each, or leave it out",
    ),
    (
        "a bad port",
        [with_guest(NAT, forwards=[{"listen": 0}])],
        f"{W}.forwards[0].listen: 0 is out of range; 1 to 65535",
    ),
    ("a forward without a port", [with_guest(NAT, forwards=[{"to_port": 80}])], f"{W}.forwards[0].listen: is missing"),
    (
        "a field of a forward that there is not",
        [with_guest(NAT, forwards=[{"listen": 80, "loop": True}])],
        f"{W}.forwards[80].loop: is not a field of it",
    ),
    # fields
    ("an autostart that is neither", [with_(NAT, autostart="never")], "nat_networks[vmnet8].autostart: 'never' is"),
    (
        "an address to translate to that is a guest's",
        [with_(NAT, to_addresses=["192.168.233.101"])],
        "nat_networks[vmnet8].to_addresses: 192.168.233.101 is a guest's",
    ),
    (
        "an address to translate to of a family that is routed",
        [with_(NAT, ipv6="routed", to_addresses=["2001:db8::5"])],
        "nat_networks[vmnet8].to_addresses: 2001:db8::5 is IPv6, and no IPv6 subnet is translated",
    ),
    (
        "ports to translate to without an address",
        [with_(NAT, to_ports="2000-2999")],
        "nat_networks[vmnet8].to_ports: needs an IPv4 address in to_addresses",
    ),
    (
        "a peer that is not there",
        [with_(NAT, peers=["vmnet9"])],
        "nat_networks[vmnet8].peers[0]: vmnet9 is no other network of this host; there is none",
    ),
    (
        "a peer that is the network itself",
        [with_(NAT, peers=["vmnet8"])],
        "nat_networks[vmnet8].peers[0]: vmnet8 is no other network of this host",
    ),
    (
        "an autostart of a tap",
        [with_guest(NAT, tap={"name": "vnet0", "autostart": False})],
        f"{W}.tap.autostart: is not a field of it; it is one of the network",
    ),
    ("VLANs behind NAT", [with_guest(NAT, vlan={"pvid": 10})], f"{W}.vlan: is not a field of it"),
    ("a guest's field of later", [with_guest(NAT, port_security=True)], f"{W}.port_security: is not a field of it"),
    (
        "a tap that names a bridge",
        [with_guest(NAT, tap={"name": "vnet0", "bridge": "br0"})],
        f"{W}.tap.bridge: is not a field of it",
    ),
    ("a tap without a name", [with_guest(NAT, tap={"owner": "root"})], f"{W}.tap.name: is missing"),
    (
        "a tap that is a name",
        [with_guest(NAT, tap="vnet0")],
        f"{W}.tap: 'vnet0' is not a mapping of field names to values",
    ),
    ("a service that there is not", [with_(NAT, host_services=["smb"])], "host_services[0]: 'smb' is not a service"),
    (
        "guests that are no list",
        [with_(NAT, guests={"web": {}})],
        "nat_networks[vmnet8].guests: {'web': {}} is not a list",
    ),
    ("networks that are no list", NAT, "nat_networks: {"),  # type: ignore[list-item]
    ("a network that is a name", ["vmnet8"], "nat_networks[0]: 'vmnet8' is not a mapping of field names to values"),
]


@pytest.mark.parametrize(("networks", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_nat_refuses(networks: Any, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        expand(networks, "nat")
    assert message in str(refusal.value)


# (which network, third octet, prefix length) of each address
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(20, 24)), min_size=1, max_size=6))
def test_whatever_overlaps_is_refused_and_nothing_else(addresses: list[tuple[int, int, int]]) -> None:
    networks: dict[int, list[str]] = {}
    for number, (which, octet, length) in enumerate(addresses, 10):
        networks.setdefault(which, []).append(f"10.9.{octet}.{number}/{length}")
    subnets = [(which, ipaddress.ip_network(a, strict=False)) for which, listed in networks.items() for a in listed]
    overlap = any(one[1].overlaps(other[1]) and one != other for one, other in combinations(subnets, 2))
    with pytest.raises(InputError, match="overlaps") if overlap else nullcontext():
        expand([{"name": f"vmnet{which}", "addresses": listed} for which, listed in networks.items()], "nat")


OTHER_MODES: list[tuple[str, str, Profile, str]] = [
    (
        "a bridged network without uplink",
        "bridged",
        with_(BRIDGED, uplink=None),
        "bridged_networks[lan0].uplink: is missing",
    ),
    (
        "a bridged network whose uplink is itself",
        "bridged",
        with_(BRIDGED, uplink="lan0"),
        "bridged_networks[lan0].uplink: lan0 is the bridge itself; name the physical interface",
    ),
    (
        "addresses in bridged mode",
        "bridged",
        with_(BRIDGED, addresses=["10.0.0.1/24"]),
        "lan0].addresses: is not a field of it",
    ),
    ("DHCP in bridged mode", "bridged", with_(BRIDGED, dhcp={}), "bridged_networks[lan0].dhcp: is not a field of it"),
    (
        "time to confirm that is too short",
        "bridged",
        with_(BRIDGED, confirm_timeout=1),
        "lan0].confirm_timeout: 1 is out of range; 5 to 3600 are accepted",
    ),
    (
        "a guest's VLAN on a network without",
        "bridged",
        with_guest(BRIDGED, vlan={"pvid": 10}),
        "guests[pc].vlan: needs a network that keeps VLANs apart; set bridged_networks[lan0].vlan_filtering: true",
    ),
    (
        "a VLAN of a guest without tap",
        "bridged",
        with_guest(with_(BRIDGED, vlan_filtering=True), tap=None, vlan={"pvid": 10}),
        "guests[pc].vlan: is that of the guest's tap, and it has none",
    ),
    (
        "a VLAN in the tap",
        "bridged",
        with_guest(with_(BRIDGED, vlan_filtering=True), tap={"name": "vnet20", "vlan": {"pvid": 10}}),
        "guests[pc].tap.vlan: is not a field of it; it is one of the guest",
    ),
    (
        "a guest's address in bridged mode",
        "bridged",
        with_guest(BRIDGED, addresses=["10.0.0.1"]),
        "bridged_networks[lan0].guests[pc].addresses: is not a field of it",
    ),
    (
        "forwards in bridged mode",
        "bridged",
        with_guest(BRIDGED, forwards=[{"listen": 80}]),
        "bridged_networks[lan0].guests[pc].forwards: is not a field of it",
    ),
    (
        "uplinks in host-only mode",
        "host_only",
        with_(HOST_ONLY, uplinks=["eth0"]),
        "vmnet1].uplinks: is not a field of it",
    ),
    (
        "forwards in host-only mode",
        "host_only",
        with_(HOST_ONLY, forwards=[]),
        "vmnet1].forwards: is not a field of it",
    ),
    ("translation in host-only mode", "host_only", with_(HOST_ONLY, ipv6="nat"), "vmnet1].ipv6: is not a field of it"),
    (
        "a guest's address on a network without one",
        "host_only",
        with_(HOST_ONLY, addresses=[]),
        "guests[db].addresses[0]: 192.168.56.10 is outside the network, which has no addresses",
    ),
    (
        "DHCP on a network without an address",
        "host_only",
        {"name": "vmnet1", "addresses": [], "dhcp": {}},
        "host_only_networks[vmnet1].addresses: is missing",
    ),
]


@pytest.mark.parametrize(("mode", "network", "message"), [c[1:] for c in OTHER_MODES], ids=[c[0] for c in OTHER_MODES])
def test_another_mode_refuses(mode: str, network: Profile, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        expand([network], mode)
    assert message in str(refusal.value)


BESIDE: list[tuple[str, dict[str, Any], str]] = [
    (
        "overlapping subnets",
        {"host_only": [with_(HOST_ONLY, addresses=["192.168.0.1/16"], guests=None)]},
        "host_only_networks[vmnet1].addresses[0]: 192.168.0.1/16 overlaps 192.168.233.0/24 of nat_networks[vmnet8]",
    ),
    (
        "one name",
        {"bridged": [with_(BRIDGED, name="vmnet8")]},
        "bridged_networks[vmnet8]: the interface name vmnet8 is already that of nat_networks[vmnet8]",
    ),
    (
        "one tap",
        {"bridged": [with_guest(BRIDGED, tap={"name": "vnet0"})]},
        "bridged_networks[lan0].guests[pc].tap.name: the interface name vnet0 is already that of",
    ),
    (
        "one MAC address",
        {"host_only": [with_guest(HOST_ONLY, mac="52:54:00:00:00:65")]},
        "host_only_networks[vmnet1].guests[db].mac: the MAC address 52:54:00:00:00:65 is already that of",
    ),
    (
        "one uplink",
        {"bridged": [BRIDGED, with_(BRIDGED, name="lan1", guests=None)]},
        "bridged_networks[lan1].uplink: the uplink eth1 is already that of bridged_networks[lan0].uplink",
    ),
    (
        "what is wrong by itself",
        {"host_only": [{"name": "a/b"}]},
        "host_only_networks[a/b].name: 'a/b' is not an interface",
    ),
]


@pytest.mark.parametrize(("beside", "message"), [c[1:] for c in BESIDE], ids=[c[0] for c in BESIDE])
def test_networks_of_two_modes_cannot_have(beside: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        expand([NAT], "nat", beside)
    assert message in str(refusal.value)


def test_networks_of_all_modes_fit_on_one_host_and_only_the_asked_mode_is_expanded() -> None:
    beside = {"host_only": [HOST_ONLY], "bridged": [BRIDGED], "nat": ["not looked at"]}
    assert expand([NAT], "nat", beside) == expand([NAT], "nat")


def test_a_mode_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"^expand: 'routed' is not a mode; one of host_only, bridged, nat$"):
        expand([], "routed")


# Any profile


@st.composite
def guests(draw: Any, octet: int, mode: str) -> list[Profile]:
    result = []
    for number in draw(st.lists(st.integers(10, 40), unique=True, max_size=3)):
        guest: Profile = {
            "name": f"vm{number}",
            "mac": draw(st.sampled_from([None, f"52:54:00:00:{octet:02x}:{number:02x}"])),
        }
        if draw(st.booleans()):
            guest["tap"] = {
                "name": f"t{octet}.{number}",
                "owner": draw(st.sampled_from([None, "root", 0])),
                "mtu": draw(st.sampled_from([None, 1400])),
                "isolated": draw(st.none() | st.booleans()),
                "multi_queue": draw(st.none() | st.booleans()),
            }
        if mode == "bridged" and "tap" in guest:
            guest["vlan"] = draw(st.sampled_from([None, {"pvid": 10}, {"tagged": ["10-20"]}]))
        if mode != "bridged":
            guest["addresses"] = [f"10.0.{octet}.{number}"]
        if mode == "nat":
            guest["forwards"] = draw(
                st.lists(
                    st.fixed_dictionaries(
                        {"listen": st.just(octet * 100 + number)},
                        optional={
                            "to_port": st.integers(1, 65535),
                            "address": st.just("192.168.1.5"),
                            "sources": st.just(["192.168.1.0/24"]),
                        },
                    ),
                    max_size=1,
                )
            )
        result.append(guest)
    return result


@st.composite
def profiles(draw: Any, mode: str) -> list[Profile]:
    result = []
    for octet in draw(st.lists(st.integers(1, 9), unique=True, max_size=3)):
        profile: Profile = {
            "name": f"net{octet}",
            "mtu": draw(st.sampled_from([None, 1500, 9000])),
            "autostart": draw(st.sampled_from([None, True, False])),
            "guests": draw(guests(octet, mode)),
        }
        if mode == "bridged":
            profile["uplink"] = f"eth{octet}"
            profile["vlan_filtering"] = True
            profile["migrate"] = draw(st.none() | st.booleans())
            profile["confirm_timeout"] = draw(st.none() | st.integers(5, 3600))
        else:
            six = draw(st.booleans())
            profile["addresses"] = [f"10.0.{octet}.1/24", *([f"fd00:{octet}::1/64"] if six else [])]
            profile["host_services"] = draw(st.none() | st.lists(st.sampled_from(["dhcp", "ssh", "all"]), unique=True))
            profile["isolate_guests"] = draw(st.none() | st.booleans())
            profile["dhcp"] = draw(
                st.sampled_from([None, {}, {"ranges": [f"10.0.{octet}.100-10.0.{octet}.200"], "lease_time": "2h"}])
            )
            profile["dns"] = draw(st.sampled_from([None, {}, {"domain": "lab.internal"}]))
        if mode == "nat":
            profile["uplinks"] = draw(st.sampled_from([None, [], ["eth0", "wlan0"]]))
            profile["ipv6"] = draw(st.sampled_from([None, "nat", "routed"])) if six else None
        result.append(profile)
    return result


def accepted(resource: str, found: list[Profile]) -> list[Any]:
    """As the module of the resource reads them."""
    read = entries(found, resource, "name")
    if resource == "dhcp":
        return DHCP.parse(read, True)
    if resource == "uplinks":
        return [Uplink.parse(entry, True) for entry in read]
    kind: Any = {
        "bridges": Bridge,
        "taps": Tap,
        "nat": SourceNat,
        "port_forwards": PortForward,
        "policies": Policy,
        "coexist": Neighbour,
    }
    return [kind[resource].parse(entry) for entry in read]


@given(st.sampled_from(MODES).flatmap(lambda mode: st.tuples(st.just(mode), profiles(mode))))
def test_every_entry_is_accepted_by_its_module_and_the_profile_is_left_as_it_was(
    made: tuple[str, list[Profile]],
) -> None:
    mode, networks = made
    before = copy.deepcopy(networks)
    found = expand(networks, mode)
    assert networks == before
    assert tuple(found) == RESOURCES[mode]
    for resource, some in found.items():
        assert len(accepted(resource, some)) == len(some)
    refuse_conflicts((str(i), f) for i, f in enumerate(accepted("port_forwards", found.get("port_forwards", []))))
    bridges = {bridge["name"] for bridge in found["bridges"]}
    assert bridges == {network["name"] for network in networks}
    for resource in set(found) - {"bridges"}:
        assert {entry["bridge"] for entry in found[resource]} <= bridges
    if mode != "bridged":
        assert {policy["bridge"] for policy in found["policies"]} == bridges


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(NAT)), JUNK)
def test_whatever_stands_in_a_field_is_accepted_or_refused_by_name(field: str, junk: Any) -> None:
    try:
        expand([{**NAT, field: junk}], "nat")
    except InputError as refusal:
        assert refusal.at.startswith("nat_networks[")


@given(st.sampled_from(sorted(NAT["guests"][0])), JUNK)
def test_whatever_stands_in_a_guest_s_field_is_accepted_or_refused_by_name(field: str, junk: Any) -> None:
    try:
        expand([with_guest(NAT, **{field: junk})], "nat")
    except InputError as refusal:
        assert refusal.at.startswith("nat_networks[vmnet8]")


@given(
    st.sampled_from(["dhcp", "dns"]),
    st.sampled_from(["ranges", "options", "routes", "records", "domain", "ipv6"]),
    JUNK,
)
def test_whatever_stands_in_a_service_s_field_is_accepted_or_refused_by_name(part: str, field: str, junk: Any) -> None:
    try:
        expand([{**NAT, part: {field: junk}}], "nat")
    except InputError as refusal:
        assert refusal.at.startswith("nat_networks[vmnet8]")
