# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the bridges and taps of a host: ours, adopted and other people's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils import _diff
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import (
    Bridge,
    ChecksumFix,
    Manager,
    OtherLink,
    Tap,
    Vlan,
    new_bridge,
    new_tap,
    stable_mac,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, State, Unit, by_key, fill
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan import boot
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.links import (
    plan_bridges,
    plan_taps,
    require_bridges,
    show_links,
    with_bridges,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import batch
from ansible_collections.tapestry.vmnet.tests.unit.support import (
    KERNEL_MAC,
    LINKS,
    applied,
    bridge_entry,
    files_of,
    get,
    host,
    named,
    part,
    planned,
    tap_entry,
)

TAP = Tap("vnet0")
MACHINE = "b08dfa6083e7567a1921a715000001fb"
RECORD = "/etc/vmnet/default/bridges.batch"
PARAMETERS = "/etc/vmnet/default/bridges.sysctl"


def bridges(*entries: Bridge, **options: Any) -> Request:
    return Request(entries, machine_id=MACHINE, option="bridges", **options)


def taps(*entries: Tap, **options: Any) -> Request:
    return Request(entries, machine_id=MACHINE, option="taps", **options)


def a_bridge(name: str, **values: Any) -> Bridge:
    """As it is on a host."""
    return replace(new_bridge(name, "some other machine"), **{"ipv6": True, **values})


def a_tap(name: str, **values: Any) -> Tap:
    return replace(new_tap(name, 1500, MACHINE), **{"mac": KERNEL_MAC, "vnet_hdr": False, **values})


def nic(name: str, **values: Any) -> OtherLink:
    return OtherLink(name, "physical interface", **values)


def made(request: Request, state: State) -> State:
    """The host after a run, which a second run finds as it should be."""
    plan = plan_bridges if request.option == "bridges" else plan_taps
    after = applied(state, planned(plan, request, part(state, LINKS)))
    assert not plan(request, part(after, LINKS))
    return after


def refusal(request: Request, state: State) -> str:
    plan = plan_bridges if request.option == "bridges" else plan_taps
    with pytest.raises(HostError) as refused:
        planned(plan, request, state)
    return str(refused.value)


# Bridges


def test_a_bridge_of_which_only_the_name_is_given_has_the_kernel_s_times_a_stable_mac_and_no_ipv6() -> None:
    after = made(bridges(bridge_entry(name="br0")), {})
    assert get(after, Bridge, "br0") == Bridge(
        name="br0",
        scope="default",
        addresses=(),
        ports=(),
        mac=stable_mac(MACHINE, "br0"),
        mtu=1500,
        stp=False,
        forward_delay=15,
        ageing_time=300,
        vlan_filtering=False,
        vlan_default_pvid=1,
        multicast_snooping=True,
        ipv6=False,
    )


def test_a_bridge_has_what_was_asked_for_and_boot_has_the_same() -> None:
    entry = bridge_entry(
        name="br0", addresses=["10.0.0.1/24", "fd00::1/64"], ports=["eth1"], mtu=9000, stp=True, ageing_time=0
    )
    after = made(bridges(entry), host(nic("eth1")))
    bridge = get(after, Bridge, "br0")
    assert (bridge.addresses, bridge.ports, bridge.mtu, bridge.stp, bridge.ageing_time, bridge.ipv6) == (
        ("10.0.0.1/24", "fd00::1/64"),
        ("eth1",),
        9000,
        True,
        0,
        True,
    )
    assert get(after, OtherLink, "eth1").master == "br0"
    assert batch.parse_bridges(files_of(after)[RECORD]) == {"br0": replace(bridge, ipv6=None)}


def test_a_bridge_without_ipv6_address_does_not_speak_ipv6_at_boot_either() -> None:
    after = made(bridges(bridge_entry(name="br4"), bridge_entry(name="br6", addresses=["fd00::1/64"])), {})
    assert {
        "net/ipv6/conf/br4/accept_ra = 0",
        "net/ipv6/conf/br4/disable_ipv6 = 1",
        "net/ipv6/conf/br6/accept_ra = 0",
        "net/ipv6/conf/br6/disable_ipv6 = 0",
    } <= {*files_of(after)[PARAMETERS].splitlines()}


def test_what_an_entry_no_longer_says_goes_back_to_the_default() -> None:
    before = made(bridges(bridge_entry(name="br0", mtu=9000, addresses=["10.0.0.1/24"])), {})
    after = made(bridges(bridge_entry(name="br0")), before)
    assert get(after, Bridge, "br0") == get(made(bridges(bridge_entry(name="br0")), {}), Bridge, "br0")


def test_a_change_is_made_in_place() -> None:
    before = made(bridges(bridge_entry(name="br0")), {})
    plan = plan_bridges(bridges(bridge_entry(name="br0", mtu=9000)), before)
    assert [new.name for _old, new in plan.only(Bridge.kind).changed] == ["br0"]
    assert not plan.only(Bridge.kind).created
    assert not plan.only(Bridge.kind).removed


def test_addresses_and_ports_of_others_survive_on_our_bridge() -> None:
    before = made(bridges(bridge_entry(name="br0", addresses=["10.0.0.1/24"])), host(nic("veth0"), nic("eth1")))
    touched = dict(before)
    bridge = get(before, Bridge, "br0")
    touched[bridge.key] = replace(bridge, addresses=("169.254.7.7/16", *bridge.addresses), ports=("veth0",))
    after = made(bridges(bridge_entry(name="br0", addresses=["10.0.0.2/24"], ports=["eth1"])), touched)
    assert get(after, Bridge, "br0").addresses == ("169.254.7.7/16", "10.0.0.2/24")
    assert get(after, Bridge, "br0").ports == ("veth0", "eth1")
    assert "169.254.7.7" not in files_of(after)[RECORD]


def test_an_address_that_somebody_took_away_is_put_back() -> None:
    request = bridges(bridge_entry(name="br0", addresses=["10.0.0.1/24"]))
    before = made(request, {})
    bridge = get(before, Bridge, "br0")
    after = made(request, {**before, bridge.key: replace(bridge, addresses=(), mtu=1400, up=False)})
    assert get(after, Bridge, "br0") == bridge


def test_adoption_keeps_mac_mtu_addresses_ports_and_ipv6() -> None:
    foreign = a_bridge(
        "lan", mac="52:54:00:00:00:01", mtu=9000, stp=True, addresses=("192.168.1.5/24",), ports=("eth0",)
    )
    before = host(foreign, nic("eth0", master="lan"))
    after = made(bridges(bridge_entry(name="lan")), before)
    assert get(after, Bridge, "lan") == replace(foreign, scope="default", adopted=True)
    assert "disable_ipv6" not in files_of(after).get(PARAMETERS, "")


def test_an_adopted_bridge_gets_only_what_was_asked_for() -> None:
    foreign = a_bridge("lan", mtu=9000, addresses=("192.168.1.5/24",))
    after = made(bridges(bridge_entry(name="lan", addresses=["10.0.0.1/24"], stp=True)), host(foreign))
    assert get(after, Bridge, "lan") == replace(
        foreign, scope="default", adopted=True, stp=True, addresses=("192.168.1.5/24", "10.0.0.1/24")
    )


def test_one_that_lost_its_mark_is_still_ours_if_we_remember_having_made_it() -> None:
    request = bridges(bridge_entry(name="br0"))
    before = made(request, {})
    unmarked = replace(get(before, Bridge, "br0"), scope=None, mtu=9000)
    after = made(request, {**before, unmarked.key: unmarked})
    assert get(after, Bridge, "br0") == get(before, Bridge, "br0")


def test_purge_removes_what_the_scope_made_and_does_not_list() -> None:
    before = made(bridges(bridge_entry(name="kept"), bridge_entry(name="gone")), {})
    after = made(bridges(bridge_entry(name="kept"), purge=True), before)
    assert {r.name for r in after.values() if isinstance(r, Bridge)} == {"kept"}
    assert "gone" not in files_of(after)[RECORD] + files_of(after)[PARAMETERS]


def test_purge_takes_back_what_we_gave_to_an_adopted_bridge() -> None:
    before = made(bridges(bridge_entry(name="lan", addresses=["10.0.0.1/24"])), host(a_bridge("lan")))
    after = made(bridges(purge=True), before)
    assert ("10.0.0.1/24" in get(after, Bridge, "lan").addresses) == ("10.0.0.1/24" in files_of(after).get(RECORD, ""))


def test_without_purge_what_is_not_listed_stays() -> None:
    before = made(bridges(bridge_entry(name="first")), {})
    after = made(bridges(bridge_entry(name="second")), before)
    assert get(after, Bridge, "first") == get(before, Bridge, "first")
    assert set(batch.parse_bridges(files_of(after)[RECORD])) == {"first", "second"}


def test_purge_spares_other_scopes_and_foreign_bridges_and_releases_adopted_ones() -> None:
    before = made(bridges(bridge_entry(name="theirs"), scope="other"), host(a_bridge("docker0"), a_bridge("lan")))
    before = made(bridges(bridge_entry(name="lan")), before)
    after = made(bridges(purge=True), before)
    assert {r.name for r in after.values() if isinstance(r, Bridge)} == {"theirs", "docker0", "lan"}
    assert get(after, Bridge, "docker0") == get(before, Bridge, "docker0")
    assert get(after, Bridge, "theirs") == get(before, Bridge, "theirs")
    assert get(after, Bridge, "lan") == replace(get(before, Bridge, "lan"), scope=None, adopted=False)


def test_purge_of_one_bridge_leaves_the_rest_of_the_scope() -> None:
    before = made(bridges(bridge_entry(name="br0"), bridge_entry(name="br1")), {})
    after = made(bridges(purge_bridges=("br1",)), before)
    assert {r.name for r in after.values() if isinstance(r, Bridge)} == {"br0"}


def test_absent_removes_the_bridge_and_with_the_last_one_all_files_and_the_unit() -> None:
    before = made(bridges(bridge_entry(name="br0"), bridge_entry(name="br1")), host(nic("eth0")))
    after = made(bridges(named(name="br0"), state="absent"), before)
    assert get(after, Bridge, "br0") is None
    assert get(after, Bridge, "br1") == get(before, Bridge, "br1")
    assert made(bridges(named(name="br1"), state="absent"), after) == host(nic("eth0"))


def test_absent_of_what_is_not_there_is_no_change() -> None:
    assert not plan_bridges(bridges(named(name="br0"), state="absent"), host(nic("eth0")))


def test_absent_of_a_foreign_bridge_leaves_it_alone() -> None:
    assert not plan_bridges(bridges(named(name="docker0"), state="absent"), host(a_bridge("docker0")))


def test_absent_of_an_adopted_bridge_takes_back_our_addresses_and_our_mark() -> None:
    foreign = a_bridge("lan", addresses=("192.168.1.5/24",))
    before = made(bridges(bridge_entry(name="lan", addresses=["10.0.0.1/24"])), host(foreign))
    plan = plan_bridges(bridges(named(name="lan"), state="absent"), before)
    assert applied(before, plan) == host(foreign)


@pytest.mark.parametrize("option", ["bridges", "taps"])
def test_absent_of_an_adopted_link_can_be_asked_for_twice(option: str) -> None:
    foreign: Any = a_bridge("lan") if option == "bridges" else a_tap("lan")
    parse: Any = bridge_entry if option == "bridges" else tap_entry
    before = made(Request((parse(name="lan"),), option=option), host(foreign))
    assert made(Request((named(name="lan"),), state="absent", option=option), before) == host(foreign)


def test_not_persistent_is_written_where_a_reboot_forgets_it() -> None:
    after = made(bridges(bridge_entry(name="br0"), persistent=False), {})
    assert "/run/vmnet/default/bridges.batch" in files_of(after)
    assert RECORD not in files_of(after)
    again = made(bridges(bridge_entry(name="br0")), after)
    assert "/run/vmnet/default/bridges.batch" not in files_of(again)
    assert RECORD in files_of(again)


NAME_TAKEN = [
    ("a NIC", nic("x"), "bridges[x].name: x is taken by a physical interface on this host; choose another name"),
    ("a tap", a_tap("x"), "bridges[x].name: x is taken by a tap on this host; choose another name"),
    (
        "another scope's bridge",
        a_bridge("x", scope="lab"),
        "bridges[x].name: x belongs to the scope lab, this run is for default",
    ),
]


@pytest.mark.parametrize(("there", "message"), [c[1:] for c in NAME_TAKEN], ids=[c[0] for c in NAME_TAKEN])
def test_a_bridge_cannot_have_the_name_of(there: Any, message: str) -> None:
    assert refusal(bridges(bridge_entry(name="x")), host(there)) == message


PORT_REFUSED = [
    ("that is not there", [], "eth9 does not exist on this host; it has eth0, eth1"),
    ("of another bridge", [nic("eth9", master="lan")], "eth9 is already a port of lan"),
    ("that is a tap of another bridge", [a_tap("eth9", bridge="lan")], "eth9 is already a port of lan"),
    ("that is a bridge", [a_bridge("eth9")], "eth9 is a bridge; it cannot be a port of a bridge"),
    ("that is a wireless interface", [nic("eth9", wireless=True)], "eth9 is a wireless interface; it cannot be a port"),
    ("that is the loopback interface", [nic("eth9", loopback=True)], "eth9 is the loopback interface; it cannot be"),
    (
        "that carries addresses",
        [nic("eth9", addresses=("192.168.1.5/24", "2001:db8::5/64"))],
        "eth9 carries 192.168.1.5/24, 2001:db8::5/64; as a port of a bridge it would lose them",
    ),
]


@pytest.mark.parametrize(("there", "message"), [c[1:] for c in PORT_REFUSED], ids=[c[0] for c in PORT_REFUSED])
def test_a_bridge_cannot_have_a_port(there: list[Any], message: str) -> None:
    state = host(nic("eth1"), nic("eth0"), nic("lo", loopback=True), *there)
    said = refusal(bridges(bridge_entry(name="br0", ports=["eth0", "eth9"])), state)
    assert said.startswith("bridges[br0].ports[1]: " + message)


def test_a_host_without_a_nic_has_no_interface_but_lo() -> None:
    said = refusal(bridges(bridge_entry(name="br0", ports=["eth0"])), host(nic("lo", loopback=True)))
    assert said.endswith("it has no interface but lo")


def test_a_free_tap_and_a_port_that_is_one_already_are_accepted() -> None:
    state = host(a_bridge("br0", ports=("eth0",)), nic("eth0", master="br0", addresses=("10.0.0.9/8",)), a_tap("vnet0"))
    after = made(bridges(bridge_entry(name="br0", ports=["eth0", "vnet0"])), state)
    assert get(after, Bridge, "br0").ports == ("eth0", "vnet0")


def test_bridges_are_returned_in_the_order_of_their_names_without_other_scopes() -> None:
    state = made(
        bridges(bridge_entry(name="b"), bridge_entry(name="a", addresses=["10.0.0.1/24"])), host(a_bridge("c"))
    )
    shown = show_links(Bridge)(bridges(), state)
    assert [(b["name"], b["addresses"], b["ports"]) for b in shown] == [("a", ["10.0.0.1/24"], []), ("b", [], [])]
    assert "adopted" not in shown[0]


# Taps


def test_a_tap_has_what_was_asked_for_and_boot_has_the_same() -> None:
    state = made(bridges(bridge_entry(name="br0")), {})
    entry = tap_entry(
        name="vnet0", bridge="br0", owner=64055, group=108, multi_queue=True, isolated=True, mac=KERNEL_MAC
    )
    entry = replace(entry, owner=64055, group=108)
    after = made(taps(entry), state)
    expected = fill(replace(entry, scope="default"), new_tap("vnet0", 1500, MACHINE))
    assert get(after, Tap, "vnet0") == replace(expected, vnet_hdr=False)
    assert get(after, Bridge, "br0").ports == ("vnet0",)
    assert batch.parse_taps(files_of(after)["/etc/vmnet/default/taps.batch"]) == {"vnet0": expected}


def test_a_tap_takes_the_mtu_of_its_bridge() -> None:
    after = made(taps(tap_entry(name="vnet0", bridge="br0")), host(a_bridge("br0", mtu=9000)))
    assert get(after, Tap, "vnet0").mtu == 9000


def test_the_mac_of_a_tap_is_the_same_at_every_boot() -> None:
    after = made(taps(tap_entry(name="vnet0")), {})
    assert get(after, Tap, "vnet0").mac == stable_mac(MACHINE, "vnet0")
    assert f"address {stable_mac(MACHINE, 'vnet0')}" in files_of(after)["/etc/vmnet/default/taps.batch"]
    pinned = made(taps(tap_entry(name="vnet0", mac="52:54:00:00:00:65")), after)
    assert get(pinned, Tap, "vnet0").mac == "52:54:00:00:00:65"


def test_whoever_opens_a_tap_decides_about_headers_unless_one_was_asked_for() -> None:
    for entry, found, changes in (
        (tap_entry(name="vnet0"), True, False),
        (tap_entry(name="vnet0", vnet_hdr=True), False, True),
        (tap_entry(name="vnet0", vnet_hdr=False), True, True),
    ):
        state = made(taps(entry), {})
        state = {**state, TAP.key: replace(get(state, Tap, "vnet0"), vnet_hdr=found)}
        assert bool(plan_taps(taps(entry), state)) is changes
        in_use = {**state, TAP.key: replace(get(state, Tap, "vnet0"), in_use=True)}
        assert not plan_taps(taps(entry), in_use)


def test_a_tap_goes_into_its_vlans_and_back() -> None:
    state = made(bridges(bridge_entry(name="br0", vlan_filtering=True, vlan_default_pvid=7)), {})
    usual = made(taps(tap_entry(name="vnet0", bridge="br0")), state)
    assert get(usual, Tap, "vnet0").vlan == Vlan(7)
    asked = made(taps(tap_entry(name="vnet0", bridge="br0", vlan={"pvid": 10, "tagged": [20, "22-24", 21]})), usual)
    assert get(asked, Tap, "vnet0").vlan == Vlan(10, ("20-24",))
    assert get(made(taps(tap_entry(name="vnet0", bridge="br0")), asked), Tap, "vnet0").vlan == Vlan(7)
    drifted = {**asked, TAP.key: replace(get(asked, Tap, "vnet0"), vlan=Vlan(7, usual=True))}
    again = made(taps(tap_entry(name="vnet0", bridge="br0", vlan={"pvid": 10, "tagged": ["20-24"]})), drifted)
    assert get(again, Tap, "vnet0").vlan == Vlan(10, ("20-24",))


def test_vlans_on_a_bridge_that_does_not_filter_are_refused_when_it_comes_to_it() -> None:
    state = made(bridges(bridge_entry(name="br0")), {})
    request = taps(tap_entry(name="vnet0", bridge="br0", vlan={"pvid": 10}))
    with pytest.raises(HostError, match=r"taps\[vnet0\].vlan: br0 does not filter VLANs; give it vlan_filtering: true"):
        require_bridges(request, plan_taps(request, state), state)


def test_a_bridge_takes_no_more_ports_than_the_kernel_lets_it() -> None:
    there = [a_tap(f"t{number}", bridge="br0", scope="other") for number in range(1022)]
    state = host(a_bridge("br0", ports=tuple(tap.name for tap in there)), *there)
    for names, fits in ((["a"], True), (["a", "b"], False)):
        request = taps(*(tap_entry(name=name, bridge="br0") for name in names))
        plan = plan_taps(request, state)
        if fits:
            require_bridges(request, plan, state)
        else:
            with pytest.raises(HostError, match="br0 would have more than 1023 ports"):
                require_bridges(request, plan, state)


def test_what_is_not_to_be_there_at_boot_is_recorded_where_boot_forgets() -> None:
    state = made(bridges(bridge_entry(name="br0", autostart=False), bridge_entry(name="br1")), {})
    state = made(taps(tap_entry(name="vnet0", bridge="br0", autostart=False)), state)
    files = files_of(state)
    assert "br0" in files["/run/vmnet/default/bridges.batch"]
    assert "disable_ipv6" in files["/run/vmnet/default/bridges.sysctl"]
    assert "br0" not in files[RECORD] + files[PARAMETERS]
    assert "vnet0" in files["/run/vmnet/default/taps.batch"]
    again = made(bridges(bridge_entry(name="br0"), bridge_entry(name="br1")), state)
    assert "br0" in files_of(again)[RECORD]
    assert "/run/vmnet/default/bridges.batch" not in files_of(again)


def test_a_network_manager_is_told_to_leave_our_interfaces_alone_and_not_those_that_are_adopted() -> None:
    managers = [Manager(layout.NETWORKD), Manager(layout.NETWORK_MANAGER)]
    state = host(*managers, nic("eth1"), a_bridge("lan"), a_tap("vnet9", bridge="lan"))
    mine = bridges(bridge_entry(name="br0", ports=["eth1"]), bridge_entry(name="lan"))
    state = made(mine, state)
    state = made(taps(tap_entry(name="vnet0", bridge="br0"), tap_entry(name="vnet9"), scope="other"), state)
    told = {name: text.splitlines() for name, text in files_of(state).items() if "etwork" in name}
    assert {name: [line for line in text if "=" in line] for name, text in told.items()} == {
        "/etc/systemd/network/00-vmnet.default.bridges.network": ["Name=br0 eth1", "Unmanaged=yes"],
        "/etc/systemd/network/00-vmnet.other.taps.network": ["Name=vnet0", "Unmanaged=yes"],
        "/etc/NetworkManager/conf.d/vmnet.default.bridges.conf": ["unmanaged-devices+=interface-name:=eth1"],
        "/etc/NetworkManager/conf.d/vmnet.other.taps.conf": ["unmanaged-devices+=interface-name:=vnet0"],
    }
    stopped = {key: r for key, r in state.items() if not isinstance(r, Manager)}
    assert not plan_bridges(mine, part(stopped, LINKS))
    state = made(taps(scope="other", purge=True), state)
    state = made(bridges(purge=True), state)
    assert files_of(state) == {}


def test_a_host_without_network_manager_gets_no_file_for_one() -> None:
    assert not [name for name in files_of(made(bridges(bridge_entry(name="br0")), {})) if "etwork" in name]


def test_an_adopted_link_gets_its_own_alias_back() -> None:
    foreign = host(a_bridge("lan", label="rack 3"), a_tap("vnet9", label='a "b"'))
    taken = made(taps(tap_entry(name="vnet9")), made(bridges(bridge_entry(name="lan")), foreign))
    assert (get(taken, Bridge, "lan").adopted, get(taken, Bridge, "lan").label) == (True, "rack 3")
    after = made(taps(tap_entry(name="vnet9"), state="absent"), taken)
    after = made(bridges(bridge_entry(name="lan"), state="absent"), after)
    assert [(r.label, r.scope) for r in after.values() if isinstance(r, (Bridge, Tap))] == [
        ("rack 3", None),
        ('a "b"', None),
    ]


def test_an_alias_without_room_for_our_mark_is_said() -> None:
    foreign = host(a_bridge("lan", label="x" * 250))
    assert "the alias of lan is too long" in refusal(bridges(bridge_entry(name="lan")), foreign)


def test_a_tap_stays_on_its_bridge_if_the_entry_names_none() -> None:
    before = made(taps(tap_entry(name="vnet0", bridge="br0", isolated=True)), host(a_bridge("br0")))
    after = made(taps(tap_entry(name="vnet0", isolated=True)), before)
    assert get(after, Tap, "vnet0").bridge == "br0"


def test_adopting_a_tap_keeps_its_bridge_owner_mac_and_flags() -> None:
    foreign = a_tap("vnet0", bridge="virbr0", owner=64055, multi_queue=True, mtu=1400, hairpin=True, in_use=True)
    after = made(taps(tap_entry(name="vnet0")), host(a_bridge("virbr0", ports=("vnet0",)), foreign))
    assert get(after, Tap, "vnet0") == replace(foreign, scope="default", adopted=True)


@pytest.mark.parametrize("attribute", ["owner", "group", "multi_queue"])
def test_a_tap_in_use_is_not_torn_down_to_change_its(attribute: str) -> None:
    state = host(a_tap("vnet0", scope="default", in_use=True))
    change: Any = {attribute: True if attribute == "multi_queue" else 1000}
    entry = replace(tap_entry(name="vnet0"), **change)
    assert refusal(taps(entry), state) == (
        f"taps[vnet0].{attribute}: vnet0 is in use, and the kernel changes its {attribute} only while nobody has it open;"
        " stop its guest first"
    )
    idle = host(a_tap("vnet0", scope="default"))
    assert plan_taps(taps(entry), idle)


def test_a_tap_in_use_can_change_its_bridge_mtu_and_flags() -> None:
    state = host(a_bridge("br0"), a_bridge("br1"), a_tap("vnet0", scope="default", bridge="br0", in_use=True))
    after = made(taps(tap_entry(name="vnet0", bridge="br1", mtu=1400, isolated=True)), state)
    assert (get(after, Tap, "vnet0").bridge, get(after, Bridge, "br1").ports) == ("br1", ("vnet0",))


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (nic("x"), "taps[x].name: x is taken by a physical interface on this host; choose another name"),
        (a_bridge("x"), "taps[x].name: x is taken by a bridge on this host; choose another name"),
        (a_tap("x", scope="lab"), "taps[x].name: x belongs to the scope lab, this run is for default"),
    ],
    ids=["a NIC", "a bridge", "another scope's tap"],
)
def test_a_tap_cannot_have_the_name_of(there: Any, message: str) -> None:
    assert refusal(taps(tap_entry(name="x")), host(there)) == message


