# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP and DNS services: from the entries to the files and units that a host will have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional, TypeVar

from .._model import layout
from .._model.dhcp import Daemon, DhcpNetwork, HeldLease, Leases, Reservation, fingerprint
from .._model.errors import HostError
from .._model.lease import Lease
from .._model.links import ChecksumFix
from .._model.resource import File, Key, Resource, State, Unit
from .._render import dhcp_unit, dnsmasq
from .._render.dnsmasq import Files
from . import boot
from .core import Plan, Request

Server = TypeVar("Server", Unit, Daemon)
TEMPLATE = layout.unit_file(layout.DHCP_SERVICE)


def plan_dhcp(request: Request, host: State) -> Plan:
    """Raises HostError for a network that another scope has."""
    before: dict[Key, Resource] = {
        key: r for key, r in host.items() if isinstance(r, (File, Unit, Daemon, Leases, ChecksumFix))
    }
    after = dict(before)
    owners = networks(host)
    named = {entry.bridge: entry for entry in request.entries}
    for bridge in named:
        if owners.get(bridge) not in (None, request.scope):
            raise HostError(
                f"{request.at(bridge)}.bridge: {bridge} belongs to the scope {owners[bridge]}, this run is for {request.scope}"
            )

    for bridge, scope in owners.items():
        purged = request.purge or bridge in request.purge_bridges
        if purged and scope == request.scope and bridge not in named:
            _remove(after, bridge)
    for bridge, entry in named.items():
        if request.present:
            before.update(_taken_back(entry, host))
            _put(after, request, entry)
        else:
            _remove(after, bridge)

    for running in [r for r in after.values() if isinstance(r, (Unit, Daemon))]:
        bridge = layout.dhcp_network(running.name) if isinstance(running, Unit) else running.name
        # Somebody has taken the files from under it; nobody can tell any more whose it was.
        if bridge and bridge not in owners and bridge not in named and request.purge:
            _remove(after, bridge)

    left = networks(after)
    by_systemd = [bridge for bridge in left if not _is_daemon(request, after, bridge, bridge in named)]
    boot.put_file(after, TEMPLATE, dhcp_unit.UNIT if by_systemd else "")
    for bridge in left:
        unit, daemon = Key(Unit.kind, layout.dhcp_unit(bridge)), Key(Daemon.kind, bridge)
        if bridge in named:
            after.pop(daemon if bridge in by_systemd else unit, None)
            _run(after, request, named[bridge], bridge in by_systemd)
        # A server that is not of this run is left as it is, but one that runs has to take what is on disk.
        runs, daemon_runs = after.get(unit), after.get(daemon)
        if isinstance(runs, Unit) and runs.active:
            after[unit] = loaded(runs, after, bridge)
        if isinstance(daemon_runs, Daemon):
            after[daemon] = loaded(daemon_runs, after, bridge)
    return boot.complete(request, before, after)


def _put(after: dict[Key, Resource], request: Request, entry: DhcpNetwork) -> None:
    """The files of a network, and the filter on its bridge."""
    for path, text in zip(dnsmasq.paths(entry.bridge), dnsmasq.render(entry, request.scope)):
        boot.put_file(after, path, text)
    starts = not request.systemd and request.persistent and entry.autostart
    boot.put_file(after, _autostart(entry.bridge), f"{dnsmasq.MARK}{request.scope}\n" if starts else "")
    fix = ChecksumFix(entry.bridge)
    if entry.checksum_fix == "tc":
        after[fix.key] = fix
    else:
        after.pop(fix.key, None)


def _run(after: dict[Key, Resource], request: Request, entry: DhcpNetwork, systemd: bool) -> None:
    server: Resource = Daemon(entry.bridge)
    if systemd:
        server = Unit(layout.dhcp_unit(entry.bridge), enabled=request.persistent and entry.autostart, active=True)
    after[server.key] = server


