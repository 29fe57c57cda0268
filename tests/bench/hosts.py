# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts for benchmarks, and Ansible on them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import Bed, Host
from lab.places import bed_name

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def bed(name: str, machines: Mapping[str, str]) -> Iterator[Bed]:
    with Bed.up(bed_name(f"bench-{name}"), machines, replace=True) as made:
        yield made


def play(made: Bed, playbook: str, **variables: object) -> list[tuple[str, float]]:
    """Run a playbook on all hosts, as users do; returns each task with its seconds. Raises AssertionError with what it said."""
    inventory, given, watch = (made.state.path(name) for name in ("inventory.json", "variables.json", "stopwatch"))
    inventory.write_text(json.dumps(made.inventory()))
    given.write_text(json.dumps(variables))
    watch.write_text("")
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), f"--inventory={inventory}", playbook, f"--extra-vars=@{given}"]
    environment = os.environ | {
        "ANSIBLE_CALLBACKS_ENABLED": "stopwatch",
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).with_name("callbacks")),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build/collections"),
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_PIPELINING": "1",
        "BENCH_STOPWATCH": str(watch),
    }
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return list(map(json.loads, watch.read_text().splitlines()))


def module_times(made: Bed, tasks: Sequence[tuple[str, Mapping[str, object]]]) -> list[float]:
    """Seconds of each (module, options) in one play, one after the other: SSH and the start of Python are in them."""
    playbook = made.state.path("tasks.json")
    listed = [{"name": f"{number}", module: dict(options)} for number, (module, options) in enumerate(tasks)]
    playbook.write_text(json.dumps([{"name": "Tasks", "hosts": "hosts", "gather_facts": False, "tasks": listed}]))
    return [took for _name, took in play(made, str(playbook))]


def memory_of_servers(host: Host) -> int:
    """kB of all dnsmasq processes of the host, shared pages counted in parts (Pss)."""
    script = "for p in $(pgrep -x dnsmasq); do cat /proc/$p/smaps_rollup; done 2>/dev/null | awk '/^Pss:/ { s += $2 } END { print s + 0 }'"
    return int(host.run(script).stdout)


def subnet(number: int) -> str:
    """The first three parts of the addresses of a network: 10.64.0, 10.64.1, ..."""
    return f"10.{64 + number // 256}.{number % 256}"
