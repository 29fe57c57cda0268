# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as one thing to read and to write: its parts have backends, which are called in an order that is safe at any point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Optional

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, Key, Resource, State, by_key
from .._plan import boot
from .._plan.core import Plan
from .._render import sysctls
from . import files, systemd
from .backend import Backend

_UNITS = (layout.SERVICE, layout.WATCH_SOCKET)
_FILES = (
    *layout.ROOTS,
    layout.SYSCTLS[layout.PERSISTENT],
    *map(layout.unit_file, (*_UNITS, layout.WATCH_SERVICE, layout.DHCP_SERVICE)),
    layout.AFTER_MANAGERS,
    *layout.UNMANAGED,
)


def require_root() -> None:
    if os.geteuid() != 0:
        raise HostError("this module manages the host's network and needs to be root there; set become: true")


def machine_id() -> str:
    """Something that tells this host from all others and stays (machine-id(5)), or its name where it has none."""
    try:
        with open("/etc/machine-id", encoding="ascii") as stream:
            return stream.read().strip() or os.uname().nodename
    except OSError:
        return os.uname().nodename


def read(backends: Sequence[Backend]) -> State:
    """The current state: files, the units of boot, and what the backends know."""
    state = by_key(files.read(_FILES))
    if systemd.is_running():
        names = [name for backend in backends for name in backend.units]
        state.update(by_key(systemd.read([*_UNITS, *names])))
    for backend in backends:
        state.update(by_key(backend.read(state)))
    return state


def require_features(plan: Plan, backends: Sequence[Backend]) -> None:
    """Raises HostError for what this kernel cannot do; no other task is going to change that."""
    for backend in backends:
        backend.require_features(plan)


def apply(plan: Plan, backends: Sequence[Backend]) -> None:
    """In an order in which a run may be killed at any point.

    Services stop before what they use goes, and start last, but for those of boot on a host that has nothing of ours yet. What we are
    about to make is written down first; what the packet filter is to have, when nft has taken it. What forwards needs the filter, now
    and at the next boot: parameters are the first to go and the last to come, and what they were is remembered all the while.
    """
    parameters = plan.part(_is_of_parameters)
    for old, new in parameters.pairs():
        _write_while_changed(old, new)
    try:
        if systemd.is_running():
            systemd.stop(plan)
            plan = _start_what_boots(plan)
        for backend in backends:
            backend.stop(plan)
        texts = plan.part(lambda key: key.kind == File.kind and not _is_of_parameters(key))
        _write(texts.part(lambda key: key in texts.after and _is_written_first(key)))
        for backend in backends:
            backend.apply(plan)
    except HostError:
        # None that comes is set yet, and those that were given up are set again.
        _write(Plan(parameters.after, parameters.before))
        raise
    _write(texts.part(lambda key: key not in texts.after or not _is_written_first(key)))
    for backend in backends:
        backend.settle(plan)
    _write(parameters)
    sweep(backends)
    if systemd.is_running():
        systemd.start(plan)
    for backend in backends:
        backend.start(plan)


def _start_what_boots(plan: Plan) -> Plan:
    """Starts the services of boot where nothing is recorded yet. Returns the rest of the plan.

    Should the run fail after that, they stay, with nothing to do, until a run succeeds or has everything absent.
    """
    service, rest = boot.apart(plan)
    _write(service.only(File.kind))
    systemd.start(service)
    return rest


def sweep(backends: Sequence[Backend]) -> None:
    """Empty directories of ours, and what a run that was killed has left unfinished."""
    files.sweep(_FILES)
    for backend in backends:
        backend.sweep()


def _write(texts: Plan) -> None:
    for _old, new in texts.pairs():
        if isinstance(new, File):
            files.write(new)
    for old in texts.removed:
        if isinstance(old, File):
            files.remove(old)


def _write_while_changed(old: Optional[Resource], new: Optional[Resource]) -> None:
    texts = [file.text if isinstance(file, File) else "" for file in (old, new)]
    file = new or old
    if isinstance(file, File):
        files.write(replace(file, text=sysctls.while_changed(*texts)))


def _is_written_first(key: Key) -> bool:
    told_to_managers = any(fnmatch(key.name, pattern) for pattern in layout.UNMANAGED)
    return key.name.endswith(".batch") or told_to_managers


def _is_of_parameters(key: Key) -> bool:
    return key.kind == File.kind and key.name in layout.SYSCTLS.values()
