# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All that a network is made of in one run: no less than its modules do one after the other, and nothing if anything is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Host, Snapshot
from verify import KilledError, Run, Scenario, Staged, left, run_playbook

from .conftest import NETWORK, Step
from .test_killed import look

FORWARDS: Step = (
    "port_forwards",
    {"port_forwards": [{"bridge": "br0", "listen": "8080", "to_address": "10.77.0.101", "loopback": True}]},
)
NAT: Step = ("nat", {"nat": [{"bridge": "br0", "subnets": ["10.77.0.0/24", "fd00:77::/64"]}]})
MODULES: list[Step] = [NETWORK[0], NAT, *NETWORK[1:-1], FORWARDS, NETWORK[-1]]
LISTS: dict[str, Any] = {name: entries for _module, lists in MODULES for name, entries in lists.items()}

# A dnsmasq that takes every configuration, and does not start.
ONLY_TESTS = """#!/bin/sh
case $* in *--test*) exec /usr/sbin/dnsmasq.real "$@" ;; esac
exit 1
"""


@pytest.fixture
def clean(host: Host, staged: Staged) -> Iterator[Snapshot]:
    before = host.snapshot()
    yield before
    staged.run("resources", **LISTS, state="absent")
    assert left(before, host.snapshot()) == []


@pytest.mark.usefixtures("clean")
def test_one_run_makes_what_the_modules_make(host: Host, staged: Staged) -> None:
    without = look(host)
    for module, lists in MODULES:
        staged.run(module, **lists)
    there = look(host)
    assert not staged.run("resources", **LISTS)["changed"]
    for module, lists in reversed(MODULES):
        staged.run(module, **lists, state="absent")
    predicted = staged.run("resources", **LISTS, check=True)
    assert look(host) == without
    made = staged.run("resources", **LISTS)
    assert look(host) == there
    assert made["diff"] == predicted["diff"] != []
    assert {name: len(made[name]) for name in LISTS} == {name: len(entries) for name, entries in LISTS.items()}
    for module, lists in MODULES:
        assert not staged.run(module, **lists)["changed"], module
    gone = staged.run("resources", **LISTS, state="absent", check=True)
    assert staged.run("resources", **LISTS, state="absent")["diff"] == gone["diff"] != []
    assert look(host) == without


@pytest.mark.usefixtures("clean")
def test_a_kind_that_is_not_given_stays_and_one_that_is_empty_can_be_purged(host: Host, staged: Staged) -> None:
    staged.run("resources", **LISTS)
    there = look(host)
    others = {name: entries for name, entries in LISTS.items() if name not in ("taps", "port_forwards")}
    assert not staged.run("resources", **others, purge=True)["changed"]
    assert look(host) == there
    purged = staged.run("resources", **{**others, "taps": []}, purge=True)
    assert {part["before_header"] for part in purged["diff"]} >= {"tap t0", "tap t1"}
    assert not host.run("ip link show t0", check=False).ok
    assert "8080" in host.run("nft list table inet vmnet").stdout


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("purge", [{"purge": True}, {"purge_bridges": ["br0", "br1"]}], ids=["all", "bridges"])
def test_what_is_purged_together_goes_as_predicted(host: Host, staged: Staged, purge: dict[str, Any]) -> None:
    without = look(host)
    staged.run("resources", **LISTS)
    none: dict[str, list[Any]] = {name: [] for name in LISTS}
    predicted = staged.run("resources", **none, **purge, check=True)
    assert staged.run("resources", **none, **purge)["diff"] == predicted["diff"] != []
    assert look(host) == without


