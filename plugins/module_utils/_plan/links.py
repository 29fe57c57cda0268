# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges and taps: from the entries and the links of the host to the links as they will be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Callable, Generic, Optional, TypeVar, cast

from .._model import layout
from .._model.errors import HostError
from .._model.links import (
    DEFAULT_MTU,
    MAX_ALIAS,
    MAX_PORTS,
    PORT_DEFAULTS,
    Bridge,
    ChecksumFix,
    Manager,
    OtherLink,
    Tap,
    Vlan,
    can_become,
    kernel_parameters,
    new_bridge,
    new_tap,
)
from .._model.mark import alias
from .._model.resource import File, Key, Resource, State, Sysctl, Unit, fill
from .._render import batch, unmanaged, uplinks
from . import boot
from .core import Plan, Request

L = TypeVar("L", Bridge, Tap)


@dataclass(frozen=True)
class _Kind(Generic[L]):
    """What planning bridges and planning taps do differently.

    ``want`` makes the link that an entry asks for; ``seen`` reduces a live link to what we answer for; ``released`` are the
    fields that an adopted link loses with its mark; ``ports`` the interfaces that come to be a port of a bridge.
    """

    link: type[L]
    record: str
    parse: Callable[[str], dict[str, L]]
    render: Callable[[Iterable[L]], str]
    want: Callable[[Request, State, L, Optional[L], bool], L]
    seen: Callable[[L, Optional[L], Optional[L]], L]
    ports: Callable[[L], Iterable[str]]
    released: Mapping[str, Any]


def plan_bridges(request: Request, host: State) -> Plan:
    """Raises HostError for a name, a port or an address that this host cannot give."""
    before, after = _plan(request, host, _BRIDGES)
    for root in layout.ROOTS:
        path = f"{root}/{request.scope}/bridges"
        boot.put_file(after, f"{path}.sysctl", _parameters(batch.parse_bridges(boot.text_of(after, f"{path}.batch"))))
    return boot.complete(request, before, after)


def plan_taps(request: Request, host: State) -> Plan:
    """Raises HostError for a name that is taken, or a change that a tap cannot take while it is in use."""
    return boot.complete(request, *_plan(request, host, _TAPS))


def _plan(request: Request, host: State, kind: _Kind[L]) -> tuple[dict[Key, Resource], dict[Key, Resource]]:
    """(before, after) of the links that the run is about, with the records that belong to them."""
    recorded = {root: kind.parse(boot.text_of(host, f"{root}/{request.scope}/{kind.record}")) for root in layout.ROOTS}
    known = {name: link for links in recorded.values() for name, link in links.items()}
    wanted: dict[str, L] = {}
    for entry in request.entries if request.present else ():
        live = _live(request, host, entry, kind.link)
        wanted[entry.name] = kind.want(request, host, entry, live, _adopted(live, known.get(entry.name)))

    before: dict[Key, Resource] = {key: r for key, r in host.items() if isinstance(r, (File, Unit))}
    after = dict(before)
    named = {entry.name for entry in request.entries}
    for link in host.values():
        if not isinstance(link, kind.link) or not (link.name in named or _is_ours(request, link, known)):
            continue
        seen = kind.seen(link, known.get(link.name), wanted.get(link.name))
        before[link.key] = seen
        if link.name in wanted:
            continue
        goes = _is_purged(request, link) or (link.name in known and _is_purged(request, known[link.name]))
        if not (_is_ours(request, link, known) and (link.name in named or goes)):
            after[link.key] = seen
        elif link.adopted:
            after[link.key] = replace(seen, scope=None, adopted=False, **kind.released)
    after.update({link.key: link for link in wanted.values()})

    ours: list[L] = []
    for root, links in recorded.items():
        kept = {name: link for name, link in links.items() if name not in named and not _is_purged(request, link)}
        kept.update({n: link for n, link in wanted.items() if root == request.root(link)})
        boot.put_file(after, f"{root}/{request.scope}/{kind.record}", kind.render(kept.values()))
        ours += [link for link in kept.values() if not link.adopted]
    _tell_managers(request, host, after, kind, ours)
    return before, after


