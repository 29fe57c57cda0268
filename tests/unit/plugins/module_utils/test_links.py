# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges and taps as entries, as batches of ip, and as marks on the interface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import link_requests
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.netlink import GETLINK
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import (
    Bridge,
    Tap,
    Vlan,
    new_bridge,
    new_tap,
    stable_mac,
    vlan_ids,
    vlan_ranges,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.mark import alias, owner
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import fill
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import batch
from ansible_collections.tapestry.vmnet.tests.unit.support import bridge_entry, tap_entry

NAMES = st.from_regex(r"[a-z0-9_][a-zA-Z0-9_.-]{0,14}", fullmatch=True)
SCOPES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
MACS = st.integers(1, 2**40).map(
    lambda n: ":".join(f"{octet:02x}" for octet in (2 * (n % 7) << 40 | n).to_bytes(6, "big"))
)
MTUS = st.integers(68, 65535)
LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VIDS = st.sets(st.integers(1, 4094), max_size=20)
ADDRESSES = st.sampled_from(["10.0.0.1/24", "192.168.233.2/24", "10.9.8.7/32", "fd00:233::2/64", "2001:db8::1/128"])


@st.composite
def vlans(draw: Any) -> Vlan:
    pvid = draw(st.integers(0, 4094))
    return Vlan(pvid, vlan_ranges(draw(VIDS) - {pvid}))


@st.composite
def bridges(draw: Any) -> Bridge:
    """As one is recorded: nothing is open."""
    return Bridge(
        name=draw(NAMES),
        scope=draw(SCOPES),
        adopted=draw(st.booleans()),
        addresses=tuple(draw(st.lists(ADDRESSES, unique=True))),
        ports=tuple(draw(st.lists(NAMES, unique=True, max_size=3))),
        mac=draw(MACS),
        mtu=draw(MTUS),
        stp=draw(st.booleans()),
        forward_delay=draw(st.integers(2, 30)),
        ageing_time=draw(st.integers(0, 1_000_000)),
        vlan_filtering=draw(st.booleans()),
        vlan_default_pvid=draw(st.integers(0, 4094)),
        multicast_snooping=draw(st.booleans()),
    )


@st.composite
def taps(draw: Any) -> Tap:
    bridge = draw(st.none() | NAMES)
    flag = st.booleans() if bridge else st.none()
    adopted = draw(st.booleans())
    ids = st.none() if adopted else st.none() | st.integers(0, 2**32 - 2)
    tap = Tap(
        name=draw(NAMES),
        scope=draw(SCOPES),
        adopted=adopted,
        bridge=bridge,
        owner=draw(ids),
        group=draw(ids),
        multi_queue=not adopted and draw(st.booleans()),
        vnet_hdr=None if adopted else draw(st.none() | st.just(True)),
        mac=draw(MACS),
        mtu=draw(MTUS),
        isolated=draw(flag),
        learning=draw(flag),
        unicast_flood=draw(flag),
        hairpin=draw(flag),
        vlan=draw(st.none() | vlans()) if bridge else None,
    )
    return fill(tap, new_tap(tap.name, 1500, "m"))


@given(st.lists(bridges(), unique_by=lambda b: b.name, max_size=4))
def test_parsing_a_batch_is_the_inverse_of_rendering_bridges(links: list[Bridge]) -> None:
    assert batch.parse_bridges(batch.render_bridges(links)) == {link.name: link for link in links}


@given(st.lists(taps(), unique_by=lambda t: t.name, max_size=4))
def test_parsing_a_batch_is_the_inverse_of_rendering_taps(links: list[Tap]) -> None:
    assert batch.parse_taps(batch.render_taps(links)) == {link.name: link for link in links}


@given(
    st.lists(bridges(), unique_by=lambda b: b.name, max_size=4).flatmap(
        lambda b: st.tuples(st.just(b), st.permutations(b))
    )
)
def test_the_order_of_entries_makes_no_other_batch(pair: tuple[list[Bridge], list[Bridge]]) -> None:
    assert batch.render_bridges(pair[0]) == batch.render_bridges(pair[1])


def test_the_batch_of_a_bridge_is_what_ip_reads() -> None:
    bridge = replace(
        new_bridge("vmnet8", "m"),
        scope="nat",
        mac="02:00:00:00:00:08",
        addresses=("192.168.233.2/24", "fd00:233::2/64"),
        ports=("eth1",),
    )
    assert batch.render_bridges([bridge]) == (
        "# vmnet8\n"
        "link add name vmnet8 mtu 1499 type bridge\n"
        "link set dev vmnet8 alias vmnet:nat\n"
        "link set dev vmnet8 address 02:00:00:00:00:08\n"
        "link set dev vmnet8 mtu 1500\n"
        "link set dev vmnet8 type bridge stp_state 0 forward_delay 1500 ageing_time 30000 mcast_snooping 1\n"
        "address replace 192.168.233.2/24 dev vmnet8\n"
        "address replace fd00:233::2/64 dev vmnet8 nodad\n"
        "link set dev eth1 master vmnet8\n"
        "link set dev eth1 up\n"
        "link set dev vmnet8 up\n"
    )


def test_a_bridge_that_filters_vlans_leads_all_of_them_to_the_physical_network() -> None:
    bridge = replace(new_bridge("br0", "m"), scope="lan", ports=("eth1",), vlan_filtering=True, vlan_default_pvid=10)
    lines = batch.render_bridges([bridge]).splitlines()
    assert [line for line in lines if "vlan" in line] == [
        "link set dev br0 type bridge vlan_default_pvid 10 vlan_filtering 1",
        "vlan add dev eth1 vid 1-9",
        "vlan add dev eth1 vid 11-4094",
    ]


def test_a_kernel_without_vlan_filtering_hears_nothing_of_it() -> None:
    bridge = replace(new_bridge("br0", "m"), scope="lan", ports=("eth1",))
    assert "vlan" not in batch.render_bridges([bridge]).replace("vmnet:lan", "")


@pytest.mark.parametrize(
    ("vlan", "lines"),
    [
        (Vlan(10), ["add dev vnet0 vid 10 pvid untagged", "del dev vnet0 vid 1-9", "del dev vnet0 vid 11-4094"]),
        (Vlan(0), ["del dev vnet0 vid 1-4094"]),
        (
            Vlan(1, ("2-4094",)),
            ["add dev vnet0 vid 1 pvid untagged", "add dev vnet0 vid 2-4094"],
        ),
    ],
)
def test_a_tap_is_in_the_vlans_that_were_asked_for_and_in_no_other(vlan: Vlan, lines: list[str]) -> None:
    tap = replace(new_tap("vnet0", 1500, "m"), scope="lan", bridge="br0", vlan=vlan)
    shown = batch.render_taps([tap]).splitlines()
    assert [line for line in shown if line.startswith("vlan ")] == [f"vlan {line}" for line in lines]
    assert batch.parse_taps("\n".join(shown))["vnet0"].vlan == vlan


@given(VIDS)
def test_vlans_are_written_as_the_fewest_ranges(vids: set[int]) -> None:
    ranges = vlan_ranges(vids)
    assert {vid for text in ranges for vid in vlan_ids(text)} == vids
    assert len(ranges) == len([vid for vid in vids if vid - 1 not in vids])


def test_the_batch_of_a_tap_is_what_ip_reads() -> None:
    tap = replace(
        new_tap("vnet0", 9000, "m"),
        scope="nat",
        bridge="vmnet8",
        owner=64055,
        group=0,
        mac="02:00:00:00:00:09",
        multi_queue=True,
        vnet_hdr=True,
        isolated=True,
    )
    assert batch.render_taps([tap]) == (
        "# vnet0\n"
        "tuntap add dev vnet0 mode tap user 64055 group 0 multi_queue vnet_hdr\n"
        "link set dev vnet0 alias vmnet:nat\n"
        "link set dev vnet0 address 02:00:00:00:00:09\n"
        "link set dev vnet0 mtu 9000\n"
        "link set dev vnet0 addrgenmode none\n"
        "link set dev vnet0 master vmnet8\n"
        "link set dev vnet0 type bridge_slave isolated on learning on flood on hairpin off\n"
        "link set dev vnet0 up\n"
    )


def test_boot_does_not_make_what_was_adopted() -> None:
    bridge = replace(new_bridge("br0", "m"), scope="lan", adopted=True)
    tap = replace(new_tap("vnet0", 1500, "m"), scope="lan", adopted=True)
    assert "link add" not in batch.render_bridges([bridge])
    assert "tuntap" not in batch.render_taps([tap])
    assert 'alias "vmnet:lan adopted"' in batch.render_bridges([bridge])


@given(SCOPES, LABELS)
def test_the_owner_of_an_alias_is_whose_alias_it_is(scope: str, label: str) -> None:
    assert owner(alias(scope)) == (scope, False, "")
    assert owner(alias(scope, True, label)) == (scope, True, label)


@given(SCOPES, LABELS)
def test_the_alias_of_an_adopted_link_survives_the_batch(scope: str, label: str) -> None:
    tap = replace(new_tap("vnet0", 1500, "m"), scope=scope, adopted=True, label=label)
    assert batch.parse_taps(batch.render_taps([tap]))["vnet0"].label == label


@pytest.mark.parametrize("text", ["", "uplink to rack 3", "VMNET:nat", " vmnet:nat"])
def test_the_alias_of_somebody_else_is_nobody_s(text: str) -> None:
    assert owner(text) == (None, False, text)
    assert alias(None, label=text) == text


@given(st.text(), NAMES)
def test_a_stable_mac_is_unicast_and_locally_administered(machine_id: str, name: str) -> None:
    mac = stable_mac(machine_id, name)
    first = int(mac[:2], 16)
    assert (first & 1, first & 2) == (0, 2)
    assert bridge_entry(name=name, mac=mac).mac == mac


def test_a_stable_mac_differs_between_hosts_and_between_bridges() -> None:
    macs = {stable_mac(machine, name) for machine in ("a", "b") for name in ("br0", "br1")}
    assert len(macs) == 4
    assert stable_mac("a", "br0") == stable_mac("a", "br0")


def test_an_entry_is_brought_to_its_normal_form() -> None:
    entry = bridge_entry(
        name="br0",
        addresses=["FD00::2/64", "192.168.233.2/24", "10.0.0.1/8", "10.0.0.1/8"],
        ports=["eth1", "eth0", "eth1"],
        mac="52-54-00-AA-BB-CC",
        mtu="9000",
        stp="yes",
    )
    assert entry == Bridge(
        name="br0",
        addresses=("10.0.0.1/8", "192.168.233.2/24", "fd00::2/64"),
        ports=("eth0", "eth1"),
        mac="52:54:00:aa:bb:cc",
        mtu=9000,
        stp=True,
    )


def test_what_an_entry_leaves_out_stays_open() -> None:
    assert bridge_entry(name="br0") == Bridge(name="br0")
    assert tap_entry(name="vnet0") == Tap(name="vnet0")


REFUSED = [
    ("a bridge without a name", bridge_entry, {}, "bridges[None].name: is missing"),
    ("an unknown field", bridge_entry, {"name": "br0", "address": []}, "bridges[br0].address: is not a field of it"),
    (
        "a VLAN that is none",
        tap_entry,
        {"name": "vnet0", "vlan": {"pvid": 4095}},
        "taps[vnet0].vlan.pvid: 4095 is out of range; 0 to 4094",
    ),
    (
        "a VLAN with and without tag",
        tap_entry,
        {"name": "vnet0", "vlan": {"pvid": 10, "tagged": ["5-15"]}},
        "taps[vnet0].vlan.tagged: 10 is the pvid",
    ),
    (
        "a range of VLANs the wrong way round",
        tap_entry,
        {"name": "vnet0", "vlan": {"tagged": ["1", "30-20"]}},
        "taps[vnet0].vlan.tagged[1]: 30-20: the range ends before it begins; did you mean 20-30",
    ),
    (
        "an unknown field of a VLAN",
        tap_entry,
        {"name": "vnet0", "vlan": {"id": 10}},
        "taps[vnet0].vlan.id: is not a field of it; it has pvid, tagged",
    ),
    (
        "a bad address",
        bridge_entry,
        {"name": "br0", "addresses": ["10.0.0.1"]},
        "bridges[br0].addresses[0]: '10.0.0.1'",
    ),
    ("a bad port", bridge_entry, {"name": "br0", "ports": ["eth0", "a/b"]}, "bridges[br0].ports[1]: 'a/b'"),
    ("a bad MAC address", bridge_entry, {"name": "br0", "mac": "x"}, "bridges[br0].mac: 'x' is not a MAC address"),
    ("an MTU out of range", bridge_entry, {"name": "br0", "mtu": 9}, "bridges[br0].mtu: 9 is out of range"),
    (
        "a delay out of range",
        bridge_entry,
        {"name": "br0", "forward_delay": 1},
        "forward_delay: 1 is out of range; 2 to 30",
    ),
    (
        "a negative ageing time",
        bridge_entry,
        {"name": "br0", "ageing_time": -1},
        "ageing_time: -1 is out of range; 0 to",
    ),
    (
        "an STP that is no truth value",
        bridge_entry,
        {"name": "br0", "stp": "rapid"},
        "stp: 'rapid' is neither true nor",
    ),
    (
        "a tap with addresses",
        tap_entry,
        {"name": "vnet0", "addresses": []},
        "taps[vnet0].addresses: is not a field of it",
    ),
    ("a tap on a bad bridge", tap_entry, {"name": "vnet0", "bridge": "a b"}, "taps[vnet0].bridge: 'a b' is not an"),
    ("an empty owner", tap_entry, {"name": "vnet0", "owner": ""}, "taps[vnet0].owner: '' is empty"),
    ("an owner that is a list", tap_entry, {"name": "vnet0", "owner": ["a"]}, "taps[vnet0].owner: ['a'] is not a text"),
]


@pytest.mark.parametrize(("parse", "values", "message"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_refuses(parse: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse(**values)
    assert message in str(refusal.value)


def test_a_new_tap_is_looked_at_before_it_goes_anywhere() -> None:
    fresh = [request.kind for request in link_requests.put_tap(None, new_tap("t", 1500, "x"))]
    assert fresh[0] == GETLINK
    assert GETLINK not in fresh[1:]
    assert list(link_requests.put_tap(new_tap("t", 1500, "x"), new_tap("t", 1500, "x"))) == []
