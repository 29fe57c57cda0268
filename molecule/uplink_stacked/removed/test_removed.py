# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With state absent the host is as it was, live and on disk."""

from __future__ import annotations

import pytest

from lab import Host
from verify import Run, Scenario, left, run_playbook


@pytest.fixture(scope="module")
def run(scenario: Scenario) -> Run:
    return run_playbook("tapestry.vmnet.bridged", scenario.inventory, bridged_state="absent").succeeded()


def test_the_host_is_as_before_the_first_run(scenario: Scenario, host: Host, run: Run) -> None:
    assert run.changes_on(host.name)
    assert left(scenario.snapshot("before", host), host.snapshot()) == []
