# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts for benchmarks, and Ansible on them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab import Bed, Host, LabError
from lab.places import bed_name
from lab.rootfs import rootfs

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".build/peers"  # collections of others


class Task(NamedTuple):
    name: str
    seconds: float
    action: str


@contextmanager
def bed(name: str, machines: Mapping[str, str]) -> Iterator[Bed]:
    with Bed.up(bed_name(f"bench-{name}"), machines, replace=True) as made:
        yield made


def with_peers(release: str, peers: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A machine with those of these peers that can be installed here; and of each of the others, why it cannot."""
    if _why_not(machine := "+".join([release, *peers])) is None:
        return machine, {}
    machine, missing = release, {}
    for peer in peers:
        if (reason := _why_not(f"{machine}+{peer}")) is None:
            machine += f"+{peer}"
        else:
            missing[peer] = f"{peer} cannot be installed: {reason}"
    return machine, missing


def _why_not(machine: str) -> str | None:
    try:
        rootfs(machine)
    except LabError as error:
        said = str(error).splitlines()
        _log, mark, complaint = next((line for line in said if "E: " in line), said[0]).rpartition("E: ")
        return mark + complaint
    return None


@dataclass(frozen=True)
class Played:
    """A run of a playbook: each task on each host with its seconds, and what the controller needed for all of it."""

    tasks: list[Task]
    cpu: float  # seconds, of Ansible with its workers and SSH clients
    memory: int  # kB, the most that Ansible's main process had


def play(made: Bed, playbook: str, *, forks: int = 10, **variables: object) -> Played:
    """Run a playbook on all hosts, as users do. Raises AssertionError with what it said."""
    inventory, given, watch = (made.state.path(name) for name in ("inventory.json", "variables.json", "stopwatch"))
    inventory.write_text(json.dumps(made.inventory()))
    given.write_text(json.dumps(variables))
    watch.write_text("")
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), f"--inventory={inventory}", playbook, f"--extra-vars=@{given}"]
    environment = os.environ | {
        "ANSIBLE_CALLBACKS_ENABLED": "stopwatch",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
        "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.build/collections'}:{PEERS}",
        "ANSIBLE_FORKS": str(forks),
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_PIPELINING": "1",
        "BENCH_STOPWATCH": str(watch),
    }
    before = cpu_of_children()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    *tasks, memory = map(json.loads, watch.read_text().splitlines())
    return Played([Task(*task) for task in tasks], cpu_of_children() - before, memory)


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def tasks_times(made: Bed, tasks: Sequence[Mapping[str, object]]) -> list[float]:
    """Seconds of each of these tasks in one play: SSH and the start of Python are in them."""
    playbook = made.state.path("tasks.json")
    playbook.write_text(json.dumps([{"name": "Tasks", "hosts": "hosts", "gather_facts": False, "tasks": tasks}]))
    return [task.seconds for task in play(made, str(playbook)).tasks]


def module_times(made: Bed, tasks: Sequence[tuple[str, Mapping[str, object]]]) -> list[float]:
    """The same of each (module, options)."""
    return tasks_times(
        made, [{"name": f"{number}", module: dict(options)} for number, (module, options) in enumerate(tasks)]
    )


def memory_of_servers(host: Host) -> int:
    """kB of all dnsmasq processes of the host, shared pages counted in parts (Pss)."""
    script = "for p in $(pgrep -x dnsmasq); do cat /proc/$p/smaps_rollup; done 2>/dev/null | awk '/^Pss:/ { s += $2 } END { print s + 0 }'"
    return int(host.run(script).stdout)


def subnet(number: int) -> str:
    """The first three parts of the addresses of a network: 10.64.0, 10.64.1, ..."""
    return f"10.{64 + number // 256}.{number % 256}"
