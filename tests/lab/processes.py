# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Background processes of a bed.

Each bed has a control group, and every background process is born in it. So `down` ends everything by one write
to cgroup.kill, whatever forked from what, and two machines never manage the same group (`systemd-nspawn --keep-unit`
makes its `payload` group inside the group it is started in: without one of its own, a machine's systemd would kill
the other machine's processes).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .command import LabError
from .state import Process, State
from .waiting import wait_for

_CGROUP_PARENT = "vmnet-lab"


def start_time(pid: int) -> int | None:
    """Start of the process in clock ticks since boot; None when there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process: Process) -> bool:
    return start_time(process.pid) == process.started


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def spawn(
    state: State,
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    cgroup: str = "",
    env: dict[str, str] | None = None,
) -> Process:
    """Start `argv` in the background in the bed's control group (in `cgroup` below it) and register it as `name`."""
    group = cgroup_of(state.bed) / cgroup
    group.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(group / "cgroup.procs"), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=env,
        )
    child.returncode = 0  # it outlives this process on purpose; `reap` takes its status
    started = start_time(child.pid)
    process = Process(child.pid, started if started is not None else 0)
    with state.change() as record:
        record.processes[name] = process
    return process


def stop(process: Process, *, first: signal.Signals = signal.SIGTERM, timeout: float = 5) -> None:
    """End the process: `first` and, when it has not gone after `timeout` seconds, SIGKILL."""
    for number, patience in ((first, timeout), (signal.SIGKILL, 5.0)):
        if not alive(process):
            break
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while alive(process) and time.monotonic() < deadline:
            time.sleep(0.01)
    reap(process.pid)
    if alive(process):
        raise LabError(f"process {process.pid}: does not end")


def reap(pid: int) -> None:
    """Take the exit status of our own child, if it is one, so that no zombie stays."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def cgroup_of(bed: str) -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, mount_point, kind, *_rest = line.split()
        if kind == "cgroup2":
            return Path(mount_point) / _CGROUP_PARENT / bed
    raise LabError("no cgroup2 file system is mounted here; the hosts' systemd needs one")


def kill_all(bed: str, cgroup: str = "") -> None:
    """End every process of the bed (or of one group in it) at once, and remove the control group."""
    group = cgroup_of(bed) / cgroup
    if not group.exists():
        return
    for _attempt in range(200):
        (group / "cgroup.kill").write_text("1")
        if "populated 0" in (group / "cgroup.events").read_text():
            break
        time.sleep(0.02)
    for tree in (group, *mirrored_groups(bed, cgroup)):
        below = sorted((path for path in tree.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for path in [*below, tree]:
            wait_for(f"control group {path} removed", partial(_rmdir, path), timeout=5)
        if not cgroup:
            _rmdir(tree.parent)  # unless another bed is there


def mirrored_groups(bed: str, cgroup: str = "") -> list[Path]:
    """Where cgroup v1 is mounted beside v2, systemd-nspawn repeats its control group there, and leaves it behind, empty."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    parent = cgroup_of(bed).parent.name
    groups = [Path(mount[1], parent, bed, cgroup) for mount in mounts if mount[2] == "cgroup"]
    return [group for group in groups if group.exists()]


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
