# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the packet filter of a host: policies, source NAT and port forwards of several scopes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils import _diff
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import policy as policies
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import forwarding_families
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import (
    Address,
    File,
    Interface,
    Key,
    State,
    Sysctl,
    Unit,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import PROGRAM, Element, Program
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.socket import parse as parse_socket
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan import boot
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.filter import (
    ACCEPT_REDIRECTS,
    plan_filter,
    replaces_bridge,
    replaces_listener,
    require_targets,
    require_uplinks,
    route_localnet,
    shadowed,
    show_forwards,
    show_networks,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import ruleset
from ansible_collections.tapestry.vmnet.tests.unit.support import (
    FILTER,
    Planner,
    applied,
    files_of,
    forward,
    get,
    host,
    named,
    nat,
    part,
    planned,
    policy,
)
from ansible_collections.tapestry.vmnet.tests.unit.wishes import BRIDGES, forwards, nats, policies_of

PLANNERS: dict[str, Planner] = {
    "policies": plan_filter("policies", replaces_bridge),
    "nat": plan_filter("nat", replaces_bridge),
    "port_forwards": plan_filter("port_forwards", replaces_listener),
}
FORWARD4, FORWARD6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
AT_BOOT, UNTIL_REBOOT = layout.SYSCTLS[layout.PERSISTENT], layout.SYSCTLS[layout.VOLATILE]
QUIET = host(Sysctl(FORWARD4, "0"), Sysctl(FORWARD6, "0"))


def request(option: str, *entries: Any, **options: Any) -> Request:
    return Request(entries, option=option, **options)


def made(wish: Request, state: State) -> State:
    """The host after a run, which a second run finds as it should be."""
    plan = PLANNERS[wish.option]
    after = applied(state, planned(plan, wish, part(state, FILTER)))
    assert not plan(wish, part(after, FILTER))
    return after


def elements(state: State) -> set[Element]:
    return {r for r in state.values() if isinstance(r, Element)}


def recorded(state: State, scope: str = "", module: str = "") -> set[Element]:
    suffix = f"/{scope}/{module}.nft" if scope else ".nft"
    texts = [text for path, text in files_of(state).items() if path.endswith(suffix) and path != layout.PROGRAM]
    return {e for text in texts for e in ruleset.parse(text)}


def nat_policy(bridge: str = "vmnet8", subnet: str = "192.168.233.0/24", **values: Any) -> Any:
    return policy(bridge=bridge, subnets=[subnet], mode="nat", **values)


def web(**values: Any) -> Any:
    return forward(**{"listen": 8080, "to_address": "192.168.233.101", "to_port": 80, **values})


def test_the_first_policy_brings_the_program_its_files_the_unit_and_forwarding() -> None:
    after = made(request("policies", nat_policy()), QUIET)
    assert elements(after) == set(nat_policy().elements("default")) == recorded(after)
    assert get(after, Program, "vmnet") == PROGRAM
    assert files_of(after)[layout.PROGRAM] == ruleset.program()
    assert set(files_of(after)) == {
        "/etc/vmnet/default/policies.nft",
        "/etc/vmnet/program.nft",
        "/etc/vmnet/restore",
        "/etc/sysctl.d/60-vmnet.conf",
        "/etc/systemd/system/vmnet.service",
        "/etc/systemd/system/vmnet-watch.service",
        "/etc/systemd/system/vmnet-watch.socket",
    }
    for unit in (layout.SERVICE, layout.WATCH_SOCKET):
        assert get(after, Unit, unit) == Unit(unit, enabled=True, active=True)
    assert (get(after, Sysctl, FORWARD4).value, get(after, Sysctl, FORWARD6).value) == ("1", "0")


@pytest.mark.parametrize("was", ["0", "1"])
@pytest.mark.parametrize("how", ["absent", "purge", "purge_bridges"])
def test_with_the_last_element_everything_goes_and_forwarding_is_what_it_was(was: str, how: str) -> None:
    before = host(Sysctl(FORWARD4, was), Sysctl(FORWARD6, was))
    state = made(request("policies", nat_policy()), before)
    wish = {
        "absent": request("policies", named(bridge="vmnet8"), state="absent"),
        "purge": request("policies", purge=True),
        "purge_bridges": request("policies", purge_bridges=("vmnet8",)),
    }[how]
    assert made(wish, state) == before


def test_redirects_are_accepted_or_not_as_before_once_forwarding_is_off_again() -> None:
    before = host(Sysctl(FORWARD4, "0"), Sysctl(ACCEPT_REDIRECTS, "1"))
    state = made(request("policies", nat_policy()), before)
    assert get(state, Sysctl, ACCEPT_REDIRECTS).value == "0"
    assert made(request("policies", purge=True), state) == before


def test_redirects_are_the_hosts_own_business_where_it_forwards_anyway() -> None:
    before = host(Sysctl(FORWARD4, "1"), Sysctl(ACCEPT_REDIRECTS, "1"))
    assert get(made(request("policies", nat_policy()), before), Sysctl, ACCEPT_REDIRECTS).value == "1"


def test_forwarding_stays_off_for_an_isolated_network() -> None:
    after = made(
        request("policies", policy(bridge="br0", subnets=["10.0.0.0/24", "fd00::/64"], mode="isolated")), QUIET
    )
    assert (get(after, Sysctl, FORWARD4).value, get(after, Sysctl, FORWARD6).value) == ("0", "0")
    assert not files_of(after).keys() & {AT_BOOT, UNTIL_REBOOT}


def test_forwarding_stays_on_while_another_scope_needs_it() -> None:
    state = made(request("policies", nat_policy()), QUIET)
    state = made(request("policies", nat_policy("vmnet9", "10.9.0.0/24"), scope="lab"), state)
    state = made(request("policies", purge=True), state)
    assert get(state, Sysctl, FORWARD4).value == "1"
    assert files_of(state)[AT_BOOT] == f"# was 0\n{FORWARD4} = 1\n"
    assert made(request("policies", purge=True, scope="lab"), state) == QUIET


def test_a_kernel_without_ipv6_has_no_ipv6_forwarding_to_turn_on() -> None:
    state = made(request("policies", policy(bridge="br0", mode="open")), host(Sysctl(FORWARD4, "0")))
    assert get(state, Sysctl, FORWARD4).value == "1"
    assert FORWARD6 not in files_of(state)[AT_BOOT]


def test_an_entry_stands_for_all_that_its_bridge_has() -> None:
    state = made(
        request("policies", nat_policy(uplinks=["eth0"], peers=["vmnet1"]), nat_policy("vmnet9", "10.9.0.0/24")), QUIET
    )
    after = made(request("policies", nat_policy()), state)
    assert {e for e in elements(after) if e.bridge == "vmnet8"} == set(nat_policy().elements("default"))
    assert {e for e in elements(after) if e.bridge == "vmnet9"} == {e for e in elements(state) if e.bridge == "vmnet9"}


def test_changing_one_forward_changes_one_element() -> None:
    state = made(request("port_forwards", web(), web(listen=2222, to_port=22)), QUIET)
    change = PLANNERS["port_forwards"](request("port_forwards", web(to_address="192.168.233.102")), state)
    only = change.only(Element.kind, Program.kind)
    assert [(old.value, new.value) for old, new in only.changed] == [("192.168.233.101 . 80", "192.168.233.102 . 80")]  # type: ignore[attr-defined]
    assert (only.created, only.removed) == ([], [])


def test_a_forward_that_is_not_listed_stays_unless_purged() -> None:
    state = made(request("port_forwards", web()), QUIET)
    state = made(request("port_forwards", web(listen=2222)), state)
    assert len(elements(state)) == 2
    state = made(request("port_forwards", web(listen=2222), purge=True), state)
    assert {e.parts for e in elements(state)} == {("tcp", "2222")}


def test_new_sources_of_a_listener_take_the_place_of_the_old_ones() -> None:
    before = made(request("port_forwards", web(sources=["10.0.0.0/8"])), {})
    after = made(request("port_forwards", web(sources=["192.168.1.0/24"])), before)
    assert {e.parts[0] for e in elements(after)} == {"192.168.1.0/24"}
    assert {e.set for e in elements(made(request("port_forwards", web()), after))} == {"vn_forwards_any4"}


def test_subnets_of_two_networks_that_overlap_are_refused_by_name() -> None:
    first, second = nat_policy("vmnet8", "10.0.0.0/8"), nat_policy("vmnet9", "10.1.0.0/16")
    with pytest.raises(
        HostError, match=r"policies\[vmnet9\]\.subnets: 10\.1\.0\.0/16 overlaps 10\.0\.0\.0/8 of vmnet8"
    ):
        made(request("policies", first, second), {})
    with pytest.raises(
        HostError, match=r"policies\[vmnet8\]\.subnets: 10\.0\.0\.0/8 overlaps 10\.1\.0\.0/16 of vmnet9"
    ):
        made(request("policies", first), made(request("policies", second), {}))


def test_two_networks_with_one_subnet_are_refused_by_name() -> None:
    with pytest.raises(HostError, match=r"policies\[vmnet9\]: 192\.168\.233\.0/24 is already that of vmnet8"):
        made(request("policies", nat_policy("vmnet8"), nat_policy("vmnet9")), {})


def test_absent_removes_only_the_listener_that_is_named() -> None:
    state = made(request("port_forwards", web(), web(listen=2222)), QUIET)
    state = made(request("port_forwards", web(), state="absent"), state)
    assert {e.parts for e in elements(state)} == {("tcp", "2222")}


def test_a_listener_of_another_scope_is_refused_by_name() -> None:
    state = made(request("port_forwards", web(), scope="lab"), QUIET)
    with pytest.raises(HostError) as refused:
        planned(PLANNERS["port_forwards"], request("port_forwards", web(bridge="vmnet9")), state)
    assert str(refused.value) == ("port_forwards[vmnet9]: tcp . 8080 is already that of vmnet8 in the scope lab")
    made(request("port_forwards", web(protocol="udp"), web(address="192.168.1.5")), state)


def test_a_network_of_another_scope_is_refused_by_name() -> None:
    state = made(request("policies", nat_policy(), scope="lab"), QUIET)
    with pytest.raises(HostError, match=r"^policies\[vmnet8\]: .*is already that of vmnet8 in the scope lab$"):
        planned(PLANNERS["policies"], request("policies", nat_policy()), state)


def test_elements_in_our_table_that_nobody_recorded_go() -> None:
    state = made(request("policies", nat_policy()), QUIET)
    foreign = [Element("vn_bridges docker0"), Element("vn_in4 vmnet7", "goto refuse", "default", "vmnet7")]
    after = made(request("nat", nat(bridge="vmnet8", subnets=["192.168.233.0/24"])), {**state, **host(*foreign)})
    assert not elements(after) & set(foreign)
    assert elements(after) == recorded(after)


def test_recorded_elements_that_the_kernel_lost_come_back_with_any_run() -> None:
    state = made(request("policies", nat_policy()), QUIET)
    flushed = {key: r for key, r in state.items() if not isinstance(r, (Element, Program))}
    after = made(request("port_forwards", web()), flushed)
    assert elements(after) == elements(state) | set(web().elements("default"))
    assert get(after, Program, "vmnet") == PROGRAM


def test_a_program_that_was_edited_is_replaced_with_all_elements_in_it() -> None:
    state = made(request("policies", nat_policy()), QUIET)
    edited = {**state, PROGRAM.key: replace(PROGRAM, intact=False)}
    change = PLANNERS["policies"](request("policies", nat_policy()), edited)
    assert [r.name for _r, r in change.changed] == ["vmnet"]
    assert applied(edited, change) == state


def test_not_persistent_is_written_where_a_reboot_forgets_it() -> None:
    state = made(request("port_forwards", web(), persistent=False), QUIET)
    assert "/run/vmnet/default/port_forwards.nft" in files_of(state)
    again = made(request("port_forwards", web()), state)
    assert {p for p in files_of(again) if p.endswith("port_forwards.nft")} == {"/etc/vmnet/default/port_forwards.nft"}


def test_what_only_such_entries_need_is_not_set_at_boot() -> None:
    lasting = nat_policy("vmnet9", "10.9.0.0/24")
    state = made(request("policies", nat_policy(), persistent=False), QUIET)
    text = f"# was 0\n{FORWARD4} = 1\n"
    assert get(state, Sysctl, FORWARD4).value == "1"
    assert (files_of(state).get(AT_BOOT), files_of(state).get(UNTIL_REBOOT)) == (None, text)
    both = made(request("policies", lasting, scope="lab"), state)
    assert (files_of(both).get(AT_BOOT), files_of(both).get(UNTIL_REBOOT)) == (text, None)
    assert made(request("policies", purge=True, scope="lab"), both) == state
    assert made(request("policies", purge=True), made(request("policies", purge=True, scope="lab"), both)) == QUIET


def test_a_loopback_forward_of_such_an_entry_is_not_set_at_boot_either() -> None:
    localnet = "net/ipv4/conf/vmnet8/route_localnet"
    before = {**QUIET, **host(Sysctl(localnet, "0"))}
    state = made(request("policies", nat_policy()), before)
    forward = request("port_forwards", web(loopback=True), persistent=False)
    state = made(forward, state)
    assert get(state, Sysctl, localnet).value == "1"
    assert files_of(state)[AT_BOOT] == f"# was 0\n{FORWARD4} = 1\n"
    assert files_of(state)[UNTIL_REBOOT] == f"# was 0\n{localnet} = 1\n"


def test_a_move_is_told_alike_by_each_module_whatever_the_others_have_done() -> None:
    """Check mode plans each from the host as it is; a run plans the second when the first has moved what is its own."""
    localnet = "net/ipv4/conf/vmnet8/route_localnet"
    state: State = {**QUIET, **host(Sysctl(localnet, "0"))}
    steps = (("policies", nat_policy()), ("port_forwards", web(loopback=True)))
    for option, entry in steps:
        state = made(request(option, entry), state)
    predicted, run = state, state
    for option, entry in steps:
        asked = request(option, entry, persistent=False)
        told = [_diff.render(PLANNERS[option](asked, part(moment, FILTER))) for moment in (predicted, run)]
        assert told[0] == told[1] != []
        run = made(asked, run)
    assert files_of(run).keys() & {AT_BOOT, UNTIL_REBOOT} == {UNTIL_REBOOT}


def test_a_line_that_does_not_say_what_was_before_is_not_ours() -> None:
    others = host(Sysctl("net/x", "2"), Sysctl("net/y", "3"))
    state = made(request("policies", nat_policy()), {**QUIET, **others})
    written = f"# was 0\n{FORWARD4} = 1\n"
    edited = {**state, **host(File(AT_BOOT, f"{written}#net/x = 2\nnet/y = 3\n"))}
    after = made(request("policies", nat_policy()), edited)
    assert files_of(after)[AT_BOOT] == written
    assert after.items() >= others.items()


def test_a_file_that_does_not_set_what_it_should_is_mended_and_remembers_what_was() -> None:
    """So it is after a run that was killed before its end, or when somebody has edited it."""
    state = made(request("policies", nat_policy()), QUIET)
    for line in (f"{FORWARD4} = 0", f"#{FORWARD4} = 1"):
        edited = {**state, **host(File(AT_BOOT, f"# was 0\n{line}\n"))}
        assert made(request("policies", nat_policy()), edited) == state


def test_without_systemd_there_is_no_unit() -> None:
    after = made(request("policies", nat_policy(), systemd=False), QUIET)
    assert not [r for r in after.values() if isinstance(r, Unit)]
    assert layout.unit_file(layout.SERVICE) not in files_of(after)
    assert layout.RESTORE in files_of(after)


def test_a_host_that_forwards_ipv6_goes_on_listening_to_its_default_router() -> None:
    listens, deaf = "net/ipv6/conf/eth0/accept_ra", "net/ipv6/conf/eth1/accept_ra"
    before = {**QUIET, **host(Sysctl(listens, "1"), Sysctl(deaf, "0"))}
    state = made(request("policies", policy(bridge="br0", subnets=["fd00::/64"], mode="routed")), before)
    assert [get(state, Sysctl, name).value for name in (listens, deaf, FORWARD6)] == ["2", "0", "1"]
    assert files_of(state)[AT_BOOT] == f"# was 1\n{listens} = 2\n# was 0\n{FORWARD6} = 1\n"
    assert made(request("policies", purge=True), state) == before


def test_what_a_module_returns_is_what_its_scope_has() -> None:
    state = made(request("policies", nat_policy(), nat_policy("vmnet7", "10.7.0.0/24")), QUIET)
    state = made(request("policies", nat_policy("vmnet9", "10.9.0.0/24"), scope="lab"), state)
    state = made(request("port_forwards", web()), state)
    shown: Any = show_networks("policies", policies.from_elements)(request("policies"), state)
    assert [entry["bridge"] for entry in shown] == ["vmnet7", "vmnet8"]
    assert show_forwards(request("port_forwards"), state) == [
        {
            "bridge": "vmnet8",
            "protocol": "tcp",
            "address": None,
            "listen": "8080",
            "to_address": "192.168.233.101",
            "to_port": "80",
            "sources": None,
            "loopback": False,
        }
    ]
    assert show_forwards(request("port_forwards", scope="lab"), state) == []


# The host's own 127.0.0.1

LOCALNET = "net/ipv4/conf/vmnet8/route_localnet"


def test_a_forward_from_loopback_sets_the_parameter_of_its_bridge_and_the_last_one_sets_it_back() -> None:
    before = {**QUIET, **host(Sysctl(LOCALNET, "0"))}
    state = made(request("port_forwards", web(loopback=True), web(listen=2222, loopback=True)), before)
    assert get(state, Sysctl, LOCALNET).value == "1"
    state = made(request("port_forwards", web()), state)
    assert get(state, Sysctl, LOCALNET).value == "1"
    state = made(request("port_forwards", web(listen=2222)), state)
    assert get(state, Sysctl, LOCALNET).value == "0"
    assert made(request("port_forwards", purge=True), state) == before


def test_a_bridge_that_an_earlier_task_will_make_is_predicted_as_if_it_were_there() -> None:
    wish = request("port_forwards", web(loopback=True))
    there = {**QUIET, **host(Sysctl(LOCALNET, "0"))}
    predicted, done = (_diff.render(PLANNERS["port_forwards"](wish, state)) for state in (QUIET, there))
    assert predicted == done
    state = made(request("policies", nat_policy()), QUIET)
    with pytest.raises(HostError, match=r"^port_forwards\[8080\]\.loopback: there is no bridge vmnet8 yet"):
        require_targets(wish, PLANNERS["port_forwards"](wish, state), state)


def test_the_parameter_of_a_bridge_that_somebody_removed_is_no_difference() -> None:
    state = made(request("port_forwards", web(loopback=True)), {**QUIET, **host(Sysctl(LOCALNET, "0"))})
    without = {key: r for key, r in state.items() if r.name != LOCALNET}
    assert not PLANNERS["policies"](request("policies"), without)


# What the host itself listens on

SSHD = parse_socket('tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=44,fd=3))')


def test_a_new_forward_of_a_port_that_a_process_listens_on_is_refused_by_name() -> None:
    assert SSHD
    for wish in (web(listen=22), web(listen="20-30", to_port="20-30"), web(listen=22, address="192.168.1.5")):
        with pytest.raises(HostError) as refused:
            planned(PLANNERS["port_forwards"], request("port_forwards", wish), {**QUIET, **host(SSHD)})
        assert str(refused.value).startswith(
            "port_forwards[22].listen: sshd (pid 44) listens on tcp 0.0.0.0:22, and would"
        )


def test_a_process_that_came_after_the_forward_is_warned_of_and_changes_nothing() -> None:
    assert SSHD
    wish = request("port_forwards", web(listen=22))
    state = {**made(wish, QUIET), **host(SSHD)}
    assert not planned(PLANNERS["port_forwards"], wish, state)
    assert shadowed(wish, state) == [
        "port_forwards[22]: sshd (pid 44) listens on tcp 0.0.0.0:22, but what is sent there goes to 192.168.233.101"
    ]
    made(request("port_forwards", web(listen=22, to_address="192.168.233.102")), state)


# What is found out only on the host


def test_a_target_outside_of_its_network_is_refused_by_name() -> None:
    state = made(request("policies", nat_policy()), QUIET)
    wish = request("port_forwards", web(to_address="192.168.234.101"))
    with pytest.raises(
        HostError,
        match=r"^port_forwards\[8080\]\.to_address: 192\.168\.234\.101 is outside 192\.168\.233\.0/24 of vmnet8$",
    ):
        require_targets(wish, PLANNERS["port_forwards"](wish, state), state)
    wish = request("port_forwards", web())
    require_targets(wish, PLANNERS["port_forwards"](wish, state), state)


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        pytest.param({}, True, id="closed"),
        pytest.param({"mode": "isolated"}, True, id="isolated"),
        pytest.param({"mode": "routed"}, True, id="routed"),
        pytest.param({"mode": "open"}, False, id="open, where nothing is dropped"),
        pytest.param({"bridge": "eth0"}, False, id="of the network itself"),
        pytest.param({"subnets": ["192.168.2.0/24"]}, False, id="another subnet"),
    ],
)
def test_a_subnet_with_an_address_that_the_host_has_elsewhere_is_refused(values: dict[str, Any], refused: bool) -> None:
    state = {**QUIET, **host(Address("lo 127.0.0.1"), Address("eth0 192.168.1.5"), Address("eth0 fe80::1"))}
    wish = request("policies", policy(**{"bridge": "vmnet8", "subnets": ["192.168.1.0/24"], "mode": "nat", **values}))
    if refused:
        with pytest.raises(HostError, match=r"^policies\[vmnet8\]\.subnets: the host has 192\.168\.1\.5 on eth0"):
            PLANNERS["policies"](wish, state)
    else:
        assert PLANNERS["policies"](wish, state)


