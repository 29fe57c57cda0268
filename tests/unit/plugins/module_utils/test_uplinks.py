# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplinks: what moves, how the files of network managers change, and what a run would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError, InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import (
    Bridge,
    OtherLink,
    Tap,
    new_bridge,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Key, Resource, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.uplink import (
    Address,
    Managed,
    Station,
    Touched,
    Uplink,
    moved,
    renamed,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.uplinks import plan_uplinks, require_bridges
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import (
    ifupdown,
    ini,
    keyfile,
    move,
    netplan,
    networkd,
    uplinks,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._render.batch import render_bridges

MAC = "02:00:00:00:00:05"
ADDRESS = Address("192.168.1.5/24", ("broadcast", "192.168.1.255"))
ADDRESS6 = Address("2001:db8:1::5/64")
LOCAL = Address("fe80::5/64")
NIC = Station(
    "eth0",
    addresses=(ADDRESS, ADDRESS6),
    routes=("::/0 via 2001:db8:1::1 dev eth0 metric 1024", "default via 192.168.1.1 dev eth0"),
    rules=("pref 100 from all iif eth0 lookup 7",),
    link_local=(LOCAL,),
    parameters=(("net/ipv4/conf/*/arp_ignore", "0"), ("net/ipv6/conf/*/addr_gen_mode", "0")),
    mac=MAC,
)


# -- what moves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("default via 192.168.1.1 dev eth0", "default via 192.168.1.1 dev br0"),
        ("10.0.0.0/8 dev eth0 table 100 onlink", "10.0.0.0/8 dev br0 table 100 onlink"),
        (
            "default nexthop via 192.168.1.1 dev eth0 weight 1 nexthop via 10.0.0.1 dev eth1 weight 1",
            "default nexthop via 192.168.1.1 dev br0 weight 1 nexthop via 10.0.0.1 dev eth1 weight 1",
        ),
        ("pref 5 from all iif eth0 lookup eth0", "pref 5 from all iif br0 lookup eth0"),
        ("default dev eth0.10", "default dev eth0.10"),
    ],
)
def test_only_the_interface_in_a_route_or_rule_is_renamed(text: str, after: str) -> None:
    assert renamed(text, "eth0", "br0") == after


def test_everything_moves_and_nothing_stays() -> None:
    emptied, taken = moved(NIC, Station("br0"))
    assert not emptied.is_station
    assert taken.addresses == NIC.addresses
    assert taken.routes == ("::/0 via 2001:db8:1::1 dev br0 metric 1024", "default via 192.168.1.1 dev br0")
    assert taken.rules == ("pref 100 from all iif br0 lookup 7",)


ADDRESSES = st.builds(
    Address, st.sampled_from(["10.0.0.1/8", "192.168.1.5/24", "2001:db8::1/64"]), st.just(("noprefixroute",))
)
STATIONS = st.builds(
    Station,
    st.just("eth0"),
    addresses=st.lists(ADDRESSES, unique_by=lambda a: a.cidr).map(
        lambda found: tuple(sorted(found, key=lambda a: (a.ipv6, a.cidr)))
    ),
    routes=st.lists(st.sampled_from(NIC.routes), unique=True).map(lambda found: tuple(sorted(found))),
    rules=st.lists(st.sampled_from(NIC.rules), unique=True).map(tuple),
)


@given(STATIONS)
def test_what_moves_there_and_back_is_as_it_was(station: Station) -> None:
    emptied, bridge = moved(station, Station("br0"))
    _bridge, back = moved(bridge, emptied)
    assert back == station


def test_the_host_has_its_addresses_at_every_moment_of_the_move() -> None:
    emptied, bridge = moved(NIC, Station("br0"))
    lines = move.batch([NIC, Station("br0")], [replace(emptied, bridge="br0"), bridge]).splitlines()
    joins = lines.index("link set dev eth0 master br0")
    added = lines.index("address replace 192.168.1.5/24 broadcast 192.168.1.255 dev br0")
    taken = lines.index("address del 192.168.1.5/24 dev eth0")
    routed = lines.index("route replace default via 192.168.1.1 dev br0")
    assert added < joins < routed < taken
    assert "address replace fe80::5/64 dev br0 nodad" in lines
    assert "rule add pref 100 from all iif br0 lookup 7" in lines


def test_the_way_back_is_the_way_there_turned_round() -> None:
    emptied, bridge = moved(NIC, Station("br0"))
    lines = move.batch([replace(emptied, bridge="br0"), bridge], [NIC, Station("br0")]).splitlines()
    assert "link set dev eth0 nomaster" in lines
    assert "route replace default via 192.168.1.1 dev eth0" in lines
    assert "address del 192.168.1.5/24 dev br0" in lines