def test_absent_of_a_foreign_tap_leaves_it_alone() -> None:
    assert not plan_taps(taps(named(name="vnet0"), state="absent"), host(a_tap("vnet0")))


def test_purging_a_bridge_removes_the_scope_s_taps_on_it_and_no_others() -> None:
    state = host(a_bridge("br0", ports=("foreign",)), a_bridge("br1"), a_tap("foreign", bridge="br0"))
    state = dict(made(taps(tap_entry(name="vnet0", bridge="br0"), tap_entry(name="vnet1", bridge="br1")), state))
    state = dict(made(taps(tap_entry(name="theirs", bridge="br0"), scope="other"), state))
    after = made(taps(purge_bridges=("br0",)), state)
    assert {r.name for r in after.values() if isinstance(r, Tap)} == {"foreign", "theirs", "vnet1"}


def test_a_tap_needs_its_bridge_to_be_there_but_a_prediction_does_not() -> None:
    request = taps(tap_entry(name="vnet0", bridge="br0"))
    plan = plan_taps(request, {})
    with pytest.raises(HostError, match=r"^taps\[vnet0\]\.bridge: there is no bridge br0 on this host; make it first$"):
        require_bridges(request, plan, {})
    require_bridges(request, plan, host(a_bridge("br0")))
    require_bridges(replace(request, state="absent"), plan, {})