def test_a_network_may_change_its_name() -> None:
    state = {**made(request("policies", nat_policy()), QUIET), **host(Address("vmnet8 192.168.233.2"))}
    assert PLANNERS["policies"](request("policies", nat_policy("vmnet9"), purge=True), state)


def test_a_target_where_no_network_is_known_is_refused_by_name() -> None:
    wish = request("port_forwards", web(bridge="br-of-others", to_address="10.9.9.9"))
    with pytest.raises(
        HostError, match=r"^port_forwards\[8080\]\.to_address: 10\.9\.9\.9 is in no network: .*br-of-others"
    ):
        require_targets(wish, PLANNERS["port_forwards"](wish, QUIET), QUIET)


def test_an_uplink_that_the_host_does_not_have_is_refused_by_name() -> None:
    there = host(Interface("lo"), Interface("eth0"))
    for option, make in (
        ("policies", nat_policy),
        ("nat", lambda **v: nat(bridge="vmnet8", subnets=["10.0.0.0/24"], **v)),
    ):
        wish = request(option, make(uplinks=["eth0", "eth7"]))
        with pytest.raises(HostError) as refused:
            require_uplinks(wish, PLANNERS[option](wish, QUIET), there)
        assert str(refused.value) == f"{option}[vmnet8].uplinks[1]: there is no interface eth7; the host has eth0, lo"
        require_uplinks(request(option, make(uplinks=["eth0"])), PLANNERS[option](wish, QUIET), there)