def test_an_ipv6_route_of_another_interface_with_the_same_metric_stays() -> None:
    other = Station("eth1", routes=("::/0 via fe80::9 dev eth1 metric 1024",))
    emptied, bridge = moved(NIC, Station("br0"))
    there, back = [NIC, Station("br0"), other], [replace(emptied, bridge="br0"), bridge, other]
    for before, after, dev in ((there, back, "br0"), (back, there, "eth0")):
        lines = move.batch(before, after).splitlines()
        assert f"route append ::/0 via 2001:db8:1::1 dev {dev} metric 1024" in lines
        assert [line for line in lines if "replace" in line and "::/0" in line] == []
        assert [line for line in lines if "eth1" in line] == []


@pytest.mark.parametrize(
    ("entry", "name", "words"),
    [
        (
            {"family": "inet", "local": "192.168.1.5", "prefixlen": 24, "scope": "global", "label": "eth0"},
            "eth0",
            "192.168.1.5/24 dev br0",
        ),
        (
            {"family": "inet", "local": "10.1.1.1", "prefixlen": 24, "scope": "global", "label": "eth0:1", "metric": 9},
            "eth0",
            "10.1.1.1/24 metric 9 dev br0 label br0:1",
        ),
        (
            {"family": "inet", "local": "10.0.0.1", "address": "10.0.0.2", "prefixlen": 32, "scope": "link"},
            "eth0",
            "10.0.0.1/32 peer 10.0.0.2/32 scope link dev br0",
        ),
        (
            {
                "family": "inet6",
                "local": "2001:db8::5",
                "prefixlen": 64,
                "valid_life_time": 60,
                "preferred_life_time": 30,
            },
            "eth0",
            "2001:db8::5/64 dev br0 nodad valid_lft 60 preferred_lft 30",
        ),
    ],
)
def test_an_address_is_added_as_it_was_found(entry: Mapping[str, Any], name: str, words: str) -> None:
    found = move.parse_address(entry, name)
    assert f"address replace {words}" in move.batch([], [Station("br0", addresses=(found,))])


@pytest.mark.parametrize(
    ("line", "ipv6", "routes"),
    [
        (
            "default via 192.168.1.1 dev eth0 proto dhcp src 192.168.1.5 metric 100 linkdown ",
            False,
            [("eth0", "default via 192.168.1.1 dev eth0 proto dhcp src 192.168.1.5 metric 100")],
        ),
        (
            "default via fe80::1 dev eth0 proto ra metric 1024 expires 1793sec hoplimit 64 pref medium",
            True,
            [("eth0", "::/0 via fe80::1 dev eth0 proto ra metric 1024 expires 1793 hoplimit 64 pref medium")],
        ),
        (
            "default nhid 54 via fe80::1 dev eth0 proto static metric 100 pref medium",
            True,
            [("eth0", "::/0 via fe80::1 dev eth0 proto static metric 100 pref medium")],
        ),
        (
            "default proto static metric 1024 pref medium\\\tnexthop via fe80::1 dev eth0 weight 1 \\\tnexthop via fe80::2 dev eth1 weight 1 ",
            True,
            [
                ("eth0", "::/0 via fe80::1 dev eth0 proto static metric 1024 pref medium"),
                ("eth1", "::/0 via fe80::2 dev eth1 proto static metric 1024 pref medium"),
            ],
        ),
        (
            "default metric 1024 pref medium\\\tnexthop via fe80::1 dev eth0 weight 2 \\\tnexthop via fe80::2 dev eth1 weight 1 ",
            True,
            [
                ("eth0", "::/0 metric 1024 pref medium nexthop via fe80::1 dev eth0 weight 2"),
                ("eth1", "::/0 via fe80::2 dev eth1 metric 1024 pref medium"),
            ],
        ),
        ("local 192.168.1.5 dev eth0 table local proto kernel scope host src 192.168.1.5", False, []),
        ("fe80::/64 dev eth0 proto kernel metric 256 pref medium", True, []),
        ("unreachable 10.0.0.0/8", False, []),
    ],
)
def test_a_route_is_read_as_it_can_be_added(line: str, ipv6: bool, routes: list[tuple[str, str]]) -> None:
    assert move.parse_routes(f"{line}\n", ipv6) == routes


def test_only_rules_that_name_an_interface_are_its_own() -> None:
    text = "0:\tfrom all lookup local\n100:\tfrom all iif eth0 [detached] lookup 7\n32766:\tfrom all lookup main\n"
    assert move.parse_rules(text, False) == [("eth0", "pref 100 from all iif eth0 lookup 7")]
    assert move.parse_rules(text, True) == [("eth0", "-6 pref 100 from all iif eth0 lookup 7")]