def test_flags_of_a_tap_without_a_bridge_are_refused() -> None:
    with pytest.raises(HostError, match=r"taps\[vnet0\]\.isolated: vnet0 is on no bridge; give it one in bridge"):
        made(taps(tap_entry(name="vnet0", isolated=True)), {})


@pytest.mark.parametrize("wish", [{"state": "absent"}, {"purge": True}])
def test_a_bridge_that_lost_its_mark_is_still_ours_to_remove(wish: dict[str, Any]) -> None:
    before = made(bridges(bridge_entry(name="vmnet1")), {})
    lost = get(before, Bridge, "vmnet1")
    before = {**before, lost.key: replace(lost, scope=None)}
    entries = [bridge_entry(name="vmnet1")] if "state" in wish else []
    assert get(made(bridges(*entries, **wish), before), Bridge, "vmnet1") is None


def test_the_shorter_ageing_time_during_a_change_of_the_spanning_tree_is_no_difference() -> None:
    wish = bridges(bridge_entry(name="br0", stp=True, forward_delay=4, ageing_time=60))
    state = made(wish, {})
    bridge = get(state, Bridge, "br0")
    assert not plan_bridges(wish, {**state, bridge.key: replace(bridge, ageing_time=8)})
    assert plan_bridges(wish, {**state, bridge.key: replace(bridge, ageing_time=9)})


