# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq as a plain daemon, where no service manager runs it. The script for boot is what starts it here, too."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import Optional

from .._model import layout
from .._model.dhcp import Daemon, fingerprint
from .._model.errors import HostError
from .._plan.core import Plan
from .._render.dnsmasq import NAMES
from . import files
from .command import run

PATIENCE = 10.0  # seconds for a process to end


def read() -> list[Daemon]:
    """Those that run, units aside."""
    names = os.listdir(layout.DHCP_LOADED) if os.path.isdir(layout.DHCP_LOADED) else []
    running = [(bridge, pid) for bridge in sorted(names) if (pid := _pid(bridge))]
    return [_with_loaded(bridge) for bridge, pid in running if not _is_of_a_unit(bridge, pid)]


def stop(plan: Plan) -> None:
    for daemon in plan.removed:
        _end(daemon.name)
        files.remove_tree(f"{layout.DHCP_LOADED}/{daemon.name}")
        files.remove_if_empty(layout.DHCP_LOADED)


def start(plan: Plan) -> None:
    """Start, restart or reload what has changed. Raises HostError with what dnsmasq said."""
    for old, new in plan.pairs():
        if not isinstance(new, Daemon):
            continue
        if isinstance(old, Daemon) and old.started_with == new.started_with:
            for name in NAMES.live:
                shutil.copyfile(f"{layout.DHCP}/{new.name}/{name}", f"{layout.DHCP_LOADED}/{new.name}/{name}")
            pid = _pid(new.name)
            if pid:
                os.kill(pid, signal.SIGHUP)
            continue
        _end(new.name)
        started = run([layout.RESTORE, "dhcp", new.name], check=False)
        if started.returncode != 0 or not _pid(new.name):
            raise HostError(f"dnsmasq of {new.name} does not start: {started.stderr.strip()}")


def _with_loaded(bridge: str) -> Daemon:
    read_back = {name: files.read_foreign(f"{layout.DHCP_LOADED}/{bridge}/{name}") for name in NAMES}
    return Daemon(
        bridge,
        started_with=fingerprint("", read_back[NAMES.conf]),
        reloaded_with=fingerprint(*(read_back[name] for name in NAMES.live)),
    )


def _end(bridge: str) -> None:
    pid = _pid(bridge)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while _pid(bridge) == pid:
        if time.monotonic() > deadline:
            raise HostError(f"dnsmasq of {bridge}, process {pid}, does not end")
        time.sleep(0.02)


def _pid(bridge: str) -> Optional[int]:
    """The process that serves a network, if it runs."""
    text = files.read_foreign(f"{layout.DHCP_LOADED}/{bridge}/pid").strip()
    if not text.isdigit():
        return None
    command = files.read_foreign(f"/proc/{text}/cmdline").split("\0")
    return int(text) if f"--conf-file={layout.DHCP}/{bridge}/{NAMES.conf}" in command else None


def _is_of_a_unit(bridge: str, pid: int) -> bool:
    """Whether systemd has started it, by its control group (cgroups(7))."""
    return layout.dhcp_unit(bridge) in files.read_foreign(f"/proc/{pid}/cgroup")
