# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Growth: from 1 network to 500, and from 10 guests to 10,000 on one host, in time and in memory.

*Work* is the sum of the modules' own time from nothing, as in own_work. *A second run* is the whole role over SSH with nothing to
do, Ansible's start included. Memory is the most that one module's process had on the host, the most that Ansible had on the
controller, and all DHCP servers together, shared pages counted in parts. Each guest has a reservation, a name, a tap and a
forwarded port; up to a thousand share a network, because a bridge has 1,023 ports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lab import Bed

from . import profiles
from .harness import Bench, Goal, seconds
from .hosts import Played, bed, memory_of_servers, play
from .modules import Modules

Samples = dict[str, list[float]]
Profile = Callable[[int], list[dict[str, object]]]


@dataclass
class Noted:
    """What else the runs have shown, by size."""

    again: Samples = field(default_factory=dict)
    module: Samples = field(default_factory=dict)
    controller: Samples = field(default_factory=dict)
    servers: Samples = field(default_factory=dict)


def run(bench: Bench) -> None:
    with bed("growth", {"host": "trixie"}) as made:
        modules = Modules(made.hosts["host"])
        grow(bench, made, modules, "networks", profiles.networks, [1, 10, 100, 500] if not bench.smallest else [1, 2])
        grow(bench, made, modules, "guests", profiles.guests, [10, 100, 1000, 10000] if not bench.smallest else [2, 4])


def grow(bench: Bench, made: Bed, modules: Modules, what: str, profile: Profile, sizes: list[int]) -> None:
    noted = Noted()
    labels = {size: f"{size:,} {what if size > 1 else what[:-1]}" for size in sizes}
    before, last = sizes[-2:]
    linear = Goal(labels[last], labels[before], last / before)
    bench.compare(
        f"{what}-work",
        f"The modules' work from nothing, by number of {what}",
        {name: partial(grown, made, modules, profile, size, name, noted) for size, name in labels.items()},
        goals=[linear],
    )
    bench.also(f"{what}-again", f"A second run of the role, by number of {what}", noted.again, goals=[linear])
    for name, title, samples in (
        ("module", "Memory of the largest module on the host", noted.module),
        ("controller", "Memory of Ansible on the controller", noted.controller),
        ("servers", "Memory of all DHCP servers", noted.servers),
    ):
        bench.also(f"{what}-{name}", f"{title}, by number of {what}", samples, unit="MB")


def grown(made: Bed, modules: Modules, profile: Profile, size: int, name: str, noted: Noted) -> float:
    wanted = profile(size)
    done = modules.run(profiles.making(wanted))
    played: list[Played] = []
    again = seconds(lambda: played.append(play(made, "tapestry.vmnet.nat", nat_networks=wanted)))
    for samples, figure in (
        (noted.again, again),
        (noted.module, max(ran.memory for ran in done) / 1000),
        (noted.controller, played[0].memory / 1000),
        (noted.servers, memory_of_servers(made.hosts["host"]) / 1000),
    ):
        samples.setdefault(name, []).append(figure)
    modules.run(profiles.removing())
    return sum(ran.seconds for ran in done)
