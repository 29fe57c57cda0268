# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT, port forwards and policies: from entries to the elements that the packet filter will have.

What earlier runs recorded is the truth about all that this run does not name: what is missing of it in the kernel is put
back, and what is in our table without being recorded goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Callable

from .._model import layout, net, port_forward
from .._model.errors import HostError
from .._model.links import Bridge
from .._model.policy import forwarding_families
from .._model.resource import Address, File, Interface, Key, Resource, State, Sysctl, Unit, by_key
from .._model.ruleset import PROGRAM, Counter, Element, Program
from .._model.socket import Socket
from .._render import ruleset, sysctls
from . import boot
from .core import Plan, Request

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}

# Turning IPv4 forwarding on or off, the kernel sets this one to the opposite, whatever it was.
ACCEPT_REDIRECTS = "net/ipv4/conf/all/accept_redirects"

SYSCTLS = (*FORWARDING.values(), ACCEPT_REDIRECTS)


def route_localnet(bridge: str) -> str:
    """Whether a loopback address may be the source of what leaves by the bridge, and the destination of what is answered.

    The packet filter keeps guests from using it.
    """
    return f"net/ipv4/conf/{bridge}/route_localnet"


# Given the request: whether an element that this scope has already goes because of what is asked for.
Replaces = Callable[[Request], Callable[[Element], bool]]

# Elements by the path of the file that has them.
Records = dict[str, list[Element]]


def replaces_bridge(request: Request) -> Callable[[Element], bool]:
    """An entry stands for all that its bridge has: policies and source NAT."""
    bridges = {entry.bridge for entry in request.entries}
    return lambda old: old.bridge in bridges


def replaces_listener(request: Request) -> Callable[[Element], bool]:
    """An entry stands for what it listens on, whatever sources were let through before: port forwards."""
    listeners = {port_forward.listener(e) for e in request.elements}
    ports = {_port(e) for e in request.elements}
    # Whether a loopback address leads there too is a field of the entry of the same port.
    return lambda old: (
        port_forward.listener(old) in listeners or (port_forward.parts(old).is_loopback and _port(old) in ports)
    )


def _port(e: Element) -> tuple[int, str, int]:
    of = port_forward.parts(e)
    return of.family, of.protocol, of.port


def plan_filter(module: str, replaces: Replaces) -> Callable[[Request, State], Plan]:
    """The planner of one of the three modules. It raises HostError for an element or a subnet that another network has."""

    def plan(request: Request, host: State) -> Plan:
        records = _recorded(host)
        known = {_identity(e) for elements in records.values() for e in elements}
        known_bridges = {e.bridge for elements in records.values() for e in elements}
        own = [f"{root}/{request.scope}/{module}.nft" for root in layout.ROOTS]
        goes = replaces(request)
        for path in own:
            records[path] = [
                e for e in records.get(path, []) if not (request.purge or e.bridge in request.purge_bridges or goes(e))
            ]
        wanted = list(request.elements) if request.present else []
        _refuse_conflicts(request, wanted, [e for elements in records.values() for e in elements])
        _refuse_own_addresses(request, wanted, known_bridges | _going_bridges(request, host), host)
        _refuse_taken(request, [e for e in wanted if _identity(e) not in known], host)
        for entry in request.entries if request.present else ():
            records[f"{request.root(entry)}/{request.scope}/{module}.nft"] += entry.elements(request.scope)

        kinds = (Element, Program, Counter, File, Unit, Sysctl)
        before: dict[Key, Resource] = {key: r for key, r in host.items() if isinstance(r, kinds)}
        after: dict[Key, Resource] = {k: r for k, r in before.items() if not isinstance(r, (Element, Program))}
        for path in own:
            boot.put_file(after, path, ruleset.render(records[path]))
        elements = by_key(e for elements in records.values() for e in elements)
        after.update(elements)
        if elements:
            after[PROGRAM.key] = PROGRAM
        boot.put_file(after, layout.PROGRAM, ruleset.program() if elements else "")
        _set_parameters(before, after, records)
        planned = boot.complete(request, before, after)
        # Their files say what the parameters do. What was in them before is what earlier tasks of a play have made of them.
        written_down = {Key(File.kind, path) for path in layout.SYSCTLS.values()}
        has_more = bool(planned.part(lambda key: key not in written_down))
        return replace(planned, implied=planned.implied | written_down) if has_more else planned

    return plan