# Any host, any requests

NAMES = ("br0", "br1", "vnet0", "vnet1", "eth0")
SCOPES = st.sampled_from(["a", "b"])
ADDRESSES = st.lists(st.sampled_from(["10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/16", "fd00::1/64"]), unique=True)
FOREIGN_ADDRESSES = st.lists(st.sampled_from(["10.0.0.2/24", "169.254.7.7/16", "2001:db8::1/64"]), unique=True)
MAYBE = st.none() | st.booleans()
MTUS = st.sampled_from([None, 1500, 9000])
MACS = st.sampled_from([None, "52:54:00:00:00:01"])


@st.composite
def hosts(draw: Any) -> State:
    """With foreign bridges, taps and NICs, some of them ports of the bridges."""
    links: list[Any] = []
    names = draw(st.sets(st.sampled_from([*NAMES, "virbr0"])))
    masters = sorted(names & {"virbr0", "br0"})
    ports: dict[str, list[str]] = {master: [] for master in masters}
    for name in sorted(names - {"virbr0", "br0"}):
        master = draw(st.none() | st.sampled_from(masters)) if masters else None
        if master:
            ports[master].append(name)
        if name.startswith("vnet"):
            flag = draw(st.booleans()) if master else False
            links.append(
                a_tap(
                    name, bridge=master, in_use=draw(st.booleans()), owner=draw(st.none() | st.just(7)), isolated=flag
                )
            )
        else:
            links.append(nic(name, master=master, addresses=tuple(draw(FOREIGN_ADDRESSES)) if not master else ()))
    for master in masters:
        values: Any = {
            "mtu": draw(st.sampled_from([1500, 9000])),
            "stp": draw(st.booleans()),
            "ipv6": draw(st.booleans()),
        }
        links.append(a_bridge(master, addresses=tuple(draw(FOREIGN_ADDRESSES)), ports=tuple(ports[master]), **values))
    return host(*links)