# -- the record ---------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
TOUCHED = st.builds(
    Touched, st.sampled_from(["/etc/network/interfaces", "/etc/a b"]), st.just("0123456789abcdef"), st.booleans()
)
RECORDS = st.builds(
    Uplink,
    NAMES,
    bridge=NAMES,
    manager=st.none(),
    was=st.sampled_from([(), (("net/ipv6/conf/*/addr_gen_mode", "0"),)]),
) | st.builds(
    Uplink,
    NAMES,
    bridge=NAMES,
    manager=st.sampled_from(["ifupdown", "networkd"]),
    touched=st.lists(TOUCHED, max_size=2, unique=True).map(tuple),
    was=st.sampled_from([(), (("net/ipv6/conf/*/addr_gen_mode", "0"),)]),
)


@given(st.lists(RECORDS, unique_by=lambda record: record.name))
def test_a_record_is_read_as_it_was_written(records: list[Uplink]) -> None:
    assert uplinks.parse(uplinks.render(records)) == {record.name: record for record in records}


def test_what_a_manager_sees_to_at_boot_ip_does_not() -> None:
    text = uplinks.render([Uplink("eth0", bridge="br0", manager="networkd"), Uplink("eth1", bridge="br1")])
    assert [line for line in text.splitlines() if "eth0" in line and not line.startswith("#")] == []
    assert "link set dev eth1 master br1" in text


# -- ifupdown -----------------------------------------------------------------------------------------------------


def interfaces(text: str) -> dict[str, File]:
    return {"/etc/network/interfaces": File("/etc/network/interfaces", text)}


HEAD = (
    "    pre-up ip link show dev br0 >/dev/null 2>&1 || ip link add name br0 type bridge\n"
    f"    pre-up ip link set dev br0 address {MAC}\n"
    "    pre-up ip link set dev eth0 master br0\n"
    "    pre-up ip link set dev eth0 up\n"
)
PORT = "iface eth0 inet manual\n    pre-up ip link set dev eth0 addrgenmode none\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "auto eth0\niface eth0 inet dhcp\n", f"auto eth0 br0\n{PORT}iface br0 inet dhcp\n{HEAD}", id="dhcp"
        ),
        pytest.param(
            "allow-hotplug eth0 eth1\niface eth0 inet dhcp",
            f"auto eth0 br0\nallow-hotplug eth1\n{PORT}iface br0 inet dhcp\n{HEAD}",
            id="hotplug, and no end of line",
        ),
        pytest.param(
            "auto eth0\n# mine\niface eth0 inet static\n  address 10.0.0.5/8\n  up ip route add 10.9.0.0/16 dev eth0\n\n"
            "iface eth0 inet6 auto\n",
            f"auto eth0 br0\n# mine\n{PORT}iface br0 inet static\n{HEAD}  address 10.0.0.5/8\n"
            "  up ip route add 10.9.0.0/16 dev br0\n\niface br0 inet6 auto\n",
            id="static, with a route, and IPv6",
        ),
        pytest.param(
            "auto eth0\niface eth0 inet static\n  address 10.0.0.5/8\n  bond-slaves a b\n  post-up ethtool -K eth0 tso off\n",
            f"auto eth0 br0\n{PORT}  bond-slaves a b\n  post-up ethtool -K eth0 tso off\niface br0 inet static\n{HEAD}"
            "  address 10.0.0.5/8\n",
            id="what is about the link stays with it",
        ),
        pytest.param(
            "auto eth0 eth0.10\niface eth0 inet dhcp\niface eth0:1 inet static\n  address 10.0.0.5/8\n"
            "iface eth0.10 inet manual\n",
            f"auto eth0 br0 eth0.10\n{PORT}iface br0 inet dhcp\n{HEAD}iface br0:1 inet static\n  address 10.0.0.5/8\n"
            "iface eth0.10 inet manual\n",
            id="aliases move and VLANs stay",
        ),
        pytest.param(
            "auto lo eth00 eth0\niface eth0 inet dhcp\n",
            f"auto lo eth00 eth0 br0\n{PORT}iface br0 inet dhcp\n{HEAD}",
            id="a name that begins like another",
        ),
        pytest.param(
            "auto\teth0\niface\teth0 inet dhcp\n",
            f"auto eth0 br0\n{PORT}iface\tbr0 inet dhcp\n{HEAD}",
            id="tabs",
        ),
        pytest.param(
            "auto lo \\\n  eth0 \\\n  eth1\n# mine\niface eth0 inet dhcp\n",
            f"auto lo eth0 br0 eth1\n# mine\n{PORT}iface br0 inet dhcp\n{HEAD}",
            id="names over several lines",
        ),
        pytest.param(
            "auto eth0 eth0:1\nallow-hotplug eth0:2 eth1\niface eth0 inet dhcp\niface eth0:1 inet static\n  address 10.0.0.5/8\n",
            f"auto eth0 br0 br0:1\nallow-hotplug br0:2 eth1\n{PORT}iface br0 inet dhcp\n{HEAD}"
            "iface br0:1 inet static\n  address 10.0.0.5/8\n",
            id="an alias is started under its new name",
        ),
        pytest.param(
            "auto eth0\nauto eth0:1\niface eth0 inet dhcp\niface eth0:1 inet static\n  address 10.0.0.5/8\n",
            f"auto eth0 br0\nauto br0:1\n{PORT}iface br0 inet dhcp\n{HEAD}iface br0:1 inet static\n  address 10.0.0.5/8\n",
            id="an alias in a line of its own",
        ),
        pytest.param(
            "auto eth0\niface eth0 inet static\n  address 10.0.0.5/8\n  mtu 9000\niface eth0 inet6 auto\n  ethernet-wol g\n",
            f"auto eth0 br0\n{PORT}  mtu 9000\n  ethernet-wol g\niface br0 inet static\n{HEAD}  address 10.0.0.5/8\n"
            "  mtu 9000\niface br0 inet6 auto\n",
            id="both have the MTU, and the link keeps what is about it in all stanzas",
        ),
    ],
)
def test_the_stanzas_of_the_interface_become_the_bridges(before: str, after: str) -> None:
    files = interfaces(before)
    changed = ifupdown.bridged(files, NIC, "br0")
    assert changed["/etc/network/interfaces"].text == after
    assert not ifupdown.is_bridged(files, "eth0", "br0")
    assert ifupdown.is_bridged(changed, "eth0", "br0")


