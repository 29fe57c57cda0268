# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as one thing to read and to write: each kind of resource goes to its backend, in an order that is safe at any point."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from fnmatch import fnmatch

from .._model import layout
from .._model.coexist import Grant
from .._model.dhcp import ChecksumFix, Daemon, HeldLease, Leases
from .._model.errors import HostError
from .._model.links import Bridge, Tap
from .._model.resource import File, Interface, Key, State, Sysctl, by_key
from .._model.ruleset import Counter, Element, Program
from .._plan import boot
from .._plan.core import Plan
from .._render.dnsmasq import NAMES
from .._render.sysctls import parse as parse_sysctls
from . import (
    addresses,
    daemons,
    dnsmasq,
    files,
    leases,
    links,
    nft,
    sockets,
    sysctl,
    systemd,
    tc,
    unmanaged,
)

_UNITS = (layout.SERVICE, layout.WATCH_SOCKET)
_FILES = (
    *layout.ROOTS,
    layout.SYSCTLS,
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


def read(kinds: Iterable[str], sysctls: Iterable[str] = ()) -> State:
    """The current state, of files and the units of all networks always, and of the other kinds as asked for: ``service``,
    ``link``, ``element`` (and what was counted), ``interface``, ``address``, ``socket``, ``grant``, ``station``, ``leases``."""
    kinds = set(kinds)
    found = files.read(_FILES)
    state = by_key(found)
    if systemd.is_running():
        names = list(_UNITS)
        if "service" in kinds:
            networks = {
                os.path.basename(os.path.dirname(f.name)) for f in found if f.name.startswith(f"{layout.DHCP}/")
            }
            names += [*map(layout.dhcp_unit, sorted(networks)), layout.dhcp_unit("*")]
        units = systemd.read(names)
        state.update(by_key(map(dnsmasq.with_loaded, units)))
    if "link" in kinds:
        state.update(by_key([*links.read(), *unmanaged.read()]))
    # What few modules use, and is long, is only imported where it is used: each run of a module compiles all it imports.
    if "station" in kinds:
        from . import uplinks

        state.update(by_key(uplinks.read()))
    if "element" in kinds:
        state.update(by_key(nft.read()))
        recorded = state.get(Key(File.kind, layout.SYSCTLS))
        ours = parse_sysctls(recorded.text) if isinstance(recorded, File) else {}
        state.update(by_key(sysctl.read(dict.fromkeys([*sysctl.default_routers(), *sysctls, *ours]))))
    if "address" in kinds:
        state.update(by_key(addresses.read()))
    if "interface" in kinds:
        state.update(by_key(Interface(name) for _index, name in socket.if_nameindex()))
    if "socket" in kinds:
        state.update(by_key(sockets.read()))
    if "grant" in kinds:
        from . import neighbours

        state.update(by_key(neighbours.read()))
    if "leases" in kinds:
        state.update(by_key(leases.read()))
        state.update(by_key(daemons.read()))
        fixed = [f.name for f in found if os.path.basename(f.name) == NAMES.checksum]
        state.update(by_key(tc.read(os.path.basename(os.path.dirname(path)) for path in fixed)))
    return state


def require_features(plan: Plan) -> None:
    """Raises HostError for what this kernel cannot do; no other task is going to change that."""
    links.require_features(plan)


def apply(plan: Plan) -> None:
    """Services stop before what they use goes, the filter stands before anything may forward, and services start last, but for those of
    boot on a host that has nothing of ours yet."""
    if systemd.is_running():
        systemd.stop(plan)
        plan = _start_what_boots(plan)
    texts = plan.only(File.kind)
    put = [new for _old, new in texts.pairs() if isinstance(new, File)]
    daemons.stop(plan.only(Daemon.kind))
    leases.release(plan.only(HeldLease.kind))
    leases.remove(plan.only(Leases.kind))
    tc.remove(plan.only(ChecksumFix.kind))
    # What we are about to make, and what parameters were, is written down first: a run that is killed must not forget it.
    # The packet filter is the other way round: what nft refuses must not be there at the next boot.
    for file in filter(_is_written_first, put):
        files.write(file)
    unmanaged.tell(plan)
    if plan.only(Bridge.kind, Tap.kind):
        links.apply(plan.only(Bridge.kind, Tap.kind))
    if plan.only(Element.kind, Program.kind):
        nft.apply(plan.only(Element.kind, Program.kind, Counter.kind))
    sysctl.apply(plan.only(Sysctl.kind))
    tc.add(plan.only(ChecksumFix.kind))
    for file in put:
        if not _is_written_first(file):
            files.write(file)
    for resource in texts.removed:
        if isinstance(resource, File):
            files.remove(resource)
    unmanaged.tell(plan)
    if any(
        key.kind == Grant.kind or key.name.startswith(f"{layout.FIREWALLD}/") for key in {**plan.before, **plan.after}
    ):
        from . import neighbours

        neighbours.apply(plan)
    sweep()
    if systemd.is_running():
        systemd.start(plan)
    daemons.start(plan.only(Daemon.kind))


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


def sweep() -> None:
    """Empty directories of ours, and what a run that was killed has left unfinished."""
    files.sweep(_FILES)
    leases.sweep()


def _is_written_first(file: File) -> bool:
    told_to_managers = any(fnmatch(file.name, pattern) for pattern in layout.UNMANAGED)
    return file.name.endswith(".batch") or file.name == layout.SYSCTLS or told_to_managers