@st.composite
def bridge_entries(draw: Any) -> Bridge:
    return bridge_entry(
        name=draw(st.sampled_from(["br0", "br1", "virbr0"])),
        addresses=draw(st.none() | ADDRESSES),
        ports=draw(st.none() | st.lists(st.sampled_from(["eth0", "vnet0"]), unique=True)),
        mac=draw(MACS),
        mtu=draw(MTUS),
        stp=draw(MAYBE),
        forward_delay=draw(st.sampled_from([None, 2])),
        multicast_snooping=draw(MAYBE),
    )


@st.composite
def tap_entries(draw: Any) -> Tap:
    bridge = draw(st.sampled_from([None, "br0", "br1", "virbr0"]))
    flags = {name: draw(MAYBE) if bridge else None for name in ("isolated", "learning", "unicast_flood", "hairpin")}
    entry = tap_entry(
        name=draw(st.sampled_from(["vnet0", "vnet1"])), bridge=bridge, mac=draw(MACS), mtu=draw(MTUS), **flags
    )
    return replace(entry, owner=draw(st.sampled_from([None, 0, 7])), multi_queue=draw(MAYBE))


def has_no_port_twice(wanted: list[Any]) -> bool:
    """The module refuses that when it reads its entries."""
    ports = [port for entry in wanted for port in getattr(entry, "ports", None) or ()]
    return len(ports) == len(set(ports))