def show_networks(
    module: str, from_elements: Callable[[str, list[Element]], Any]
) -> Callable[[Request, State], list[Any]]:
    """The entries of a scope as a module returns them, one for each bridge."""

    def show(request: Request, after: State) -> list[Any]:
        bridges: dict[str, list[Element]] = {}
        for e in _of_scope(request, after, module):
            bridges.setdefault(e.bridge, []).append(e)
        return [from_elements(bridge, elements) for bridge, elements in sorted(bridges.items())]

    return show


def show_forwards(request: Request, after: State) -> list[dict[str, object]]:
    return port_forward.from_elements(_of_scope(request, after, "port_forwards"))


def _of_scope(request: Request, after: State, module: str) -> list[Element]:
    return [r for r in after.values() if isinstance(r, Element) and r.module == module and r.scope == request.scope]


def _recorded(host: State) -> Records:
    files = (r for r in host.values() if isinstance(r, File) and r.name.endswith(".nft") and r.name != layout.PROGRAM)
    return {file.name: ruleset.parse(file.text) for file in files}


def _refuse_conflicts(request: Request, wanted: list[Element], kept: list[Element]) -> None:
    """Raises HostError for what two networks cannot both have."""
    others = {_identity(e): e for e in kept}
    seen: dict[str, Element] = {}
    for new in wanted:
        old = others.get(_identity(new)) or seen.setdefault(new.name, new)
        if old is not new:
            what = " . ".join(new.parts)
            raise HostError(
                f"{request.at(new.bridge)}: {what} is already that of {old.bridge} in the scope {old.scope}"
            )
    named = {new.bridge for new in wanted}
    subnets = sorted(_subnets([*kept, *wanted]), key=lambda item: (item[0].version, item[0]))
    for (wide, first), (narrow, second) in zip(subnets, subnets[1:]):
        if wide.version == narrow.version and wide.overlaps(narrow):
            if second not in named:
                (wide, first), (narrow, second) = (narrow, second), (wide, first)
            raise HostError(f"{request.at(second)}.subnets: {narrow} overlaps {wide} of {first}")


def _going_bridges(request: Request, host: State) -> set[str]:
    """Those that the same run removes later on, with the addresses that the host has on them."""
    stays = request.staying_bridges
    own = (r.name for r in host.values() if isinstance(r, Bridge) and r.scope == request.scope)
    return set() if stays is None else {name for name in own if name not in stays}


def _refuse_own_addresses(request: Request, wanted: list[Element], known_bridges: set[str], host: State) -> None:
    """Raises HostError for a subnet of guests with an address of the host elsewhere: the host would be cut off there."""
    bridges = known_bridges.union(e.bridge for e in wanted)
    elsewhere = [r for r in host.values() if isinstance(r, Address) and r.interface not in bridges]
    for e in wanted:
        if e.set in ("vn_inside4", "vn_inside6"):
            subnet = net.subnet(e.parts[0])
            for address in elsewhere:
                if net.address(address.ip) in subnet:
                    raise HostError(
                        f"{request.at(e.bridge)}.subnets: the host has {address.ip} on {address.interface}, which is in {subnet}, and could"
                        " not be reached there any more; choose a subnet of which the host has no address yet"
                    )


def _refuse_taken(request: Request, new: list[Element], host: State) -> None:
    """Raises HostError for a new forward of a port that a process of the host listens on."""
    sockets = [r for r in host.values() if isinstance(r, Socket)]
    for e in new:
        forward = port_forward.parts(e) if e.module == "port_forwards" else None
        loser = next((socket for socket in sockets if forward and forward.takes_from(socket)), None)
        if forward and loser:
            raise HostError(
                f"{request.at(forward.port)}.listen: {loser}, and would get nothing more; choose another port or address, or have it"
                " listen elsewhere"
            )


def shadowed(request: Request, host: State) -> list[str]:
    """What processes of the host listen on in vain, in words; they came after the forwards."""
    sockets = [r for r in host.values() if isinstance(r, Socket)]
    forwards = [port_forward.parts(e) for e in _of_scope(request, host, "port_forwards")] if sockets else []
    return [
        f"{request.at(forward.port)}: {socket}, but what is sent there goes to {forward.to_address}"
        for forward in forwards
        for socket in sockets
        if forward.takes_from(socket)
    ]


