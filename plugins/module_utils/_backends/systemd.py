# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: one ``systemctl`` call for each kind of action; very many are started by some calls after each other."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, Unit
from .._plan.core import Plan
from .command import find, run

_RUNTIME_UNITS = "/run/systemd/system"
_ACTIVE = ("active", "reloading", "activating")
# Services to start by one call. With five hundred of ours, systemd takes a fifth longer for each than with one hundred.
_AT_ONCE = 100


def is_running() -> bool:
    """Whether systemd is this host's service manager (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def read(patterns: Sequence[str]) -> list[Unit]:
    """Those of the units that are enabled or active. Any number of instances takes one look at the disk and two at systemd.

    ``systemctl show`` takes its time for each unit, so it is asked about one for each unit file, which is loaded for all of its
    instances at the same time; what runs is in a list. A drop-in that somebody has given one instance is not looked for.
    """
    listed = run([_systemctl(), "list-units", "--plain", "--full", "--no-legend", "--", *patterns]).stdout
    states = {words[0]: words[2] for words in map(str.split, listed.splitlines())}
    active = {name for name, state in states.items() if state in _ACTIVE}
    wanted = {os.path.basename(link) for p in patterns for link in glob.glob(layout.unit_file(f"*.wants/{p}"))}
    enabled = {name for name in wanted if not _is_masked(name)}
    # One that runs is asked about rather than one that systemd need not have loaded.
    examples = {_unit_file_of(name): name for names in (enabled, active) for name in sorted(names)}
    stale = _stale(examples.values()) if examples else set()
    names = sorted(active | enabled)
    return [Unit(name, name in enabled, name in active, _unit_file_of(name) not in stale) for name in names]


def _stale(names: Iterable[str]) -> set[str]:
    """Of the unit files of these units those that systemd has not loaded as they are on disk."""
    shown = run([_systemctl(), "show", "--property=Id,NeedDaemonReload", "--", *names]).stdout
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.strip().split("\n\n")]
    return {_unit_file_of(of["Id"]) for of in blocks if of.get("NeedDaemonReload") == "yes"}


def _is_masked(name: str) -> bool:
    """Whether nobody can start it; links that enable it stay."""
    return any(os.path.realpath(f"{directory}/{name}") == os.devnull for directory in (layout.UNITS, _RUNTIME_UNITS))


def _unit_file_of(name: str) -> str:
    """That of an instance is its template (systemd.unit(5))."""
    prefix, at, instance = name.partition("@")
    return f"{prefix}{at}.{instance.rpartition('.')[2]}" if at else name


def stop(plan: Plan) -> None:
    """Before anything else changes: what is to be gone is stopped while its files are still there."""
    gone = [unit for unit in plan.only(Unit.kind).removed if isinstance(unit, Unit)]
    if not gone:
        return
    names = [unit.name for unit in gone]
    # With a reload: what nothing wants any more systemd forgets when it is stopped, also if this run ends here.
    run([_systemctl(), "disable", "--quiet", "--", *names])
    active = [unit.name for unit in gone if unit.active]
    if active:  # systemd does not know those that are only enabled and whose files somebody has removed
        run([_systemctl(), "stop", "--", *active])
    run([_systemctl(), "reset-failed", "--", *names], check=False)  # fails for those that had not failed


def start(plan: Plan) -> None:
    """After the files are in place. What changed on disk is enabled, loaded, and started, restarted or reloaded."""
    wanted = [(old, new) for old, new in plan.only(Unit.kind).pairs() if isinstance(new, Unit)]
    enable = [new for old, new in wanted if new.enabled and not getattr(old, "enabled", False)]
    disable = [new for old, new in wanted if not new.enabled and getattr(old, "enabled", False)]
    _systemctl_all("enable", enable, "--no-reload")
    _systemctl_all("disable", disable, "--no-reload")
    due = [(old, new) for old, new in wanted if new.active and not _runs_so(old, new)]
    reload = [new for old, new in due if isinstance(old, Unit) and _takes_reload(old, new)]
    restart = [(old, new) for old, new in due if new not in reload]
    stale = any(isinstance(old, Unit) and not old.current for old, _new in wanted)
    files = any(_is_unit_file(old or new) for old, new in plan.only(File.kind).pairs())
    # From version 255 on, nothing is current to systemd when any unit was enabled or disabled. What runs and is restarted
    # may be so because its unit file has changed in a run that was killed.
    if enable or disable or stale or files or any(old for old, _new in restart):
        run([_systemctl(), "daemon-reload"])
    _systemctl_all("restart", [new for _old, new in restart], at_once=_AT_ONCE)
    _systemctl_all("reload", reload)


def _runs_so(old: object, new: Unit) -> bool:
    """Whether all that changes is what happens at boot, or what systemd has loaded.

    What a DHCP server runs with it has noted itself. A socket takes no reload, and nobody likes a restart for nothing.
    """
    return isinstance(old, Unit) and replace(old, enabled=new.enabled, current=new.current) == new


def _takes_reload(old: Unit, new: Unit) -> bool:
    """Whether the process can stay: it runs, and only what it reads again has changed."""
    return replace(old, enabled=new.enabled, current=new.current, reloaded_with=new.reloaded_with) == new


def _systemctl_all(verb: str, units: list[Unit], *options: str, at_once: int = 0) -> None:
    """By calls with so many units each, or by one. Raises HostError with the last words of the units that failed, after all calls."""
    names = [unit.name for unit in units]
    size = at_once or max(len(names), 1)
    said = []
    for first in range(0, len(names), size):
        result = run([_systemctl(), verb, *options, "--", *names[first : first + size]], check=False)
        if result.returncode != 0:
            said.append(result.stderr.strip())
    if said:
        raise HostError("\n".join([*said, _why(names)]))


def _why(names: list[str]) -> str:
    """The last words of the units that failed, of their processes too, which ``systemctl status`` leaves out."""
    failed = [unit for unit in names if run([_systemctl(), "is-active", "--quiet", unit], check=False).returncode != 0]
    journal = find("journalctl", "systemd")
    run([journal, "--sync"], check=False)  # what was said last may still be on its way
    units = [f"--unit={unit}" for unit in failed[:3]]
    shown = run([journal, "--no-pager", "--output=cat", "--lines=12", *units], check=False) if units else None
    return shown.stdout.strip() if shown else ""


def _is_unit_file(resource: object) -> bool:
    return isinstance(resource, File) and resource.name.startswith(f"{layout.UNITS}/")


def _systemctl() -> str:
    return find("systemctl", "systemd")
