# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as one thing to read and to write: its parts have backends, which are called in an order that is safe at any point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from itertools import filterfalse
from typing import Callable

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, State, by_key
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
        names = [name for backend in backends for name in backend.units(state)]
        state.update(by_key(systemd.read([*_UNITS, *names])))
    for backend in backends:
        state.update(by_key(backend.read(state)))
    return state


def require_features(plan: Plan, backends: Sequence[Backend]) -> None:
    """Raises HostError for what this kernel cannot do; no other task is going to change that."""
    for backend in backends:
        backend.require_features(plan)


def apply(plan: Plan, backends: Sequence[Backend]) -> None:
    """Services stop before what they use goes, the filter stands before anything may forward, and services start last, but for those of
    boot on a host that has nothing of ours yet."""
    if systemd.is_running():
        systemd.stop(plan)
        plan = _start_what_boots(plan)
    for backend in backends:
        backend.stop(plan)
    _write(plan, backends)
    for backend in backends:
        backend.settle(plan)
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
    for _old, new in service.only(File.kind).pairs():
        if isinstance(new, File):
            files.write(new)
    systemd.start(service)
    return rest


def sweep(backends: Sequence[Backend]) -> None:
    """Empty directories of ours, and what a run that was killed has left unfinished."""
    files.sweep(_FILES)
    for backend in backends:
        backend.sweep()


def _write(plan: Plan, backends: Sequence[Backend]) -> None:
    """Files, and what backends make of the kernel between them, so that a run may be killed at any point.

    What we are about to make, and what parameters were, is written down first: it must not be forgotten. The packet filter is the
    other way round: what nft refuses must not be there at the next boot. And no boot forwards what it does not filter: parameters go
    before the files of the filter change, and come after.
    """
    texts = plan.only(File.kind)
    put = [new for _old, new in texts.pairs() if isinstance(new, File)]
    gone = [old for old in texts.removed if isinstance(old, File)]
    parameters, others = list(filter(_is_of_parameters, put)), list(filterfalse(_is_of_parameters, put))
    written: dict[str, File] = {}

    def write(file: File) -> None:
        if written.get(file.name) != file:
            files.write(file)
            written[file.name] = file

    def write_parameters(stage: Callable[[str, str], str]) -> None:
        for file in parameters:
            write(replace(file, text=stage(boot.text_of(plan.before, file.name), file.text)))

    for file in filter(_is_written_first, others):
        write(file)
    write_parameters(sysctls.before_change)
    for backend in backends:
        backend.apply(plan)
    write_parameters(sysctls.after_change)
    for file in filter(_is_of_parameters, gone):
        files.remove(file)
    for file in others:
        write(file)
    for file in filterfalse(_is_of_parameters, gone):
        files.remove(file)
    for file in parameters:
        write(file)


def _is_written_first(file: File) -> bool:
    told_to_managers = any(fnmatch(file.name, pattern) for pattern in layout.UNMANAGED)
    return file.name.endswith(".batch") or told_to_managers


def _is_of_parameters(file: File) -> bool:
    return file.name in layout.SYSCTLS.values()