# Any sequence of runs

ENTRIES: dict[str, Any] = {"policies": policies_of, "nat": nats, "port_forwards": forwards}


@st.composite
def wishes(draw: Any) -> Request:
    option = draw(st.sampled_from(sorted(PLANNERS)))
    bridges = draw(st.lists(st.sampled_from(BRIDGES), unique=True, max_size=2))
    return request(
        option,
        *(draw(ENTRIES[option](bridge)) for bridge in bridges),
        scope=draw(st.sampled_from(["default", "lab"])),
        state=draw(st.sampled_from(["present", "present", "present", "absent"])),
        purge=draw(st.booleans()) and draw(st.booleans()),
        purge_bridges=tuple(draw(st.lists(st.sampled_from(BRIDGES), unique=True, max_size=1))),
        persistent=draw(st.sampled_from([True, True, False])),
    )


def of_scope(state: State, scope: str, module: str) -> set[Element]:
    return {e for e in elements(state) if e.scope == scope and e.module == module}


@given(st.lists(wishes(), min_size=1, max_size=6), st.sampled_from("01"), st.booleans())
def test_any_runs_leave_nothing_to_do_records_that_equal_the_kernel_and_others_alone(
    runs: list[Request], was: str, foreign: bool
) -> None:
    start = host(Sysctl(FORWARD4, was), Sysctl(FORWARD6, "0"), *(Sysctl(route_localnet(b), "0") for b in BRIDGES))
    state: State = dict(start)
    for wish in runs:
        plan = PLANNERS[wish.option]
        if foreign and get(state, Program, "vmnet"):
            state = {**state, **host(Element("vn_bridges docker0"))}
        try:
            change: Plan = planned(plan, wish, state)
        except HostError as refused:
            assert " is already that of " in str(refused)
            continue
        after = applied(state, change)
        left = plan(wish, after)
        assert not left, _diff.differences(left)
        now = elements(after)
        assert now == recorded(after)
        assert get(after, Program, "vmnet") == (PROGRAM if now else None)
        needed = forwarding_families(now)
        assert get(after, Sysctl, FORWARD4).value == ("1" if 4 in needed else was)
        assert get(after, Sysctl, FORWARD6).value == ("1" if 6 in needed else "0")
        for scope in ("default", "lab"):
            for module in PLANNERS:
                if (scope, module) != (wish.scope, wish.option):
                    assert of_scope(after, scope, module) == of_scope(state, scope, module)
        asked = {e for entry in wish.entries for e in entry.elements(wish.scope)}
        mine = of_scope(after, wish.scope, wish.option)
        if wish.present:
            assert {e.key for e in asked} <= {e.key for e in mine}
            assert not wish.purge or {e.key for e in mine} == {e.key for e in asked}
        else:
            assert not {e.key for e in asked} & {e.key for e in mine}
        state = after
    for scope in ("default", "lab"):
        for module in PLANNERS:
            state = made(request(module, purge=True, scope=scope), state)
    assert state == start


@given(st.lists(wishes(), min_size=1, max_size=3))
def test_the_program_is_the_same_whatever_the_networks_are(runs: list[Request]) -> None:
    for wish in runs:
        try:
            change = PLANNERS[wish.option](wish, QUIET)
        except HostError as refused:
            assert " is already that of " in str(refused)
            continue
        if elements(change.after):
            assert files_of(change.after)[layout.PROGRAM] == ruleset.program()
            text = ruleset.transaction(change.only(Element.kind, Program.kind))
            assert text == ruleset.program() + ruleset.render(elements(change.after))


def test_what_watches_the_filter_starts_with_the_service_of_boot_where_it_is_the_first() -> None:
    plan = PLANNERS["policies"](
        request("policies", policy(bridge="vmnet8", mode="nat", subnets=["192.168.8.0/24"])), QUIET
    )
    services, rest = boot.apart(plan)
    units = {Key(Unit.kind, name) for name in (layout.SERVICE, layout.WATCH_SOCKET)}
    assert {r.key for r in services.created if isinstance(r, Unit)} == units
    assert not [r for r in rest.created if isinstance(r, Unit)]
    assert PROGRAM.key in rest.after