def renamed(lists: dict[str, list[Any]], name: str) -> dict[str, list[Any]]:
    """The same networks, the first one with another name."""
    return {kind: [{k: name if v == "br0" else v for k, v in e.items()} for e in each] for kind, each in lists.items()}


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("mode", ["isolated", "nat"])
def test_a_network_that_takes_another_name_keeps_its_addresses(host: Host, staged: Staged, mode: str) -> None:
    """Whether guests get out or not: its old server has the ports of the new one, and the host has its addresses elsewhere."""
    none: dict[str, list[Any]] = {name: [] for name in LISTS}
    policies = [{**policy, "mode": mode} for policy in LISTS["policies"]]
    lists = {**LISTS, "policies": policies, **({} if mode == "nat" else {"nat": [], "port_forwards": []})}
    try:
        staged.run("resources", **lists, purge=True)
        predicted = staged.run("resources", **renamed(lists, "lan"), purge=True, check=True)
        assert staged.run("resources", **renamed(lists, "lan"), purge=True)["diff"] == predicted["diff"] != []
        assert not staged.run("resources", **renamed(lists, "lan"), purge=True)["changed"]
        assert host.run("ip -4 -o addr show dev lan").stdout.split()[3] == "10.77.0.1/24"
        assert not host.run("ip link show br0", check=False).ok
        listening = host.run("ss -Hlntup sport = 53").stdout
        assert "10.77.0.1" in listening and host.run("systemctl is-active vmnet-dhcp@lan").ok
    finally:
        staged.run("resources", **none, purge=True)


@pytest.mark.usefixtures("clean")
def test_what_was_done_before_a_failure_is_said(host: Host, staged: Staged) -> None:
    dnsmasq = "/usr/sbin/dnsmasq"
    host.run(f"mv {dnsmasq} {dnsmasq}.real && cat > {dnsmasq} && chmod +x {dnsmasq}", input=ONLY_TESTS)
    try:
        with pytest.raises(AssertionError, match="done before that: policies, nat, bridges, taps, port_forwards"):
            staged.run("resources", **LISTS)
        assert host.run("ip link show t0").ok
    finally:
        host.run(f"mv {dnsmasq}.real {dnsmasq}")
    staged.run("resources", **LISTS)
    assert host.run("systemctl is-active vmnet-dhcp@br0").ok


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("need", "path"),
    [
        ("dnsmasq", "/usr/sbin/dnsmasq"),
        ("ip", "/usr/bin/ip"),
        ("nft", "/usr/sbin/nft"),
        ("pyroute2", "/usr/lib/python3/dist-packages/pyroute2"),
    ],
)
def test_where_a_need_is_missing_nothing_is_changed(host: Host, staged: Staged, need: str, path: str) -> None:
    before = look(host)
    needs = ["dnsmasq", "ip", "nft", "pyroute2"]
    wanted = staged.run("resources", **LISTS, check=True)["diff"]
    host.run(f"mv {path} {path}.hidden")
    try:
        lacking = staged.run("resources", **LISTS, needs=needs)
        assert (lacking["changed"], lacking["missing"], set(lacking) & {"diff", *LISTS}) == (False, [need], set())
        predicted = staged.run("resources", **LISTS, needs=needs, check=True)
        assert predicted["missing"] == [need]
        assert headers(predicted["diff"]) == headers(wanted)
        with pytest.raises(AssertionError, match=r"taps\[eth1\]"):  # which is no tap
            staged.run("resources", **{**LISTS, "taps": [{"name": "eth1", "bridge": "br0"}]}, needs=needs)
        with pytest.raises(AssertionError, match=f"{need} is not installed|Failed to import the required .*{need}"):
            staged.run("resources", **LISTS)
    finally:
        host.run(f"mv {path}.hidden {path}")
    assert look(host) == before
    made = staged.run("resources", **LISTS, needs=needs)
    assert made["missing"] == []
    assert headers(made["diff"]) == headers(wanted)


