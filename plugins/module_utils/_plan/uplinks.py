# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplinks: from the entries and the interfaces of the host to the interfaces and the manager's files as they will be."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch
from ipaddress import ip_interface
from typing import Any, Optional, cast

from .._model import layout
from .._model.errors import HostError
from .._model.links import Bridge, Tap, kernel_parameters
from .._model.resource import File, Key, Resource, State, Unit
from .._model.uplink import Address, Managed, Station, Touched, Uplink, moved
from .._render import batch, ifupdown, keyfile, netplan, networkd, uplinks
from .._render import boot as boot_files
from .._render.batch import vlans_of_uplink
from .._render.uplinks import digest
from . import boot
from .core import Plan, Request
from .links import find_port

_RECORD = "uplinks.batch"
_PARAMETERS = "uplinks.sysctl"
# A port makes itself no link-local address (in6_addr_gen_mode, linux/if_link.h).
_AS_PORT = (("net/ipv6/conf/*/addr_gen_mode", "1"),)
_KEPT = "uplinks"  # the directory of the files as they were


def plan_uplinks(request: Request, host: State) -> Plan:
    """Raises HostError for an interface that cannot be a bridge's port, or whose configuration we cannot rewrite."""
    recorded = {root: uplinks.parse(boot.text_of(host, f"{root}/{request.scope}/{_RECORD}")) for root in layout.ROOTS}
    known = {name: record for records in recorded.values() for name, record in records.items()}
    before: dict[Key, Resource] = {key: r for key, r in host.items() if isinstance(r, (File, Unit, Station))}
    before.update({record.key: record for record in known.values()})
    for entry in request.entries if request.present else ():
        # A bridge that an earlier task may be going to make is empty then.
        before.setdefault(Key(Station.kind, entry.bridge), Station(entry.bridge))
    after = dict(before)
    wanted = {entry.name: entry for entry in request.entries} if request.present else {}
    named = {entry.name for entry in request.entries}

    for root, records in recorded.items():
        for name, record in list(records.items()):
            purged = request.purge or record.bridge in request.purge_bridges
            if name not in wanted and (name in named or purged):
                _take_out(request, host, after, root, record)
                del records[name], after[record.key]
    records = recorded[layout.root(request.persistent)]
    for entry in wanted.values():
        moved_in = _bring_in(request, host, after, entry, known.get(entry.name))
        if moved_in:
            records[entry.name] = after[moved_in.key] = moved_in
    for root, records in recorded.items():
        boot.put_file(after, f"{root}/{request.scope}/{_RECORD}", uplinks.render(records.values()))
    boot.put_file(after, layout.AFTER_MANAGERS, boot_files.AFTER_MANAGERS if _is_any_managed(after, request) else "")
    return boot.complete(request, before, after)


def require_bridges(request: Request, _plan: Plan, host: State) -> None:
    """Raises HostError for a bridge that is not there. When only predicting, an earlier task may be going to make it."""
    for entry in request.entries if request.present else ():
        if Key(Bridge.kind, entry.bridge) not in host:
            raise HostError(
                f"{request.at(entry.name)}.bridge: there is no bridge {entry.bridge} on this host;"
                f" make it first, with uplink: {entry.name}"
            )


def show_uplinks(request: Request, after: State) -> list[dict[str, Any]]:
    """The uplinks of a scope as the module returns them."""
    shown = []
    for root in layout.ROOTS:
        for record in uplinks.parse(boot.text_of(after, f"{root}/{request.scope}/{_RECORD}")).values():
            station: Any = after.get(Key(Station.kind, record.bridge)) or Station(record.bridge)
            shown.append(
                {
                    "name": record.name,
                    "bridge": record.bridge,
                    "manager": record.manager or "none",
                    "addresses": [address.cidr for address in station.addresses],
                    "files": [touched.path for touched in record.touched],
                }
            )
    return sorted(shown, key=lambda uplink: str(uplink["name"]))