@st.composite
def requests(draw: Any) -> Request:
    option = draw(st.sampled_from(["bridges", "taps"]))
    entries: Any = bridge_entries() if option == "bridges" else tap_entries()
    wanted = draw(st.lists(entries, unique_by=lambda e: e.name, max_size=2).filter(has_no_port_twice))
    return Request(
        entries=tuple(wanted),
        scope=draw(SCOPES),
        state=draw(st.sampled_from(["present", "present", "present", "absent"])),
        purge=draw(st.booleans()) and draw(st.booleans()),
        purge_bridges=tuple(draw(st.lists(st.sampled_from(["br0", "br1"]), unique=True, max_size=1))),
        persistent=draw(st.sampled_from([True, True, False])),
        machine_id=MACHINE,
        option=option,
    )


def needs_its_bridge(request: Request, state: State) -> bool:
    return any(e.bridge and get(state, Bridge, e.bridge) is None for e in request.entries if isinstance(e, Tap))


@given(hosts(), st.lists(requests(), min_size=1, max_size=6))
def test_on_any_host_a_plan_carried_out_leaves_nothing_to_do_and_others_alone(
    start: State, wishes: list[Request]
) -> None:
    state = start
    for request in wishes:
        plan = plan_bridges if request.option == "bridges" else plan_taps
        kind: Any = Bridge if request.option == "bridges" else Tap
        try:
            change = planned(plan, request, part(state, LINKS))
        except HostError as refused:
            assert str(refused).startswith(f"{request.option}[")
            continue
        if request.present and needs_its_bridge(request, state):
            continue
        after = applied(state, change)
        entries = {e.name: e for e in request.entries}
        left = plan(request, part(after, LINKS))
        assert not left, _diff.differences(left)
        assert bool(_diff.render(change)) == any(
            r.key not in change.implied for pair in change.pairs() for r in pair if r is not None
        )
        recorded = remembered(request, state)
        for before in state.values():
            if isinstance(before, (Bridge, Tap)):
                now = get(after, type(before), before.name)
                if now is None:
                    assert isinstance(before, kind)
                    assert before.scope == request.scope
                    assert not before.adopted
                    continue
                if isinstance(before, Bridge):
                    answered_for = set(recorded.get(before.name, Bridge("x", addresses=())).addresses or ())
                    answered_for |= set(getattr(entries.get(before.name), "addresses", None) or ())
                    assert set(before.addresses or ()) - answered_for <= set(now.addresses)
                if before.name not in entries and before.scope != request.scope:
                    assert replace(now, **movable(now)) == replace(before, **movable(now))
        for entry in request.entries if request.present else ():
            assert satisfied(entry, get(after, kind, entry.name))
        state = after