def _tell_managers(
    request: Request, host: State, after: dict[Key, Resource], kind: _Kind[L], links: Iterable[L]
) -> None:
    """NetworkManager leaves a bridge alone that it has not made; and if it is to have the host's uplink, it must have the bridge."""
    links = list(links)
    ports = {port for link in links for port in kind.ports(link)}
    made = {
        link.name for link in links if not getattr(link, "uplink", None)
    }  # a bridge with an uplink, the manager makes
    for manager, text in (
        (layout.NETWORKD, unmanaged.networkd(ports.union(made))),
        (layout.NETWORK_MANAGER, unmanaged.network_manager(ports)),
    ):
        path = layout.unmanaged(manager, request.scope, request.option)
        if Key(Manager.kind, manager) in host or boot.text_of(host, path):
            boot.put_file(after, path, text)


def _want_bridge(request: Request, host: State, entry: Bridge, live: Optional[Bridge], adopted: bool) -> Bridge:
    base = live if adopted and live else new_bridge(entry.name, request.machine_id)
    if entry.uplink:
        standing_in = _standing_in(request, host, entry, base)
        base = base if adopted else standing_in
    own = replace(
        entry,
        scope=request.scope,
        adopted=adopted,
        label=_label(request, entry, live, adopted),
        addresses=entry.addresses or (),
        ports=entry.ports or (),
    )
    bridge = fill(own, base)
    _check_ports(request, host, bridge)
    elsewhere = adopted or bool(entry.uplink)  # it is decided whether the host speaks IPv6 on it
    return replace(bridge, ipv6=bridge.has_ipv6_address() or bool(elsewhere and live and live.ipv6))


def _standing_in(request: Request, host: State, entry: Bridge, base: Bridge) -> Bridge:
    """What the bridge takes from the interface that it stands in for. Raises HostError where that is not there."""
    uplink: Any = find_port(host, str(entry.uplink), entry.name, f"{request.at(entry.name)}.uplink")
    return replace(base, mac=uplink.mac, mtu=uplink.mtu)


def require_no_uplinks(request: Request, plan: Plan, host: State) -> None:
    """Raises HostError for a bridge that would go with the host's own way to the network."""
    for link in plan.only(Bridge.kind).removed:
        for other in host.values():
            if isinstance(other, OtherLink) and other.master == link.name and _is_uplink(host, other.name, link.name):
                raise HostError(
                    f"{request.at(link.name)}: what the host is on {other.name} has been moved to {link.name}, which cannot"
                    f" go before that is moved back; take {other.name} out of it first, with the module uplinks"
                )


def _is_uplink(host: State, name: str, bridge: str) -> bool:
    records = (r.text for r in host.values() if isinstance(r, File) and r.name.endswith("/uplinks.batch"))
    return any((found := uplinks.parse(text).get(name)) and found.bridge == bridge for text in records)


def _want_tap(request: Request, host: State, entry: Tap, live: Optional[Tap], adopted: bool) -> Tap:
    bridge: Any = host.get(Key(Bridge.kind, entry.bridge or ""))
    base = new_tap(entry.name, bridge.mtu if bridge else DEFAULT_MTU, request.machine_id)
    if adopted and live:
        base = live
    if entry.bridge is None and live:
        base = replace(base, bridge=live.bridge)
    own = replace(entry, scope=request.scope, adopted=adopted, label=_label(request, entry, live, adopted))
    kept = live.vlan if adopted and live and live.vlan and not live.vlan.usual else None
    tap = replace(fill(own, base), vlan=entry.vlan or kept, vnet_hdr=entry.vnet_hdr)
    _refuse_flags_without_bridge(request, tap)
    if live:
        _refuse_while_in_use(request, live, tap)
    return tap