def test_a_bridge_of_bridge_utils_is_recognised() -> None:
    assert ifupdown.is_bridged(interfaces("iface br0 inet dhcp\n  bridge_ports eth0 eth1\n"), "eth0", "br0")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mapping eth0\n  script x\niface eth0 inet dhcp\n", "has a mapping"),
        ("iface eth0 inet dhcp\niface br0 inet manual\n", "has br0 already"),
    ],
)
def test_what_cannot_be_rewritten_is_refused(text: str, why: str) -> None:
    with pytest.raises(HostError, match=why):
        ifupdown.bridged(interfaces(text), NIC, "br0")


# -- systemd-networkd ---------------------------------------------------------------------------------------------

UNIT = "/etc/systemd/network/10-lan.network"


def networkd_files(text: str, name: str = UNIT) -> dict[str, File]:
    return {name: File(name, text)}


def test_networkd_gets_files_before_its_own_which_stay() -> None:
    text = (
        "[Match]\nType=ether\n[Link]\nMTUBytes=9000\n[Network]\nDHCP=yes\nVLAN=v10\n[Route]\nDestination=10.0.0.0/8\n"
    )
    nic = replace(NIC, managed=Managed("networkd", UNIT, "ffd4b4ca7e00020000ab11"))
    added = networkd.bridged(networkd_files(text), nic, "br0")
    sections = {path.rpartition("/")[2]: ini.parse(file.text) for path, file in added.items()}
    assert UNIT not in added
    assert all(path < UNIT for path in added)
    assert [(s.name, s.lines) for s in sections["00-vmnet-eth0.network"]] == [
        ("Match", ("Name=eth0",)),
        ("Link", ("MTUBytes=9000",)),
        ("Network", ("VLAN=v10", "Bridge=br0")),
    ]
    assert [(s.name, s.lines) for s in sections["00-vmnet-br0.network"]] == [
        ("Match", ("Name=br0",)),
        ("Network", ("DHCP=yes",)),
        ("Route", ("Destination=10.0.0.0/8",)),
        ("DHCPv4", (f"IAID={0xD4B4CA7E}",)),
    ]
    assert sections["00-vmnet-br0.netdev"][0].lines == ("Name=br0", "Kind=bridge", f"MACAddress={MAC}")
    assert networkd.is_bridged(added, "eth0", "br0")


def test_our_files_come_first_whatever_the_others_are_called() -> None:
    nic = replace(NIC, managed=Managed("networkd", "/etc/systemd/network/00-a.network"))
    added = networkd.bridged(networkd_files("[Match]\nName=*\n", nic.managed.file if nic.managed else ""), nic, "br0")
    assert all(path.rpartition("/")[2] < "00-a.network" for path in added)


def networkd_sections(files: dict[str, File], nic: Station = NIC) -> dict[str, dict[str, tuple[str, ...]]]:
    source = next(path for path in files if path.endswith(".network"))
    added = networkd.bridged(files, replace(nic, managed=Managed("networkd", source)), "br0")
    return {path.rpartition("-")[2]: {s.name: s.lines for s in ini.parse(file.text)} for path, file in added.items()}


