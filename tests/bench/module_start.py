# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module run costs before it does anything: each module with an empty list, beside Ansible's ping, in one play.

SSH, the payload on its way, the start of Python, and all that is imported. A role is one to three of these.
"""

from __future__ import annotations

from statistics import median

from .harness import Bench
from .hosts import bed, tasks_times
from .profiles import KINDS

PING = "ansible.builtin.ping"
EMPTY: dict[str, dict[str, object]] = {
    "coexist": {"networks": []},
    "policies": {"policies": []},
    "nat": {"nat": []},
    "bridges": {"bridges": []},
    "taps": {"taps": []},
    "port_forwards": {"port_forwards": []},
    "dhcp": {"dhcp": []},
    "uplinks": {"uplinks": []},
    "resources": {"networks": [], **{kind: [] for kind in KINDS}},
}


def run(bench: Bench) -> None:
    tasks: list[dict[str, object]] = [{"name": PING, PING: {}}]
    tasks += [{"name": module, f"tapestry.vmnet.{module}": options} for module, options in EMPTY.items()]
    samples: dict[str, list[float]] = {str(task["name"]): [] for task in tasks}
    with bed("module-start", {"host": "trixie"}) as made:
        for _turn in range(bench.size(4, 1) * bench.repeat):
            # The first task of a play pays for the connection.
            for task, seconds in zip(tasks, tasks_times(made, [tasks[0], *tasks])[1:], strict=True):
                samples[str(task["name"])].append(seconds)
    found = bench.also("empty", "A task with nothing to do", samples)
    ours = [each.median for name, each in found.figures.items() if name != PING]
    found.notes.append(f"The median of this collection's is {median(ours) / found.figures[PING].median:.2f} of a ping.")