def with_bridges(plan: Plan, host: State) -> State:
    """What the kernel makes of the rest of a host whose bridges go or change.

    The ports of those that go are nobody's, and begin anew with the usual flags. Where a bridge begins to filter VLANs, or has
    another one for frames without a tag, its ports are in that one, unless they were given others.
    """
    bridges = plan.only(Bridge.kind)
    gone = {bridge.name for bridge in bridges.removed}
    changed = {new.name: new for _old, new in bridges.changed if isinstance(new, Bridge)}
    if not gone and not changed:
        return host
    left: dict[Key, Resource] = {}
    for key, r in host.items():
        if isinstance(r, Tap) and r.bridge in gone:
            left[key] = replace(r, bridge=None, vlan=None, **PORT_DEFAULTS)
        elif isinstance(r, Tap) and r.bridge in changed:
            left[key] = replace(r, vlan=_vlan_on(changed[r.bridge], r))
        elif isinstance(r, OtherLink) and r.master in gone:
            left[key] = replace(r, master=None)
        elif not _goes_with(r, gone):
            left[key] = r
    return left


def _vlan_on(bridge: Bridge, tap: Tap) -> Optional[Vlan]:
    if not bridge.vlan_filtering:
        return None
    return tap.vlan if tap.vlan and not tap.vlan.usual else Vlan(bridge.vlan_default_pvid or 0, usual=True)


def _goes_with(r: Resource, bridges: set[str]) -> bool:
    """Whether the kernel removes it together with one of the bridges."""
    parameter_of = r.name.split("/")[-2] if isinstance(r, Sysctl) else None
    return parameter_of in bridges or (isinstance(r, ChecksumFix) and r.name in bridges)


def require_bridges(request: Request, plan: Plan, host: State) -> None:
    """Raises HostError for a tap whose bridge is not there, has no room or does not filter the VLANs that are asked for.

    When only predicting, an earlier task may be going to make it.
    """
    masters = Counter(_bridge_of(link) for link in host.values())
    room = {link.name: MAX_PORTS - masters[link.name] for link in host.values() if isinstance(link, Bridge)}
    for old, new in plan.only(Tap.kind).pairs():
        for link, change in ((old, 1), (new, -1)):
            if isinstance(link, Tap) and link.bridge in room:
                room[link.bridge] += change
    for entry in request.entries if request.present else ():
        bridge: Any = host.get(Key(Bridge.kind, entry.bridge or ""))
        at = f"{request.at(entry.name)}"
        if entry.bridge and bridge is None:
            raise HostError(f"{at}.bridge: there is no bridge {entry.bridge} on this host; make it first")
        if bridge and room[bridge.name] < 0:
            raise HostError(
                f"{at}.bridge: {bridge.name} would have more than {MAX_PORTS} ports, the most a bridge takes"
            )
        if bridge and entry.vlan and not bridge.vlan_filtering:
            raise HostError(f"{at}.vlan: {bridge.name} does not filter VLANs; give it vlan_filtering: true first")


def _bridge_of(link: Resource) -> Optional[str]:
    """Whose port it is, if it is a port at all."""
    if isinstance(link, Tap):
        return link.bridge
    return link.master if isinstance(link, OtherLink) else None


def show_links(kind: type[L]) -> Callable[[Request, State], list[dict[str, Any]]]:
    """The links of a scope as a module returns them."""

    def show(request: Request, after: State) -> list[dict[str, Any]]:
        links = (link for link in after.values() if isinstance(link, kind) and link.scope == request.scope)
        return [
            {f.name: _value(getattr(link, f.name)) for f in fields(link) if f.compare and f.name != "adopted"}
            for link in sorted(links, key=lambda link: link.name)
        ]

    return show


def _value(value: Any) -> Any:
    if isinstance(value, Vlan):
        return value.as_entry()
    return list(value) if isinstance(value, tuple) else value


