# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bed can leave on this machine."""

from __future__ import annotations

from pathlib import Path

from lab.bed import Bed
from lab.command import run
from lab.processes import cgroup_of, mirrored_groups


def leftovers(bed: Bed) -> list[str]:
    """Everything of the bed that is still there: nothing, once it is down."""
    directory, group = bed.state.directory, cgroup_of(bed.name)
    namespaces = [line.split()[0] for line in run(["ip", "netns"]).lines]
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    # SSH connections that Ansible shares are in no control group.
    sockets = run(["ps", "-eo", "pid,args"]).lines
    return [
        *(f"namespace {name}" for name in namespaces if name.startswith(f"vmnet-{bed.name}-")),
        *(f"mount {mount}" for mount in mounts if mount.startswith(f"{directory}/")),
        *(f"process {line.strip()}" for line in sockets if f"{directory}/cp/" in line),
        *(f"{path}" for path in (directory, group, *mirrored_groups(bed.name)) if path.exists()),
    ]
