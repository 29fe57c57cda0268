# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about the playbook's runs."""

from __future__ import annotations

from ..measure import expect
from ..story import Story

_MOST_MODULE_RUNS = 8


def second_run_changes_nothing(story: Story) -> str:
    first, second = story.runs
    measured = f"changed={second.count('changed')}"
    expect(second.count("changed") == 0, "changed=0", measured)
    expect(first.count("changed") > 0, "a first run that changes something", f"changed={first.count('changed')}")
    return f"{measured} of {second.count('ok')} tasks (the first: changed={first.count('changed')})"


def at_most_eight_module_runs(story: Story) -> str:
    counted = story.runs[0].module_runs()
    measured = ", ".join(f"{role} {number}" for role, number in counted.items())
    expect(max(counted.values()) <= _MOST_MODULE_RUNS, f"at most {_MOST_MODULE_RUNS} for each role", measured)
    return measured