def _label(request: Request, entry: L, live: Optional[L], adopted: bool) -> str:
    """The alias that an adopted link had before it got our mark. Raises HostError where there is no room for both."""
    label = live.label if live and adopted else ""
    if len(alias(request.scope, adopted, label)) > MAX_ALIAS:
        raise HostError(
            f"{request.at(entry.name)}: the alias of {entry.name} is too long to be kept beside our mark; shorten it first"
        )
    return label


def _live(request: Request, host: State, entry: L, kind: type[L]) -> Optional[L]:
    """The link of the entry's name, if there is one and it is of the right kind and not another scope's."""
    for other in (Bridge, Tap, OtherLink):
        link: Any = host.get(Key(other.kind, entry.name))
        if link is None:
            continue
        if other is not kind:
            what = link.type if isinstance(link, OtherLink) else link.kind
            raise HostError(
                f"{request.at(entry.name)}.name: {entry.name} is taken by a {what or 'link'} on this host; choose another name"
            )
        if link.scope not in (None, request.scope):
            raise HostError(
                f"{request.at(entry.name)}.name: {entry.name} belongs to the scope {link.scope}, this run is for {request.scope}"
            )
        return cast("L", link)
    return None


def _adopted(live: Optional[L], recorded: Optional[L]) -> bool:
    """Whether somebody else made the link."""
    if live is None:
        return False
    return live.adopted if live.scope else not _is_remembered(live, recorded)


def _is_ours(request: Request, link: Any, known: Mapping[str, Any]) -> bool:
    """Whether the scope answers for the link."""
    return link.scope == request.scope or (link.scope is None and _is_remembered(link, known.get(link.name)))


def _is_remembered(live: Any, recorded: Any) -> bool:
    """Whether a link without a mark is one that we made: a run was killed before it marked it, or somebody took the mark.

    A stranger may have made another one of the same name, so it has to look like ours.
    """
    if recorded is None or recorded.adopted:
        return False
    if isinstance(live, Bridge):
        return bool(live.mac == recorded.mac)
    unlike = [name for name in ("owner", "group", "multi_queue") if getattr(live, name) != getattr(recorded, name)]
    return not unlike and live.bridge in (None, recorded.bridge)


def _seen_bridge(live: Bridge, recorded: Optional[Bridge], wanted: Optional[Bridge]) -> Bridge:
    """The live bridge with only those addresses and ports that we put there or are asked for. Others' are not ours to judge."""
    known = [bridge for bridge in (recorded, wanted) if bridge]
    addresses = {a for bridge in known for a in bridge.addresses or ()}
    ports = {p for bridge in known for p in bridge.ports or ()}
    # In the order that was asked for, so that only membership is compared.
    order = {a: i for bridge in known for i, a in enumerate(bridge.addresses or ())}
    if recorded and live.stp and live.ageing_time == 2 * (live.forward_delay or 0):
        # While the spanning tree changes, the kernel ages faster and does not tell what it goes back to (br_stp.c).
        live = replace(live, ageing_time=recorded.ageing_time)
    return replace(
        live,
        addresses=tuple(sorted(addresses.intersection(live.addresses or ()), key=lambda a: order[a])),
        ports=tuple(sorted(ports.intersection(live.ports or ()))),
    )


def _check_ports(request: Request, host: State, bridge: Bridge) -> None:
    for index, name in enumerate(bridge.ports or ()):
        at = f"{request.at(bridge.name)}.ports[{index}]"
        port: Any = find_port(host, name, bridge.name, at)
        if isinstance(port, OtherLink) and port.addresses and port.master != bridge.name:
            raise HostError(
                f"{at}: {name} carries {', '.join(port.addresses)}; as a port of a bridge it would lose them."
                " Use an interface without addresses, or the module uplinks, which moves them to the bridge"
            )