def _bring_in(
    request: Request, host: State, after: dict[Key, Resource], entry: Uplink, record: Optional[Uplink]
) -> Optional[Uplink]:
    """The record of the uplink, with ``after`` as it is then."""
    interface = _port(request, host, entry)
    bridge = str(entry.bridge)
    if record and record.bridge != bridge:
        raise HostError(
            f"{request.at(entry.name)}.bridge: {entry.name} has been moved to {record.bridge};"
            f" take it out of that first, with state: absent"
        )
    to: Any = after[Key(Station.kind, bridge)]
    if interface.is_station and not entry.migrate:
        carries = ", ".join([*(a.cidr for a in interface.addresses), *interface.routes, *interface.rules])
        raise HostError(
            f"{request.at(entry.name)}.migrate: {entry.name} carries {carries}; set it to true to move that"
        )
    foreign = interface.bridge == bridge and not record
    managed = interface.managed or (Managed(record.manager) if record and record.manager else None)
    if foreign and not interface.is_station:
        return None  # somebody else has put it there, and keeps it there
    if managed is None and interface.is_station and request.persistent and not record:
        raise HostError(
            f"{request.at(entry.name)}.name: what configures {entry.name} at boot is none of ifupdown, systemd-networkd,"
            f" NetworkManager and netplan, so after a reboot its addresses would not be on {bridge}."
            " Configure it with one of them, or set persistent: false and see to the next boot yourself"
        )
    if interface.is_station or interface.bridge != bridge:
        emptied, taken = moved(interface, to)
        made: Any = host.get(Key(Bridge.kind, bridge))
        vlans = vlans_of_uplink(replace(made, uplink=entry.name)) if made and made.vlan_filtering else []
        after[emptied.key] = replace(emptied, bridge=bridge, parameters=_AS_PORT, vlans=tuple(vlans))
        after[taken.key] = replace(taken, parameters=_parameters(request, after, interface, bridge))
    ports = {name for name, _value in _AS_PORT}
    was = record.was if record else tuple(pair for pair in interface.parameters if pair[0] in ports)
    if managed is None:
        return record or Uplink(entry.name, bridge, was=was)
    configured = _configure(request, host, after, replace(interface, managed=managed), bridge, record)
    return replace(configured, was=was)


def _configure(
    request: Request,
    host: State,
    after: dict[Key, Resource],
    interface: Station,
    bridge: str,
    record: Optional[Uplink],
) -> Uplink:
    """Have the host's network manager make the bridge with the interface as its port, and what the host is, on it."""
    manager = interface.managed.manager if interface.managed else ""
    files = {r.name: r for r in host.values() if isinstance(r, File)}
    if _is_bridged(manager, files, interface, bridge):
        return record or Uplink(interface.name, bridge, manager=manager)
    root = layout.root(request.persistent)
    if not request.persistent and manager == "ifupdown":
        return Uplink(interface.name, bridge, manager=manager)  # it has no files that go with a reboot
    if not request.persistent and manager == "netplan":
        generated = interface.managed.file if interface.managed else ""
        manager = "networkd" if "/systemd/" in generated else "networkmanager"
    try:
        written = _rewritten(manager, files, interface, bridge, request.persistent)
    except HostError as error:
        raise HostError(f"{request.at(interface.name)}.name: {error}") from None
    touched = []
    added = [t.path for t in record.touched if t.added] if record else []
    for path, file in written.items():
        was = files.get(path)
        if was and path not in added:
            boot.put_file(after, f"{root}/{request.scope}/{_KEPT}/{interface.name}{path}", was.text, was.mode)
        touched.append(Touched(path, digest(file.text), added=was is None or path in added))
        after[file.key] = file
    return Uplink(interface.name, bridge, manager=manager, touched=tuple(sorted(touched, key=lambda t: t.path)))


def _take_out(request: Request, host: State, after: dict[Key, Resource], root: str, record: Uplink) -> None:
    """Everything is on the interface again, live and on disk."""
    interface: Any = after.get(Key(Station.kind, record.name))
    station: Any = after.get(Key(Station.kind, record.bridge))
    if interface and station and (interface.bridge == record.bridge or station.is_station):
        lent, own = _without_own(station, _recorded_addresses(after, record.bridge))
        emptied, taken = moved(lent, interface)
        after[emptied.key] = replace(emptied, addresses=own)
        after[taken.key] = replace(taken, bridge=None, parameters=tuple(record.was))
    for touched in record.touched:
        now = host.get(Key(File.kind, touched.path))
        kept_at = f"{root}/{request.scope}/{_KEPT}/{record.name}{touched.path}"
        before = host.get(Key(File.kind, kept_at))
        after.pop(Key(File.kind, kept_at), None)
        if isinstance(now, File) and digest(now.text) != touched.digest and now != before:
            raise HostError(
                f"{request.at(record.name)}.name: {touched.path} has been edited since {record.name} was moved to"
                f" {record.bridge}, so it is not replaced by the file that was there before, {kept_at}."
                f" Put into {touched.path} what is to be there without {record.bridge}, and copy it to {kept_at}"
            )
        if touched.added:
            after.pop(Key(File.kind, touched.path), None)
        elif isinstance(before, File):
            after[Key(File.kind, touched.path)] = File(touched.path, before.text, before.mode)
    boot.put_file(after, f"{root}/{request.scope}/{_PARAMETERS}", _without(after, root, request.scope, record.bridge))


