# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Teardown says what it will do, does it, and leaves the others what they had."""

from __future__ import annotations

import re

import pytest

from lab import Host
from verify import Run, Scenario, foreign_rules, left, run_playbook

PLAYBOOK = "tapestry.vmnet.teardown"
# What Docker and libvirt write and make anew each time they start, and the lock that a call of ufw leaves.
THEIRS = re.compile(r"nftables:|.*(docker|containerd|libvirt|virbr|virtlog|virtlock|/run/ufw\.lock)")


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[Run]:
    """Check mode, the run, a second run."""
    return [run_playbook(PLAYBOOK, scenario.inventory, check=check).succeeded() for check in (True, False, False)]


def test_teardown_removed_what_check_mode_had_predicted(runs: list[Run], host: Host) -> None:
    predicted, done = (run.changes_on(host.name) for run in runs[:2])
    assert predicted, "nothing was predicted for a host with networks"
    assert done == predicted


@pytest.mark.usefixtures("runs")
def test_foreign_rules_are_as_before_and_ours_are_gone(scenario: Scenario, host: Host) -> None:
    now, before = (
        foreign_rules(snapshot, ours_aside=False) for snapshot in (host.snapshot(), scenario.snapshot("before", host))
    )
    if host.name == "dock":
        # Docker drops what is forwarded only if it was Docker that turned forwarding on; at the last boot it was on already.
        for rules in (now, before):
            rules["table ip filter { chain FORWARD {"].pop(0)
    assert now == before


@pytest.mark.usefixtures("runs")
def test_the_host_is_as_before_the_first_run(scenario: Scenario, host: Host) -> None:
    found = left(scenario.snapshot("before", host), host.snapshot())
    assert [line for line in found if not THEIRS.match(line)] == []


def test_a_second_teardown_changes_nothing(runs: list[Run], host: Host) -> None:
    assert runs[2].changes_on(host.name) == []