def find_port(host: State, name: str, bridge: str, at: str) -> Resource:
    """The interface of this name. Raises HostError for one that cannot be a port of the bridge, or is not there."""
    port: Any = next((host[Key(k.kind, name)] for k in (OtherLink, Tap, Bridge) if Key(k.kind, name) in host), None)
    if port is None:
        there = sorted(link.name for link in host.values() if isinstance(link, OtherLink) and not link.loopback)
        raise HostError(f"{at}: {name} does not exist on this host; it has {', '.join(there) or 'no interface but lo'}")
    master = port.master if isinstance(port, OtherLink) else getattr(port, "bridge", None)
    if master not in (None, bridge):
        raise HostError(f"{at}: {name} is already a port of {master}")
    if isinstance(port, Bridge) or (isinstance(port, OtherLink) and (port.loopback or port.wireless)):
        kind = (
            "a bridge"
            if isinstance(port, Bridge)
            else "a wireless interface"
            if port.wireless
            else "the loopback interface"
        )
        raise HostError(f"{at}: {name} is {kind}; it cannot be a port of a bridge")
    return cast("Resource", port)


def _refuse_flags_without_bridge(request: Request, tap: Tap) -> None:
    for flag, default in {**PORT_DEFAULTS, "vlan": None}.items() if tap.bridge is None else ():
        if getattr(tap, flag) != default:
            raise HostError(f"{request.at(tap.name)}.{flag}: {tap.name} is on no bridge; give it one in bridge")


def _refuse_while_in_use(request: Request, live: Tap, wanted: Tap) -> None:
    if live.adopted and not can_become(live, wanted):
        raise HostError(
            f"{request.at(live.name)}: {live.name} would have to be made anew to lose its owner or group or to change"
            " multi_queue; it was not made by this collection, so that is for whoever made it"
        )
    for attribute in ("owner", "group", "multi_queue"):
        if live.in_use and getattr(live, attribute) != getattr(wanted, attribute):
            raise HostError(
                f"{request.at(live.name)}.{attribute}: {live.name} is in use, and the kernel changes its {attribute} only while nobody has it open;"
                " stop its guest first"
            )


def _is_purged(request: Request, link: Any) -> bool:
    """What was adopted is released, as when it is named."""
    return request.purge or (link.name if isinstance(link, Bridge) else link.bridge) in request.purge_bridges


def _seen_tap(live: Tap, recorded: Optional[Tap], wanted: Optional[Tap]) -> Tap:
    """The live tap with only what we answer for.

    How packets begin (``vnet_hdr``) is decided anew by whoever opens it; where one was asked for, it is put right in between.
    """
    vnet_hdr = live.vnet_hdr if wanted and wanted.vnet_hdr is not None else None
    if live.in_use and wanted:
        vnet_hdr = wanted.vnet_hdr
    explicit = any(link and link.vlan for link in (recorded, wanted))
    usual = live.vlan is None or (live.vlan.usual and not explicit)
    return replace(live, vnet_hdr=vnet_hdr, vlan=None if usual else live.vlan)


def _parameters(bridges: Mapping[str, Bridge]) -> str:
    """The parameters of the bridges that we make, as a file."""
    made = (bridge for bridge in bridges.values() if not bridge.adopted and not bridge.uplink)
    ours = (replace(bridge, ipv6=bridge.has_ipv6_address()) for bridge in made)
    return "".join(f"{name} = {value}\n" for bridge in ours for name, value in kernel_parameters(bridge).items())


_BRIDGES = _Kind(
    link=Bridge,
    record="bridges.batch",
    parse=batch.parse_bridges,
    render=batch.render_bridges,
    want=_want_bridge,
    seen=_seen_bridge,
    ports=lambda bridge: bridge.ports or (),
    released={"addresses": (), "ports": ()},
)
_TAPS = _Kind(
    link=Tap,
    record="taps.batch",
    parse=batch.parse_taps,
    render=batch.render_taps,
    want=_want_tap,
    seen=_seen_tap,
    ports=lambda tap: (tap.name,),
    released={},
)