def headers(diff: list[dict[str, str]]) -> list[str]:
    return [part["after_header"] for part in diff]


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param(
            {"dhcp": [{"bridge": "br0", "addresses": ["10.77.0.1/24"], "ranges": ["10.78.0.1-10.78.0.9"]}]},
            "10.78.0.1",
            id="value",
        ),
        pytest.param(
            {"taps": [{"name": "t0", "colour": "red"}]}, "Unsupported parameters for .* taps.colour", id="field"
        ),
        pytest.param({"bridges": [{"mtu": 1400}]}, "name found in bridges", id="missing"),
        pytest.param({"taps": [{"name": "eth1", "bridge": "br0"}]}, r"taps\[eth1\]", id="what the host has"),
        pytest.param({"taps": [{"name": "t0", "bridge": "br9"}]}, "there is no bridge br9", id="what it needs"),
        pytest.param(
            {"nat": [{"bridge": "br0", "subnets": ["10.77.0.0/24"], "uplinks": ["eth9"]}]}, "eth9", id="uplink"
        ),
        pytest.param(
            {"port_forwards": [{"bridge": "br0", "listen": "80", "to_address": "10.78.0.1"}]},
            "10.78.0.1 is outside",
            id="target",
        ),
        pytest.param({"dhcp": ["br0"]}, "dhcp", id="no mapping"),
        pytest.param(
            {"taps": [{"name": "t0", "colour": "red"}, {"bridge": "br0"}]},
            "(?<!module: )missing required arguments: name found in taps",
            id="field and missing",
        ),
        pytest.param(dict.fromkeys(LISTS), "one of the following is required: policies, networks, ", id="none"),
    ],
)
def test_what_is_wrong_in_any_list_is_said_before_the_first_change(
    host: Host, staged: Staged, wrong: dict[str, Any], says: str
) -> None:
    before = look(host)
    with pytest.raises(AssertionError, match=says):
        staged.run("resources", **{**LISTS, **wrong})
    assert look(host) == before


@pytest.mark.usefixtures("clean")
def test_a_run_that_is_killed_is_finished_by_the_next(host: Host, staged: Staged) -> None:
    changes = int(staged.run("resources", **LISTS)["changes"])
    there = look(host)
    for at in range(1, changes + 1, 9):  # what is between two of them the modules' own tests kill
        staged.run("resources", **LISTS, state="absent")
        with pytest.raises(KilledError):
            staged.run("resources", **LISTS, kill_at=at)
        staged.run("resources", **LISTS)
        assert look(host) == there, f"after a run that was killed before change {at}"


GUEST = {
    "name": "web",
    "mac": "52:54:00:00:00:65",
    "addresses": ["10.77.0.101"],
    "tap": {"name": "t0"},
    "forwards": [{"listen": 8080, "to_port": 80}],
}


def networks(*guests: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "br0", "addresses": ["10.77.0.1/24"], "guests": list(guests)}]


def not_at_boot(*guests: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**network, "autostart": False} for network in networks(*guests)]


def differences(run: Run, host: Host) -> list[Any]:
    return [part for change in run.changes_on(host.name) for part in change["diff"]]


@pytest.fixture
def without_role(scenario: Scenario, host: Host) -> Iterator[None]:
    before = host.snapshot()
    yield
    run_playbook("tapestry.vmnet.nat", scenario.inventory, nat_networks=networks(GUEST), nat_state="absent").succeeded()
    assert left(before, host.snapshot()) == []


@pytest.mark.usefixtures("without_role")
@pytest.mark.parametrize(
    ("by_hand", "options"),
    [
        pytest.param("true", {}, id="listed no more"),
        pytest.param("true", {"profile": not_at_boot}, id="not there at boot"),
        pytest.param("rm /etc/vmnet/nat/taps.batch", {"nat_purge": True}, id="record of taps removed"),
        pytest.param("ip link set t0 alias ''", {}, id="mark removed"),
        pytest.param("rm /etc/vmnet/nat/port_forwards.nft", {}, id="record of forwards removed"),
    ],
)
def test_the_last_guest_of_a_role_goes(scenario: Scenario, host: Host, by_hand: str, options: dict[str, Any]) -> None:
    given = dict(options)
    profile = given.pop("profile", networks)

    def play(*guests: dict[str, Any], check: bool = False) -> Run:
        variables = {"nat_networks": profile(*guests), **given}
        return run_playbook("tapestry.vmnet.nat", scenario.inventory, check=check, **variables).succeeded()

    play()
    without = host.snapshot()
    play(GUEST)
    assert host.run("ip link show t0").ok
    assert "8080" in host.run("nft list table inet vmnet").stdout
    host.run(by_hand)
    predicted = play(check=True)
    gone = play()
    assert differences(gone, host) == differences(predicted, host)
    assert left(without, host.snapshot()) == []
    assert play().changes_on(host.name) == []