def require_targets(request: Request, plan: Plan, host: State) -> None:
    """Raises HostError for a target outside of its network, and where a parameter of a bridge that is not there is to be set."""
    subnets: dict[str, list[net.Network]] = {}
    for subnet, bridge in _subnets(r for r in host.values() if isinstance(r, Element)):
        subnets.setdefault(bridge, []).append(subnet)
    for entry in request.entries if request.present else ():
        known = subnets.get(entry.bridge, [])
        if not any(entry.to_address in subnet for subnet in known):
            at = f"{request.at(net.port_range(entry.listen))}.to_address: {entry.to_address}"
            if not known:
                raise HostError(f"{at} is in no network: none is known on {entry.bridge}; make its policy first")
            raise HostError(f"{at} is outside {', '.join(map(str, net.in_order(known)))} of {entry.bridge}")
    for key in plan.after:
        if key.kind == Sysctl.kind and key.name.endswith("/route_localnet") and key not in host:
            bridge = key.name.split("/")[-2]
            if Key(Bridge.kind, bridge) in host:
                continue  # it comes in the same run
            port = min(e.parts[-1] for e in request.elements if e.bridge == bridge)
            raise HostError(f"{request.at(port)}.loopback: there is no bridge {bridge} yet; make it first")


def require_uplinks(request: Request, _plan: Plan, host: State) -> None:
    """Raises HostError for an uplink that the host does not have."""
    for entry in request.entries if request.present else ():
        for index, uplink in enumerate(entry.uplinks):
            if Key(Interface.kind, uplink) not in host:
                there = ", ".join(sorted(key.name for key in host if key.kind == Interface.kind))
                raise HostError(
                    f"{request.at(entry.bridge)}.uplinks[{index}]: there is no interface {uplink}; the host has {there}"
                )


def _identity(e: Element) -> tuple[str, ...]:
    """What only one network can have: a listener, whatever sources it lets through, or else the element itself."""
    return port_forward.listener(e) if e.module == "port_forwards" else (e.name,)


def _subnets(elements: Iterable[Element]) -> Iterator[tuple[net.Network, str]]:
    """The subnets that guests have, each with its bridge."""
    for e in elements:
        if e.set in ("vn_sources4", "vn_sources6"):
            yield net.subnet(e.parts[1]), e.bridge


def _set_parameters(before: dict[Key, Resource], after: dict[Key, Resource], records: Records) -> None:
    """Set what the elements need, remembering what was before, and set that again once nothing needs it."""
    elements = [e for those in records.values() for e in those]
    lasting = [e for path, those in records.items() if path.startswith(f"{layout.PERSISTENT}/") for e in those]
    found = [sysctls.parse(boot.text_of(before, path)) for path in layout.SYSCTLS.values()]
    settings = {name: setting for file in found for name, setting in file.items()}
    parameters = {key.name: r.value for key, r in before.items() if isinstance(r, Sysctl)}
    for name in map(route_localnet, sorted(port_forward.from_loopback(elements))):
        if name not in parameters and name not in settings:
            # An earlier task makes the bridge, with what is the kernel's default.
            before[Key(Sysctl.kind, name)] = Sysctl(name, "0")
            parameters[name] = "0"
    wanted = _wanted(elements, parameters, settings)
    at_boot = _wanted(lasting, parameters, settings).keys()
    for name, value in wanted.items():
        if name in parameters:
            settings.setdefault(name, sysctls.Setting(value, parameters[name]))
            after[Key(Sysctl.kind, name)] = Sysctl(name, value)
        if name in settings:
            settings[name] = settings[name]._replace(value=value, pending=False)
    for name in [name for name in settings if name not in wanted]:
        was = settings.pop(name).was
        if name in parameters:
            after[Key(Sysctl.kind, name)] = Sysctl(name, was)
    for root, path in layout.SYSCTLS.items():
        own = {name: s for name, s in settings.items() if (name in at_boot) == (root == layout.PERSISTENT)}
        boot.put_file(after, path, sysctls.render(own))


def _wanted(
    elements: list[Element], parameters: Mapping[str, str], settings: Mapping[str, sysctls.Setting]
) -> dict[str, str]:
    """What the elements need, given what the parameters are and what of them was set by us."""
    families = forwarding_families(elements)
    wanted = {}
    if 6 in families:
        # A host that forwards forgets its default routers, unless it is told to listen to them all the same (accept_ra=2);
        # it has to be told first.
        listening = {
            n for n, value in parameters.items() if n.endswith("/accept_ra") and (value == "1" or n in settings)
        }
        wanted.update(dict.fromkeys(sorted(listening), "2"))
    wanted.update(dict.fromkeys(map(route_localnet, sorted(port_forward.from_loopback(elements))), "1"))
    if 4 in families and (parameters.get(FORWARDING[4]) != "1" or ACCEPT_REDIRECTS in settings):
        wanted[ACCEPT_REDIRECTS] = "0"
    wanted.update({FORWARDING[family]: "1" for family in sorted(families)})
    return wanted