def test_what_is_added_to_a_file_counts_wherever_it_is() -> None:
    source = "/usr/lib/systemd/network/80-lan.network"
    texts = {
        source: "[Match]\nName=eth0\n[Network]\nDHCP=yes\n",
        "/usr/lib/systemd/network/80-lan.network.d/a.conf": "[Network]\nDNS=9.9.9.9\n",
        "/run/systemd/network/80-lan.network.d/b.conf": "[Network]\nDomains=b\n",
        "/etc/systemd/network/80-lan.network.d/a.conf": "[Network]\nDNS=192.168.1.1\n",
        "/etc/systemd/network/80-other.network.d/a.conf": "[Network]\nDNS=8.8.8.8\n",
    }
    sections = networkd.bridged(
        {path: File(path, text) for path, text in texts.items()},
        replace(NIC, managed=Managed("networkd", source)),
        "br0",
    )
    station = ini.parse(sections["/etc/systemd/network/00-vmnet-br0.network"].text)
    lines = [line for section in station if section.name == "Network" for line in section.lines]
    assert lines == ["DHCP=yes", "DNS=192.168.1.1", "Domains=b"]


@pytest.mark.parametrize(
    ("said", "port", "station"),
    [
        (("RequiredForOnline=routable",), (), ("RequiredForOnline=routable",)),
        (("RequiredForOnline=no",), ("RequiredForOnline=no",), ("RequiredForOnline=no",)),
    ],
)
def test_the_host_waits_for_the_bridge(said: tuple[str, ...], port: tuple[str, ...], station: tuple[str, ...]) -> None:
    lines = "\n".join(said)
    found = networkd_sections(networkd_files(f"[Match]\nName=eth0\n[Link]\nMTUBytes=9000\n{lines}\n"))
    assert found["eth0.network"]["Link"] == ("MTUBytes=9000", *port)
    assert found["br0.network"]["Link"] == station


def test_a_rule_of_networkd_about_the_interface_becomes_one_about_the_bridge() -> None:
    rule = "[RoutingPolicyRule]\nIncomingInterface = eth0\nOutgoingInterface=eth00\nTable=100\n"
    found = networkd_sections(networkd_files(f"[Match]\nName=eth0\n{rule}"))
    assert found["br0.network"]["RoutingPolicyRule"] == (
        "IncomingInterface=br0",
        "OutgoingInterface=eth00",
        "Table=100",
    )


# -- NetworkManager -----------------------------------------------------------------------------------------------

PROFILE = "[connection]\nid=lan\nuuid=1-2\ntype=ethernet\n\n[ethernet]\nwake-on-lan=64\n\n[ipv4]\nmethod=auto\n"


def test_a_profile_becomes_a_ports_and_its_addresses_a_bridges() -> None:
    path = "/etc/NetworkManager/system-connections/lan.nmconnection"
    files = {path: File(path, PROFILE, 0o600)}
    changed = keyfile.bridged(files, replace(NIC, managed=Managed("networkmanager", path)), "br0")
    port = {s.name: s for s in ini.parse(changed[path].text)}
    station = {s.name: s for s in ini.parse(changed[path.replace("lan", "vmnet-br0")].text)}
    assert port["connection"].get("uuid") == "1-2"
    assert (port["connection"].get("master"), port["ethernet"].lines) == ("br0", ("wake-on-lan=64",))
    assert "ipv4" not in port
    assert station["ipv4"].lines == ("method=auto", "route-metric=100")
    assert station["ethernet"].get("cloned-mac-address") == MAC.upper()
    assert {file.mode for file in changed.values()} == {0o600}
    assert not keyfile.is_bridged(files, "eth0", "br0")
    assert keyfile.is_bridged(changed, "eth0", "br0")


def test_what_a_profile_says_about_the_host_goes_to_the_bridges_profile() -> None:
    path = "/etc/NetworkManager/system-connections/lan.nmconnection"
    said = ("zone=internal", "mdns=2", "llmnr=0", "metered=1", "dns-over-tls=2")
    text = PROFILE.replace(
        "type=ethernet\n", "type=ethernet\nlldp=1\nautoconnect-priority=5\n" + "\n".join(said) + "\n"
    )
    changed = keyfile.bridged(
        {path: File(path, text, 0o600)}, replace(NIC, managed=Managed("networkmanager", path)), "br0"
    )
    port, station = (
        next(s for s in ini.parse(changed[at].text) if s.name == "connection")
        for at in (path, path.replace("lan", "vmnet-br0"))
    )
    assert set(said) < set(station.lines)
    assert not set(said) & set(port.lines)
    assert port.get("lldp") == "1"
    assert (port.get("autoconnect-priority"), station.get("autoconnect-priority")) == ("999", "999")


