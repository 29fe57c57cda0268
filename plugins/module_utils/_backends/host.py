# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as one thing to read and to write: each kind of resource goes to its backend, in an order that is safe at any point."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .._model import layout
from .._model.dhcp import Leases
from .._model.errors import HostError
from .._model.links import Bridge, Tap
from .._model.resource import File, Key, State, Sysctl, by_key
from .._model.ruleset import Element, Program
from .._plan.core import Plan
from .._render.sysctls import parse as parse_sysctls
from . import conntrack, dnsmasq, files, links, nft, sysctl, systemd

_FILES = (*layout.ROOTS, layout.SYSCTLS, layout.unit_file(layout.SERVICE), layout.unit_file(layout.DHCP_SERVICE))


def require_root() -> None:
    if os.geteuid() != 0:
        raise HostError("this module manages the host's network and needs to be root there; set become: true")


def machine_id() -> str:
    """Something that tells this host from all others and stays (machine-id(5)), or its name where it has none."""
    try:
        with open("/etc/machine-id", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return os.uname().nodename


def read(kinds: Iterable[str], sysctls: Iterable[str] = ()) -> State:
    """The current state, of files and units always, and of the other kinds as asked for: ``link``, ``element``, ``leases``."""
    kinds = set(kinds)
    found = files.read(_FILES)
    state = by_key(found)
    if systemd.is_running():
        networks = {os.path.basename(os.path.dirname(f.name)) for f in found if f.name.startswith(f"{layout.DHCP}/")}
        servers = {layout.dhcp_unit(network): network for network in sorted(networks)}
        units = systemd.read([layout.SERVICE, *servers])
        state.update(by_key(dnsmasq.with_loaded(u, servers[u.name]) if u.name in servers else u for u in units))
    if "link" in kinds:
        state.update(by_key(links.read()))
    if "element" in kinds:
        state.update(by_key(nft.read()))
        recorded = state.get(Key(File.kind, layout.SYSCTLS))
        ours = parse_sysctls(recorded.text) if isinstance(recorded, File) else {}
        state.update(by_key(sysctl.read(dict.fromkeys([*sysctl.default_routers(), *sysctls, *ours]))))
    if "leases" in kinds:
        state.update(by_key(dnsmasq.read_leases()))
    return state


def apply(plan: Plan) -> None:
    """Services stop before what they use goes, the filter stands before anything may forward, and services start last."""
    if systemd.is_running():
        systemd.stop(plan)
    dnsmasq.remove_leases(plan.only(Leases.kind))
    # What we are about to make is written down first: a link that lost its mark to a killed run is still known to be ours.
    # The packet filter is the other way round: what nft refuses must not be there at the next boot.
    files.write_all(plan, only=layout.LINK_RECORDS)
    if plan.only(Bridge.kind, Tap.kind):
        links.apply(plan.only(Bridge.kind, Tap.kind))
    if plan.only(Element.kind, Program.kind):
        nft.apply(plan.only(Element.kind, Program.kind))
        conntrack.forget(plan.only(Element.kind))
    sysctl.apply(plan.only(Sysctl.kind))
    files.write_all(plan)
    files.remove_all(plan)
    if systemd.is_running():
        systemd.start(plan)
