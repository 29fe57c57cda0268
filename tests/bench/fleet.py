# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet: the role on 1, 10 and more hosts, what each costs the controller, and what that means for thousands.

Hosts of the test bed with two NAT networks each; a second run with nothing to do, which is what a fleet's controller does most.
Wall time is divided by the number of hosts. The controller's processor time is Ansible's with its workers and SSH clients; that of
the hosts is counted by their control groups. Controller and hosts share this machine's processors, so both are in the wall time;
of a controller by itself only the first is. Nobody has run this for 1,000 or 10,000 hosts: those figures are calculated. With
VMNET_BENCH_HOSTS=50 there are 50 in place of 20, which takes long on a small machine: each host is a whole systemd to boot.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial

from lab import Bed
from lab.processes import cgroup_of

from . import profiles
from .harness import Bench, Goal, seconds
from .hosts import Played, bed, play

_FORKS = 10
_ON_CONTROLLER = ("set_fact", "validate_argument_spec", "include_tasks")
Samples = dict[str, list[float]]


def run(bench: Bench) -> None:
    most = int(os.environ.get("VMNET_BENCH_HOSTS", bench.size(20, 2)))
    sizes = sorted({1, min(10, most), most})
    with bed("fleet", {f"h{number}": "trixie" for number in range(most)}) as made:
        first = seconds(lambda: role(made, most))
        cpu: Samples = {label(size): [] for size in sizes}
        of_hosts: Samples = {label(size): [] for size in sizes}
        runs: Counter[str] = Counter()
        wall = bench.compare(
            "wall",
            f"A second run, per host, {_FORKS} forks",
            {label(size): partial(again, made, size, cpu, of_hosts, runs) for size in sizes},
            goals=[Goal(label(most), label(sizes[-2]), 1.1)],
            notes=[f"The first run on {most} hosts, with everything to do: {first / most:.1f} s for each."],
        )
        controller = bench.also(
            "controller",
            "Processor time of the controller for each host",
            cpu,
            notes=[f"Module runs on each host: {', '.join(runs)}; together {runs.total()}."],
        )
        bench.also("hosts", "Processor time of a host", of_hosts)
        controller.notes.append(
            calculated(controller.figures[label(most)].median, wall.figures[label(sizes[0])].median)
        )


def label(size: int) -> str:
    return f"{size} host{'s' if size > 1 else ''}"


def role(made: Bed, size: int) -> Played:
    hosts = list(made.hosts)[:size]
    return play(
        made, "tapestry.vmnet.nat", forks=_FORKS, vmnet_hosts=":".join(hosts), nat_networks=profiles.networks(2)
    )


def again(made: Bed, size: int, cpu: Samples, of_hosts: Samples, runs: Counter[str]) -> float:
    before = cpu_of_bed(made)
    played: list[Played] = []
    took = seconds(lambda: played.append(role(made, size)))
    cpu[label(size)].append(played[0].cpu / size)
    of_hosts[label(size)].append((cpu_of_bed(made) - before) / size)
    if not runs:
        actions = (task.action.rpartition(".")[2] for task in played[0].tasks)
        runs.update(action for action in actions if action not in _ON_CONTROLLER)
    return took / size


def cpu_of_bed(made: Bed) -> float:
    """Seconds of all hosts so far."""
    fields = (cgroup_of(made.name) / "cpu.stat").read_text().split()
    return int(fields[fields.index("usage_usec") + 1]) / 1e6


def calculated(cpu: float, one: float) -> str:
    """For fleets that nobody has run."""
    rows = [
        f"{size:,} hosts take {size * cpu / cores / 60:,.0f} min from a controller with {cores} cores"
        for size in (1000, 10000)
        for cores in (2, 16)
    ]
    return (
        f"Calculated, not measured, from these {cpu:.2f} s, with forks enough to keep all cores busy: {'; '.join(rows)}. "
        f"With ansible-pull every host is its own controller: about the {one:.0f} s that one host takes, however many there are, "
        "and what the checkout takes."
    )