def remembered(request: Request, state: State) -> dict[str, Bridge]:
    texts = files_of(state)
    result: dict[str, Bridge] = {}
    for root in ("/etc/vmnet", "/run/vmnet"):
        result.update(batch.parse_bridges(texts.get(f"{root}/{request.scope}/bridges.batch", "")))
    return result


def movable(link: Bridge | Tap) -> Any:
    """What changes on a link that is not named when a bridge gets or loses it."""
    names = ("ports",) if isinstance(link, Bridge) else ("bridge", "isolated", "learning", "unicast_flood", "hairpin")
    return {name: getattr(link, name) for name in names}


def satisfied(entry: Any, link: Any) -> bool:
    if isinstance(entry, Bridge):
        if not {*(entry.addresses or ())} <= {*link.addresses} or not {*(entry.ports or ())} <= {*link.ports}:
            return False
        link = replace(link, addresses=entry.addresses, ports=entry.ports)
    return bool(fill(replace(entry, scope=link.scope, adopted=link.adopted), link) == link)


@given(hosts(), st.lists(bridge_entries(), unique_by=lambda e: e.name, max_size=2))
def test_present_and_then_purge_leaves_a_host_without_adopted_links_as_it_was(
    start: State, entries: list[Bridge]
) -> None:
    fresh = [replace(e, name=f"new{i}", ports=None) for i, e in enumerate(entries)]
    after = made(bridges(*fresh), start)
    assert made(bridges(purge=True), after) == start


