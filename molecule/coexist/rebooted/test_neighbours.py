# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot the others have made their rules anew, and guests have what is promised."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import Host
from verify import Run, Scenario, foreign_rules, run_playbook


def test_guests_have_what_is_promised(broken: Callable[[], list[str]]) -> None:
    assert broken() == []


def test_no_unit_has_failed(host: Host) -> None:
    assert host.run("systemctl list-units --failed --no-legend --plain").stdout == ""


def test_foreign_rules_are_as_before_our_marked_ones_aside(scenario: Scenario, host: Host) -> None:
    now, before = (foreign_rules(snapshot) for snapshot in (host.snapshot(), scenario.snapshot("before", host)))
    if host.name == "dock":
        # Docker drops what is forwarded only if it was Docker that turned forwarding on; at this boot it was on already.
        for rules in (now, before):
            rules["table ip filter { chain FORWARD {"].pop(0)
    assert now == before


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[Run]:
    return [run_playbook(scenario.playbook, scenario.inventory, check=check).succeeded() for check in (True, False)]


@pytest.mark.parametrize("number", [0, 1], ids=["check mode", "another run"])
def test_nothing_is_left_to_do(runs: list[Run], host: Host, number: int) -> None:
    assert runs[number].changes_on(host.name) == []
    assert runs[number].changed[host.name] == 0