def test_a_rule_of_a_profile_about_the_interface_becomes_one_about_the_bridge() -> None:
    path = "/etc/NetworkManager/system-connections/lan.nmconnection"
    text = f"{PROFILE}dns-search=eth0\nrouting-rule1=priority 5 from 0.0.0.0/0 iif eth0 table 100\n"
    nic = replace(NIC, managed=Managed("networkmanager", path))
    changed = keyfile.bridged({path: File(path, text, 0o600)}, nic, "br0")
    station = {s.name: s for s in ini.parse(changed[path.replace("lan", "vmnet-br0")].text)}
    assert station["ipv4"].lines[1:3] == (
        "dns-search=eth0",
        "routing-rule1=priority 5 from 0.0.0.0/0 iif br0 table 100",
    )


def test_a_profile_in_memory_stays_and_another_comes_before_it() -> None:
    path = "/run/NetworkManager/system-connections/Wired.nmconnection"
    nic = replace(NIC, managed=Managed("networkmanager", path))
    changed = keyfile.bridged({path: File(path, PROFILE, 0o600)}, nic, "br0")
    assert sorted(changed) == [
        "/etc/NetworkManager/system-connections/vmnet-br0.nmconnection",
        "/etc/NetworkManager/system-connections/vmnet-eth0.nmconnection",
    ]
    assert all("uuid=1-2" not in file.text for file in changed.values())


# -- netplan ------------------------------------------------------------------------------------------------------

YAML = "/etc/netplan/50-cloud-init.yaml"


def netplan_files(text: str) -> dict[str, File]:
    return {YAML: File(YAML, text, 0o600)}


def test_a_definition_is_split_between_interface_and_bridge() -> None:
    text = f"""
network:
  version: 2
  ethernets:
    eth0:
      match: {{macaddress: {MAC}}}
      set-name: eth0
      mtu: 9000
      dhcp4: true
      routes: [{{to: default, via: 192.168.1.1}}]
    eth1: {{dhcp4: true}}
"""
    changed = netplan.bridged(netplan_files(text), replace(NIC, managed=Managed("netplan")), "br0")
    network = yaml.load(changed[YAML].text, Loader=yaml.BaseLoader)["network"]
    assert network["ethernets"] == {
        "eth0": {"match": {"macaddress": MAC}, "set-name": "eth0", "mtu": "9000"},
        "eth1": {"dhcp4": "true"},
    }
    assert network["bridges"]["br0"] == {
        "interfaces": ["eth0"],
        "macaddress": MAC,
        "parameters": {"stp": "false"},
        "dhcp4": "true",
        "routes": [{"to": "default", "via": "192.168.1.1"}],
    }
    assert netplan.is_bridged(changed, "eth0", "br0")
    assert not netplan.is_bridged(netplan_files(text), "eth0", "br0")


def test_a_mac_address_that_yaml_takes_for_a_number_stays_one() -> None:
    text = "network: {ethernets: {eth0: {dhcp4: true, macaddress: 52:54:00:12:34:56}}}"
    changed = netplan.bridged(netplan_files(text), replace(NIC, managed=Managed("netplan")), "br0")
    assert "macaddress: 52:54:00:12:34:56\n" in changed[YAML].text


def test_a_definition_that_may_be_of_other_interfaces_is_refused() -> None:
    text = "network: {ethernets: {all: {match: {name: 'e*'}, dhcp4: true}}}"
    nic = replace(NIC, managed=Managed("netplan", "/run/systemd/network/10-netplan-all.network"))
    with pytest.raises(HostError, match=r"all matches e\*, which may be other interfaces"):
        netplan.bridged(netplan_files(text), nic, "br0")


def network_of(changed: dict[str, File]) -> Any:
    return yaml.load(changed[YAML].text, Loader=yaml.BaseLoader)["network"]


