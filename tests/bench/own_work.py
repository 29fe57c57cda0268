# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The modules' own work: fifty NAT networks with DHCP, without Ansible, SSH, the start of Python and its imports.

The modules that the role runs, with the same options and in the same order, run on the host in one Python that has imported
them; their times are added. Against that stand the tools that do the work, given the very files that the modules have written:
one `ip -batch`, one `nft -f`, one `systemctl start` of all DHCP servers. What the modules do besides is their own: they check
the options, read the host before and after, write the files (each with fsync), set sysctls, and enable the services for the
next boot. A second table has each part by itself, of the same runs.
"""

from __future__ import annotations

from functools import partial

from lab import Host

from . import profiles
from .harness import Bench, Goal
from .hosts import bed
from .modules import Modules

OURS, FLOOR, ENABLED = "the modules", "ip -batch, nft -f, systemctl start", "the same with systemctl enable --now"
_KEPT = "/root/kept"
Parts = dict[str, list[float]]


def run(bench: Bench) -> None:
    count = bench.size(50, 2)
    with bed("own-work", {"host": "trixie"}) as made:
        host = made.hosts["host"]
        modules = Modules(host)
        tasks = profiles.making(profiles.networks(count))
        modules.run(tasks)
        host.run(f"mkdir {_KEPT} && cp -a /etc/vmnet {_KEPT} && cp -a /etc/systemd/system/vmnet* {_KEPT}")
        modules.run(profiles.removing())
        parts: Parts = {}
        bench.compare(
            "all",
            f"{count} networks, the work without Ansible and Python's start",
            {
                FLOOR: partial(floor, host, modules, count, "start", parts),
                ENABLED: partial(floor, host, modules, count, "enable --now", {}),
                OURS: partial(ours, modules, tasks, parts),
            },
            goals=[Goal(OURS, FLOOR, 1.5)],
        )
        bench.also("parts", f"{count} networks, part by part", parts)


def ours(modules: Modules, tasks: profiles.Tasks, parts: Parts) -> float:
    done = modules.run(tasks)
    note(parts, {f"module {module}": ran.seconds for (module, _options), ran in zip(tasks, done, strict=True)})
    again = modules.run(tasks)
    assert not any(ran.changed for ran in again), "a second run has changed something"
    modules.run(profiles.removing())
    return sum(ran.seconds for ran in done)


def floor(host: Host, modules: Modules, count: int, verb: str, parts: Parts) -> float:
    units = " ".join(f"vmnet-dhcp@vn{number}" for number in range(count))
    commands = {
        "ip -batch": "ip -batch /etc/vmnet/nat/bridges.batch",
        "nft -f": "cat /etc/vmnet/program.nft /etc/vmnet/nat/*.nft | nft -f -",
        f"systemctl {verb}": f"systemctl {verb} --quiet {units}",
    }
    host.run(f"cp -a {_KEPT}/vmnet /etc/vmnet && cp -a {_KEPT}/vmnet*.service /etc/systemd/system")
    host.run("systemctl daemon-reload")
    done = modules.run([(command,) for command in commands.values()])
    note(parts, {name: ran.seconds for name, ran in zip(commands, done, strict=True)})
    modules.run(profiles.removing())  # it is all ours, whoever has made it
    return sum(ran.seconds for ran in done)


def note(parts: Parts, found: dict[str, float]) -> None:
    for name, took in found.items():
        parts.setdefault(name, []).append(took)
