# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of ansible-playbook, and what they changed; by molecule or by a test."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .scenario import Scenario

LIMIT = 600  # seconds after which a run hangs; two emulated processors that are busy otherwise need more than 200


@dataclass(frozen=True)
class Run:
    """As the callback plugin `record` has written it; every mapping is by host."""

    playbook: str
    check: bool
    changed: Mapping[str, int]  # how many tasks
    changes: Mapping[str, list[Any]]  # task, whether it changed, and its diff
    failures: Mapping[str, str]
    output: str = ""

    def changes_on(self, host: str) -> list[Any]:
        return list(self.changes.get(host, []))

    def succeeded(self) -> Run:
        """This run; raises AssertionError with what Ansible printed when a task has failed."""
        assert not self.failures and self.changed, self.output or self.failures
        return self


def recorded() -> list[Run]:
    """All runs of this scenario so far, but for those on this machine itself."""
    lines = Path(os.environ["VMNET_RECORD"]).read_text().splitlines()
    runs = [Run(**json.loads(line)) for line in lines]
    return [run for run in runs if "localhost" not in run.changed]


def run_playbook(playbook: str, inventory: Path, *, check: bool = False, **variables: Any) -> Run:
    """Run a playbook with these variables over those of the inventory; what fails is told in the result."""
    argv = ["ansible-playbook", f"--inventory={inventory}", "--diff", playbook, "--extra-vars", json.dumps(variables)]
    before = len(recorded())
    done = subprocess.run(
        [*argv, *(["--check"] if check else [])], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    runs = recorded()
    assert len(runs) == before + 1, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return Run(**(vars(runs[-1]) | {"output": done.stdout + done.stderr}))


def run_module(inventory: Path, host: str, module: str, **arguments: Any) -> dict[str, Any]:
    """Run one module of the collection on one host, beside the runs on record; what it returned. Raises AssertionError if it failed."""
    argv = ["ansible", f"--inventory={inventory}", host, f"--module-name=tapestry.vmnet.{module}"]
    done = subprocess.run(
        [*argv, "--args", json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "ANSIBLE_CALLBACKS_ENABLED"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.partition(" => ")[2]))


def run_task(scenario: Scenario, host: str, task: dict[str, Any], *, check: bool = False) -> Run:
    """Run one task on one host; what fails is told in the result."""
    playbook = scenario.work / "task.json"
    playbook.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": [task]}]))
    return run_playbook(str(playbook), scenario.inventory, check=check)


def refusals(scenario: Scenario, **variables: Any) -> list[str]:
    """Run the scenario's playbook with variables that no host must accept; what it said for each host."""
    run = run_playbook(scenario.playbook, scenario.inventory, **variables)
    assert run.failures.keys() == run.changed.keys() and run.failures, run.output
    assert not any(run.changed.values()), run.output
    return list(run.failures.values())