@pytest.mark.parametrize(
    ("ethernets", "port", "bridge"),
    [
        ("eth0: {renderer: NetworkManager, dhcp4: true}", {"renderer": "NetworkManager"}, "NetworkManager"),
        ("{renderer: NetworkManager, eth0: {dhcp4: true}}", {}, "NetworkManager"),
        ("{renderer: NetworkManager, eth0: {renderer: networkd}}", {"renderer": "networkd"}, "networkd"),
        ("eth0: {dhcp4: true}", {}, None),
    ],
)
def test_both_are_rendered_by_whom_the_interface_was(ethernets: str, port: dict[str, str], bridge: Any) -> None:
    text = f"network: {{ethernets: {ethernets if ethernets[0] == '{' else '{' + ethernets + '}'}}}"
    changed = netplan.bridged(netplan_files(text), replace(NIC, managed=Managed("netplan")), "br0")
    network = network_of(changed)
    assert network["ethernets"]["eth0"] == port
    assert network["bridges"]["br0"].get("renderer") == bridge
    assert netplan.is_bridged(changed, "eth0", "br0")


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("lan-nic", "netplan-lan-nic.nmconnection"),
        ("NM-3f0c2c6e-7c0c-4f5b-9d1e-2b1a5f0e8c11", "netplan-NM-3f0c2c6e-7c0c-4f5b-9d1e-2b1a5f0e8c11.nmconnection"),
        ("lan-nic", "netplan-lan-nic-Some-SSID.nmconnection"),
        ("lan-nic", "10-netplan-lan-nic.network"),
    ],
)
def test_a_name_with_dashes_is_one_that_the_files_define(key: str, file: str) -> None:
    text = f"network: {{ethernets: {{lan: {{dhcp4: false}}, {key}: {{match: {{macaddress: '{MAC}'}}, dhcp4: true}}}}}}"
    nic = replace(NIC, managed=Managed("netplan", f"/run/somewhere/{file}"))
    changed = netplan.bridged(netplan_files(text), nic, "br0")
    network = network_of(changed)
    assert network["bridges"]["br0"]["interfaces"] == [key]
    assert network["ethernets"]["lan"] == {"dhcp4": "false"}
    assert netplan.is_bridged(changed, "eth0", "br0", MAC)
    assert not netplan.is_bridged(changed, "eth1", "br0", "02:00:00:00:00:06")


def test_to_the_dhcp_server_netplans_bridge_is_who_the_interface_was() -> None:
    path = "/etc/systemd/network/10-netplan-br0.network.d/vmnet.conf"
    managed = Managed("netplan", "/run/systemd/network/10-netplan-eth0.network", "ffd4b4ca7e00020000ab11")
    text = "network: {ethernets: {eth0: {dhcp4: true}}}"
    changed = netplan.bridged(netplan_files(text), replace(NIC, managed=managed), "br0")
    assert [(s.name, s.lines) for s in ini.parse(changed[path].text)] == [("DHCPv4", (f"IAID={0xD4B4CA7E}",))]
    by_mac = replace(managed, client_id="01020000000005")
    assert sorted(netplan.bridged(netplan_files(text), replace(NIC, managed=by_mac), "br0")) == [YAML]


# -- the plan -----------------------------------------------------------------------------------------------------

INTERFACES = "auto eth0\niface eth0 inet static\n  address 192.168.1.5/24\n  gateway 192.168.1.1\n"


def uplink(**values: Any) -> Uplink:
    return Uplink.parse(Fields(values, f"uplinks[{values.get('name')}]"), "bridge" in values)


def a_host(*more: Resource, manager: str = "ifupdown", bridge: bool = True) -> dict[Key, Resource]:
    files = interfaces(INTERFACES) if manager == "ifupdown" else {}
    nic = replace(NIC, managed=Managed(manager) if manager else None)
    links = [OtherLink("eth0", mac=MAC), OtherLink("lo", loopback=True), OtherLink("eth1")]
    made: list[Resource] = [Bridge("br0", scope="default", mac=MAC), Station("br0")] if bridge else []
    return by_key([nic, Station("eth1"), *files.values(), *links, *made, *more])


def request(*entries: Uplink, **values: Any) -> Request:
    return Request(entries=entries, option="uplinks", **values)


WISH = uplink(name="eth0", bridge="br0")


def applied(host: Mapping[Key, Resource], plan: Plan) -> dict[Key, Resource]:
    """What the host says of itself after the plan: the records of uplinks are in files."""
    after = {**host, **plan.after}
    result = {key: r for key, r in after.items() if key in plan.after or key not in plan.before}
    result = {key: r for key, r in result.items() if key.kind != Uplink.kind}
    link = result[Key(OtherLink.kind, "eth0")]
    nic: Any = result[Key(Station.kind, "eth0")]
    result[link.key] = replace(link, master=nic.bridge)
    return result


@pytest.mark.parametrize("manager", ["ifupdown", ""])
def test_a_second_run_has_nothing_to_do_and_absent_leaves_nothing(manager: str) -> None:
    asked = request(WISH, persistent=bool(manager))
    host = a_host(manager=manager)
    there = applied(host, plan_uplinks(asked, host))
    nic: Any = there[Key(Station.kind, "eth0")]
    assert nic.bridge == "br0"
    assert not plan_uplinks(asked, there)
    back = applied(there, plan_uplinks(replace(asked, entries=(uplink(name="eth0"),), state="absent"), there))
    assert back == host


