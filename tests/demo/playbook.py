# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the collection's playbook as a user would, and watching what its tasks do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab import Bed, LabError

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = "playbooks/site.yml"
_VENV = ROOT / ".venv" / "bin"
_TIMEOUT = 10.0  # seconds that Ansible gets to end when it is interrupted


@dataclass(frozen=True)
class Task:
    """One task that ran on one host. `on_host`: it ran a module there, and not only on the controller."""

    host: str
    role: str
    name: str
    status: str  # ok, changed, skipped, failed
    on_host: bool
    seconds: float
    message: str = ""


@dataclass
class Run:
    """One run of the playbook."""

    tasks: list[Task] = field(default_factory=list)

    def count(self, status: str) -> int:
        return sum(task.status == status for task in self.tasks)

    def module_runs(self) -> dict[str, int]:
        """How often each role had a module run on a host; the highest of all hosts."""
        runs = Counter((task.role, task.host) for task in self.tasks if task.on_host and task.status != "skipped")
        roles = dict.fromkeys(task.role for task in self.tasks)
        return {role: max(number for (of, _host), number in runs.items() if of == role) for role in roles}


def write_inventory(bed: Bed, variables: Path) -> Path:
    """An inventory with these group variables, in a directory that goes with the bed."""
    inventory = bed.state.path("inventory", "hosts.json")
    inventory.write_text(json.dumps(bed.inventory(), indent=2) + "\n")
    shutil.copy(variables, bed.state.path("inventory", "group_vars", "all.yml"))
    return inventory


def command(inventory: Path) -> list[str]:
    return [str(_VENV / "ansible-playbook"), "-i", str(inventory), str(ROOT / PLAYBOOK)]


def run(bed: Bed, inventory: Path, watch: Callable[[Task], None]) -> Run:
    """Run it to its end and hand every task to `watch` as it is done. Raises LabError when it fails."""
    log = bed.state.path("log", "ansible.log")
    done = Run()
    with log.open("a") as errors:
        ansible = subprocess.Popen(
            command(inventory),
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; we end it in our own time
        )
        try:
            assert ansible.stdout
            for line in ansible.stdout:
                if line.startswith("{"):
                    done.tasks.append(Task(**json.loads(line)))
                    watch(done.tasks[-1])
                else:
                    errors.write(line)
            status = ansible.wait()
        finally:
            _end(ansible)
    if status:
        said = [f"{task.role}: {task.name}: {task.message}" for task in done.tasks if task.status == "failed"]
        raise LabError("\n".join([f"{PLAYBOOK} failed", *(said or [log.read_text().strip()])]))
    return done


def _environment() -> dict[str, str]:
    return os.environ | {
        "PATH": f"{_VENV}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(ROOT / ".build" / "ansible"),
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("plugins")),
        "ANSIBLE_STDOUT_CALLBACK": "task_events",
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _end(ansible: subprocess.Popen[str]) -> None:
    """End Ansible with all that it has started, if it is still there."""
    if ansible.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(ansible.pid, number)
            ansible.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return
