# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that a role leaves out, because nothing is listed and nothing is left: never where there is something to remove."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Host, Snapshot
from verify import KilledError, Run, Scenario, Staged, left, run_playbook, without_guests

TAPS, FORWARDS = "Give the guests their network cards", "Lead ports of the host to guests"
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


def left_out(run: Run) -> set[str]:
    """Of the two tasks, those that no module was run for."""
    tasks = run.succeeded().output.split("\nTASK [")
    return {name for name in (TAPS, FORWARDS) if any(f": {name}]" in task and "\nskipping: " in task for task in tasks)}


def differences(run: Run, host: Host) -> list[Any]:
    """What the tasks show, each once: where two would mend the same, a prediction has it for both."""
    shown = [part for change in run.changes_on(host.name) for part in change["diff"]]
    return [part for index, part in enumerate(shown) if part not in shown[:index]]


@pytest.fixture
def clean(scenario: Scenario, host: Host) -> Iterator[Snapshot]:
    before = host.snapshot()
    yield before
    run_playbook("tapestry.vmnet.nat", scenario.inventory, nat_networks=networks(GUEST), nat_state="absent").succeeded()
    assert left(before, host.snapshot()) == []


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("by_hand", "without_run", "options"),
    [
        pytest.param("true", set(), {}, id="listed no more"),
        pytest.param("true", set(), {"profile": not_at_boot}, id="not there at boot"),
        pytest.param("rm /etc/vmnet/nat/taps.batch", set(), {"nat_purge": True}, id="record of taps removed"),
        pytest.param("ip link set t0 alias ''", set(), {}, id="mark removed"),
        # The policies' module takes away what nobody has recorded.
        pytest.param("rm /etc/vmnet/nat/port_forwards.nft", {FORWARDS}, {}, id="record of forwards removed"),
    ],
)
def test_the_last_guest_goes_and_then_there_is_nothing_to_run(
    scenario: Scenario, host: Host, by_hand: str, without_run: set[str], options: dict[str, Any]
) -> None:
    given = dict(options)
    profile = given.pop("profile", networks)

    def play(*guests: dict[str, Any], check: bool = False) -> Run:
        variables = {"nat_networks": profile(*guests), **given}
        return run_playbook("tapestry.vmnet.nat", scenario.inventory, check=check, **variables).succeeded()

    assert left_out(play()) == {TAPS, FORWARDS}
    without = host.snapshot()
    assert left_out(play(GUEST)) == set()
    assert host.run("ip link show t0").ok
    assert "8080" in host.run("nft list table inet vmnet").stdout
    assert left_out(play(GUEST)) == set()
    host.run(by_hand)
    predicted = play(check=True)
    gone = play()
    assert left_out(predicted) == left_out(gone) == without_run
    assert differences(gone, host) == differences(predicted, host)
    assert left(without, host.snapshot()) == []
    again = play()
    assert left_out(again) == {TAPS, FORWARDS}
    assert again.changes_on(host.name) == []


# What the role runs in any case, and each of the modules that it may leave out.
ALWAYS: list[tuple[str, dict[str, Any]]] = [
    ("policies", {"policies": [{"bridge": "br0", "subnets": ["10.77.0.0/24"], "mode": "nat"}]}),
    ("bridges", {"bridges": [{"name": "br0", "addresses": ["10.77.0.1/24"]}]}),
]
MAYBE: list[tuple[str, dict[str, Any]]] = [
    ("taps", {"taps": [{"name": "t0", "bridge": "br0", "owner": "1000"}, {"name": "t1", "bridge": "br0"}]}),
    (
        "port_forwards",
        {"port_forwards": [{"bridge": "br0", "listen": "8080", "to_address": "10.77.0.101", "loopback": True}]},
    ),
]


@pytest.mark.parametrize(("module", "arguments"), MAYBE, ids=[module for module, _arguments in MAYBE])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_a_killed_run_has_left_is_nobodys_only_if_it_is_gone_without_the_module(
    host: Host, staged: Staged, module: str, arguments: dict[str, Any], state: str
) -> None:
    before = host.snapshot()

    def always(**options: Any) -> None:
        for name, given in ALWAYS if not options else reversed(ALWAYS):
            staged.run(name, **given, **options)

    always()
    without = without_guests(host.snapshot())
    step = {**arguments, "state": state}
    staged.run(module, **arguments)
    count = int(staged.run(module, **arguments, state="absent")["changes"])
    if state == "present":
        count = int(staged.run(module, **step)["changes"])
        staged.run(module, **arguments, state="absent")
    for at in range(1, count + 1):
        if state == "absent":
            staged.run(module, **arguments)
        with pytest.raises(KilledError):
            staged.run(module, kill_at=at, **step)
        if module not in staged.run("coexist", networks=[])["in_scope"]:
            always()
            assert left(without, without_guests(host.snapshot())) == [], f"killed before change {at}"
        staged.run(module, **arguments, state="absent")
    always(state="absent")
    assert left(before, host.snapshot()) == []