def _without_own(station: Station, recorded: set[str]) -> tuple[Station, tuple[Address, ...]]:
    """A bridge without the addresses that it has as a bridge of ours, which were never its uplink's; and those."""
    own = tuple(a for a in station.addresses if a.cidr in recorded)
    subnets = {str(ip_interface(a.cidr).network) for a in own}
    addresses = tuple(a for a in station.addresses if a not in own)
    learned = tuple(r for r in station.learned if r.split()[0] not in subnets or " proto kernel" not in r)
    return replace(station, addresses=addresses, learned=learned), own


def _recorded_addresses(state: dict[Key, Resource], bridge: str) -> set[str]:
    """Those that it is recorded with, in any scope."""
    texts = [r.text for r in state.values() if isinstance(r, File) and _is_record_of_bridges(r.name)]
    found = [batch.parse_bridges(text).get(bridge) for text in texts]
    return {address for record in found if record for address in record.addresses or ()}


def _is_record_of_bridges(path: str) -> bool:
    return any(fnmatch(path, f"{root}/*/bridges.batch") for root in layout.ROOTS)


def _port(request: Request, host: State, entry: Uplink) -> Station:
    """The interface of the entry. Raises HostError for one that cannot be an uplink."""
    at = f"{request.at(entry.name)}.name"
    link = find_port(host, entry.name, entry.bridge, at)
    if isinstance(link, Tap):
        raise HostError(f"{at}: {entry.name} is a tap, the end of a guest's network card; it cannot be an uplink")
    return cast("Station", host[Key(Station.kind, entry.name)])


def _parameters(
    request: Request, after: dict[Key, Resource], interface: Station, bridge: str
) -> tuple[tuple[str, str], ...]:
    """The kernel's parameters for the bridge: those of the interface it stands in for, also written down for boot."""
    path = f"{layout.root(request.persistent)}/{request.scope}/{_PARAMETERS}"
    lines = _without(after, layout.root(request.persistent), request.scope, bridge)
    if interface.is_station:
        given = {name.replace("*", bridge): value for name, value in interface.parameters}
    else:
        given = kernel_parameters(Bridge(name=bridge, ipv6=False))
    boot.put_file(after, path, lines + "".join(f"{name} = {value}\n" for name, value in given.items()))
    return tuple((name.replace(f"/{bridge}/", "/*/"), value) for name, value in given.items())


def _without(after: dict[Key, Resource], root: str, scope: str, bridge: str) -> str:
    """The recorded parameters but for those of this bridge."""
    lines = boot.text_of(after, f"{root}/{scope}/{_PARAMETERS}").splitlines(keepends=True)
    return "".join(line for line in lines if _interface_of(line) != bridge)


def _interface_of(parameter: str) -> str:
    """Of ``net/ipv4/conf/br0/rp_filter``."""
    return parameter.split("/")[3]


def _is_any_managed(state: dict[Key, Resource], request: Request) -> bool:
    """Whether a manager has bridges to make at boot before we come, for any scope."""
    records = [
        r.text
        for r in state.values()
        if isinstance(r, File) and r.name.startswith(f"{layout.PERSISTENT}/") and r.name.endswith(f"/{_RECORD}")
    ]
    return request.systemd and any(uplink.manager for text in records for uplink in uplinks.parse(text).values())


def _is_bridged(manager: str, files: dict[str, File], interface: Station, bridge: str) -> bool:
    if manager == "netplan":
        return netplan.is_bridged(files, interface.name, bridge, interface.mac)
    render: Any = {"ifupdown": ifupdown, "networkd": networkd, "networkmanager": keyfile}[manager]
    return bool(render.is_bridged(files, interface.name, bridge))


def _rewritten(
    manager: str, files: dict[str, File], interface: Station, bridge: str, persistent: bool
) -> dict[str, File]:
    if manager == "ifupdown":
        return ifupdown.bridged(files, interface, bridge)
    if manager == "networkd":
        return networkd.bridged(files, interface, bridge, persistent)
    if manager == "networkmanager":
        return keyfile.bridged(files, interface, bridge, persistent)
    return netplan.bridged(files, interface, bridge)