def _is_daemon(request: Request, state: State, bridge: str, named: bool) -> bool:
    """Whether no service manager runs the server of a network."""
    if named:
        return not request.systemd
    return Key(Daemon.kind, bridge) in state or Key(File.kind, _autostart(bridge)) in state


def _autostart(bridge: str) -> str:
    return f"{layout.DHCP}/{bridge}/{dnsmasq.AUTOSTART}"


def _taken_back(entry: DhcpNetwork, host: State) -> dict[Key, Resource]:
    """The leases that guests have by reservations that are about to go.

    They are in the state before and not in the one after; all others are in neither, because they come and go by themselves.
    """
    held = [r for r in host.values() if isinstance(r, HeldLease) and r.bridge == entry.bridge]
    old = _network(entry.bridge, host) if held else None
    if not old:
        return {}
    found: dict[Key, Resource] = {}
    for lease in held:
        was = next((r for r in old.reservations if _is_of(lease.lease, r)), None)
        now = next((r for r in entry.reservations if _is_of(lease.lease, r)), None)
        address = lease.lease.address
        if was and (now is None or (address in was.addresses and address not in now.addresses)):
            server = next((own.ip for own in old.addresses if address in own.network), None)
            found[lease.key] = replace(lease, server=server)
    return found


def _is_of(lease: Lease, reservation: Reservation) -> bool:
    """Whether it is the guest of the reservation that has the lease. That of DHCPv6 does not tell the MAC address."""
    known_by = ((lease.mac, reservation.mac), (lease.client_id, reservation.client_id), (lease.duid, reservation.duid))
    if any(has is not None and has == wanted for has, wanted in known_by):
        return True
    return lease.address.version == 6 and not reservation.duid and lease.address in reservation.addresses


def _network(bridge: str, state: State) -> Optional[DhcpNetwork]:
    """What the files of a network say; None if it has none, or others than we write."""
    files = Files(*(boot.text_of(state, path) for path in dnsmasq.paths(bridge)))
    if not files.conf or not all(files.live):
        return None
    try:
        return dnsmasq.parse(bridge, files)
    except (ValueError, LookupError):
        return None


def networks(state: Mapping[Key, Resource]) -> dict[str, Optional[str]]:
    """The networks that have files, and the scope of each. Any of its files says so."""
    found: dict[str, Optional[str]] = {}
    for key, r in state.items():
        directory = os.path.dirname(key.name)
        if isinstance(r, File) and os.path.dirname(directory) == layout.DHCP:
            bridge = os.path.basename(directory)
            found[bridge] = found.get(bridge) or dnsmasq.scope_of(r.text)
    return dict(sorted(found.items()))


def loaded(server: Server, state: Mapping[Key, Resource], bridge: str) -> Server:
    """The unit or daemon as it is once it has read what ``state`` has on disk."""
    files = Files(*(boot.text_of(state, path) for path in dnsmasq.paths(bridge)))
    reloaded_with = fingerprint(*files.live)
    if isinstance(server, Daemon):
        return replace(server, started_with=fingerprint("", files.conf), reloaded_with=reloaded_with)
    started_with = fingerprint(boot.text_of(state, TEMPLATE), files.conf)
    return replace(server, current=True, started_with=started_with, reloaded_with=reloaded_with)


def show_dhcp(request: Request, after: State) -> list[dict[str, Any]]:
    """The networks of a scope as the module returns them."""
    shown = [_network(bridge, after) for bridge, scope in networks(after).items() if scope == request.scope]
    return [dnsmasq.show(network) for network in shown if network]


def _remove(after: dict[Key, Resource], bridge: str) -> None:
    for key in [
        key for key, r in after.items() if isinstance(r, File) and key.name.startswith(f"{layout.DHCP}/{bridge}/")
    ]:
        del after[key]
    after.pop(Key(Unit.kind, layout.dhcp_unit(bridge)), None)
    after.pop(Key(Daemon.kind, bridge), None)
    after.pop(Key(ChecksumFix.kind, bridge), None)
    after.pop(Key(Leases.kind, f"{layout.DHCP_STATE}/{bridge}"), None)