def test_what_the_bridge_has_of_its_own_stays_on_it() -> None:
    record = f"{layout.PERSISTENT}/nat/bridges.batch"
    own = Address("10.9.0.1/24", ("noprefixroute",))
    connected = "10.9.0.0/24 dev br0 proto kernel scope link src 10.9.0.1"
    host = a_host(File(record, render_bridges([replace(new_bridge("br0", "x"), scope="nat", addresses=(own.cidr,))])))
    host[Key(Station.kind, "br0")] = Station("br0", addresses=(own,), learned=(connected,))
    there = applied(host, plan_uplinks(request(WISH), host))
    bridge: Any = there[Key(Station.kind, "br0")]
    assert own in bridge.addresses
    assert ADDRESS in bridge.addresses
    back = plan_uplinks(request(uplink(name="eth0"), state="absent"), there).after
    stations: Any = [back[Key(Station.kind, name)] for name in ("eth0", "br0")]
    assert [station.addresses for station in stations] == [NIC.addresses, (own,)]
    assert connected.replace("br0", "eth0") not in stations[0].learned


def test_the_file_as_it_was_is_kept_and_put_back() -> None:
    host = a_host()
    there = applied(host, plan_uplinks(request(WISH), host))
    kept = there[Key(File.kind, f"{layout.PERSISTENT}/default/uplinks/eth0/etc/network/interfaces")]
    assert isinstance(kept, File)
    assert kept.text == INTERFACES


def test_a_bridge_that_an_earlier_task_is_going_to_make_is_predicted() -> None:
    with_bridge, without = (plan_uplinks(request(WISH), a_host(bridge=there)) for there in (True, False))
    assert [pair[1] for pair in with_bridge.pairs()] == [pair[1] for pair in without.pairs()]
    with pytest.raises(HostError, match=r"there is no bridge br0 on this host; make it first, with uplink: eth0"):
        require_bridges(request(WISH), without, a_host(bridge=False))


def test_an_interface_without_addresses_needs_no_manager() -> None:
    host = a_host(manager="")
    plan = plan_uplinks(request(uplink(name="eth1", bridge="br0")), host)
    assert f"{layout.PERSISTENT}/default/uplinks.batch" in {key.name for key in plan.after}


def test_a_file_that_was_edited_since_is_not_overwritten() -> None:
    host = a_host()
    there = applied(host, plan_uplinks(request(WISH), host))
    key = Key(File.kind, "/etc/network/interfaces")
    there[key] = replace(there[key], text=there[key].text.replace(".5/24", ".6/24"))  # type: ignore[attr-defined, call-arg]
    assert not plan_uplinks(request(WISH), there)
    with pytest.raises(HostError, match=r"/etc/network/interfaces has been edited since eth0 was moved to br0"):
        plan_uplinks(request(uplink(name="eth0"), state="absent"), there)


def test_what_others_have_put_into_the_bridge_is_theirs() -> None:
    host = a_host(manager="")
    host[Key(Station.kind, "eth0")] = Station("eth0", bridge="br0")
    host[Key(OtherLink.kind, "eth0")] = OtherLink("eth0", master="br0")
    assert not plan_uplinks(request(WISH), host)
    assert not plan_uplinks(request(uplink(name="eth0"), state="absent"), host)


@pytest.mark.parametrize(
    ("entry", "more", "why"),
    [
        (WISH, {}, r"is none of ifupdown, systemd-networkd, NetworkManager and netplan.* or set persistent: false"),
        (uplink(name="eth7", bridge="br0"), {}, r"eth7 does not exist on this host; it has eth0, eth1"),
        (uplink(name="wlan0", bridge="br0"), {"link": OtherLink("wlan0", wireless=True)}, "is a wireless interface"),
        (uplink(name="eth2", bridge="br0"), {"link": OtherLink("eth2", master="br9")}, "already a port of br9"),
        (uplink(name="vnet0", bridge="br0"), {"link": Tap("vnet0")}, "vnet0 is a tap"),
        (uplink(name="br9", bridge="br0"), {"link": Bridge("br9", scope="nat")}, "br9 is a bridge"),
        (uplink(name="eth0", bridge="br0", migrate=False), {}, r"migrate: eth0 carries 192.168.1.5/24.*set it to true"),
    ],
)
def test_what_is_refused(entry: Uplink, more: dict[str, Resource], why: str) -> None:
    with pytest.raises(HostError, match=why):
        plan_uplinks(request(entry), a_host(*more.values(), manager=""))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "eth0", "bridge": "eth0"}, r"uplinks\[eth0\].bridge: eth0 is the interface itself"),
        ({"name": "lo", "bridge": "br0"}, r"lo has a meaning of its own"),
    ],
)
def test_what_no_host_could_do_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        uplink(**values)