def test_files_and_units_of_a_host_are_part_of_the_plan() -> None:
    change = plan_bridges(bridges(bridge_entry(name="br0")), {})
    kinds = {type(r) for r in change.created}
    assert kinds == {Bridge, File, Unit}


def test_what_brings_back_at_boot_comes_before_the_first_record_and_is_left_alone_with_the_second() -> None:
    names = {layout.RESTORE, layout.unit_file(layout.SERVICE), layout.SERVICE}
    first = plan_bridges(bridges(bridge_entry(name="a")), {})
    service, rest = boot.apart(first)
    assert {resource.name for resource in service.created} == names
    assert {resource.name for resource in rest.created} == {r.name for r in first.created} - names
    service, rest = boot.apart(plan_taps(taps(tap_entry(name="t")), first.after))
    assert not service and rest


def test_what_a_failed_first_run_has_left_goes_with_absent() -> None:
    services, _rest = boot.apart(plan_bridges(bridges(bridge_entry(name="a")), {}))
    assert not plan_bridges(bridges(named(name="a"), state="absent"), services.after).after


def test_a_unit_that_nothing_needs_any_more_goes_also_with_the_first_record() -> None:
    watch = by_key(
        [File(layout.unit_file(layout.WATCH_SOCKET), "x"), Unit(layout.WATCH_SOCKET, enabled=True, active=True)]
    )
    services, rest = boot.apart(plan_bridges(bridges(bridge_entry(name="a")), watch))
    assert services.created
    assert not services.removed
    assert {resource.key for resource in rest.removed} == watch.keys()


def test_what_brings_back_at_boot_comes_last_where_records_of_before_were_left_without_it() -> None:
    request = bridges(bridge_entry(name="a"))
    left = {key: r for key, r in plan_bridges(request, {}).after.items() if key.name != layout.RESTORE}
    plan = plan_bridges(request, left)
    assert [r.name for r in plan.created] == [layout.RESTORE]
    service, rest = boot.apart(plan)
    assert not service and rest


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ({}, {"vlan_filtering": True}, None, Vlan(1)),
        ({}, {"vlan_filtering": True, "vlan_default_pvid": 0}, None, Vlan()),
        ({"vlan_filtering": True}, {"vlan_filtering": True, "vlan_default_pvid": 7}, Vlan(1, usual=True), Vlan(7)),
        ({"vlan_filtering": True}, {"vlan_filtering": True, "vlan_default_pvid": 7}, Vlan(5), Vlan(5)),
        ({"vlan_filtering": True}, {}, Vlan(5), None),
    ],
    ids=["on", "on, in none", "another", "another, but it was given one", "off"],
)
def test_the_vlans_of_ports_follow_their_bridge(
    old: dict[str, Any], new: dict[str, Any], before: Vlan | None, after: Vlan | None
) -> None:
    tap, elsewhere = (replace(new_tap(name, 1500, MACHINE), bridge=on) for name, on in (("t0", "br0"), ("t1", "br1")))
    was, will = (replace(new_bridge("br0", MACHINE), **values) for values in (old, new))
    found = by_key([was, replace(tap, vlan=before), elsewhere])
    left = with_bridges(Plan(by_key([was]), by_key([will])), {**found, **by_key([will])})
    assert left[tap.key] == replace(tap, vlan=after)
    assert left[elsewhere.key] == elsewhere


def test_what_is_attached_to_a_bridge_goes_with_it() -> None:
    bridge = new_bridge("br0", MACHINE)
    fixes = ChecksumFix("br0"), ChecksumFix("br1")
    assert with_bridges(Plan(by_key([bridge]), {}), by_key(fixes)) == by_key(fixes[1:])
