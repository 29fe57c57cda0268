# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network profiles: a network as a user describes it, and the resources that it is made of.

The place of every complaint is the user's own: ``nat_networks[vmnet8].dhcp.ranges[0]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Optional

from . import net
from .dhcp import DhcpNetwork
from .errors import InputError
from .fields import Fields, entries, refuse_duplicates
from .links import DEFAULT_MTU, Tap, Vlan
from .nat import SourceNat
from .policy import DEFAULT_SERVICES, host_service
from .port_forward import PortForward, refuse_conflicts
from .uplink import CONFIRM_TIMEOUT, confirm_timeout

MODES = ("host_only", "bridged", "nat")
RESOURCES: Mapping[str, tuple[str, ...]] = {
    "host_only": ("bridges", "taps", "dhcp", "policies", "coexist"),
    "bridged": ("bridges", "uplinks", "taps", "coexist"),
    "nat": ("bridges", "taps", "dhcp", "nat", "port_forwards", "policies", "coexist"),
}
_OF_RESERVATION = ("client_id", "duid", "options")


@dataclass(frozen=True)
class Guest:
    """``tap`` is an entry of the module taps without its bridge; ``forwards`` have this guest as their target.

    ``dhcp`` is what the guest's reservation has besides its name, MAC address and addresses.
    """

    at: str
    name: str
    mac: Optional[str]
    addresses: tuple[net.Address, ...]
    tap: Optional[Mapping[str, Any]]
    vlan: Optional[Vlan]
    forwards: tuple[tuple[str, PortForward], ...]
    dhcp: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_reserved(self) -> bool:
        """Whether the DHCP server can tell it from others."""
        return bool(self.mac or self.dhcp)


@dataclass(frozen=True)
class Network:
    """One network of any mode; what a mode does not have is empty. ``dhcp`` and ``nat`` are entries of these modules."""

    at: str
    mode: str
    name: str
    mtu: Optional[int]
    addresses: tuple[net.Interface, ...] = ()
    uplink: Optional[str] = None
    migrate: bool = True
    confirm_timeout: int = CONFIRM_TIMEOUT
    uplinks: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    nat: Optional[Mapping[str, Any]] = None
    ipv6: str = "nat"
    isolate_guests: bool = False
    host_services: tuple[str, ...] = ()
    dhcp: Optional[Mapping[str, Any]] = None
    guests: tuple[Guest, ...] = ()
    forwards: tuple[tuple[str, PortForward], ...] = ()
    vlan_filtering: bool = False
    autostart: bool = True

    @property
    def subnets(self) -> list[net.Network]:
        return [address.network for address in self.addresses]

    @property
    def serves_names(self) -> bool:
        return bool(self.dhcp and (self.dhcp.get("dns") or {}).get("enabled", True))

    @property
    def serves_files(self) -> bool:
        return bool(self.dhcp and (self.dhcp.get("boot") or {}).get("tftp_root"))

    def all_forwards(self) -> list[tuple[str, PortForward]]:
        return [*(forward for guest in self.guests for forward in guest.forwards), *self.forwards]


def expand(networks: Any, mode: str, beside: Optional[Mapping[str, Any]] = None) -> dict[str, list[dict[str, Any]]]:
    """The lists of entries that the modules take. ``beside``: the networks of other modes on the same host, by mode.

    Raises InputError naming the network and the field, also for what is wrong among the other networks.
    """
    if mode not in MODES:
        raise InputError("expand", f"{mode!r} is not a mode; one of {', '.join(MODES)}")
    mine = _parse(networks, mode)
    others = [
        network
        for other, values in sorted((beside or {}).items())
        if other != mode
        for network in _parse(values, other)
    ]
    check_together([*mine, *others])
    parts = [_resources(network) for network in mine]
    return {resource: [entry for part in parts for entry in part.get(resource, [])] for resource in RESOURCES[mode]}


def check_together(networks: Iterable[Network]) -> None:
    """What each network may be by itself, but not next to the others on one host."""
    networks = list(networks)
    guests = [guest for network in networks for guest in network.guests]
    taps = [(f"{guest.at}.tap.name", guest.tap["name"], "the interface name") for guest in guests if guest.tap]
    refuse_duplicates([*((n.at, n.name, "the interface name") for n in networks), *taps])
    refuse_duplicates((f"{n.at}.uplink", n.uplink, "the uplink") for n in networks if n.uplink)
    refuse_duplicates((f"{guest.at}.mac", guest.mac, "the MAC address") for guest in guests if guest.mac)
    own = (
        (f"{n.at}.addresses[{i}]", address.ip, "the address") for n in networks for i, address in enumerate(n.addresses)
    )
    theirs = (
        (f"{guest.at}.addresses[{i}]", address, "the address")
        for guest in guests
        for i, address in enumerate(guest.addresses)
    )
    refuse_duplicates([*own, *theirs])
    for network in networks:
        names = ((f"{guest.at}.name", guest.name, "the name") for guest in network.guests)
        refuse_duplicates(names)
    _refuse_overlaps(networks)
    _refuse_unknown_peers(networks)
    refuse_conflicts(forward for network in networks for forward in network.all_forwards())
    _refuse_own_services(networks)


def _parse(values: Any, mode: str) -> list[Network]:
    parse = {"host_only": _host_only, "bridged": _bridged, "nat": _nat}[mode]
    return [parse(entry) for entry in entries(values or [], f"{mode}_networks", "name")]


def _host_only(entry: Fields) -> Network:
    network = _with_addresses(entry, "host_only")
    entry.nothing_else()
    return network


def _nat(entry: Fields) -> Network:
    network = _with_addresses(entry, "nat")
    if not network.addresses:
        raise InputError(
            entry.place("addresses"), "is missing; the first address of each family is the guests' gateway"
        )
    if entry.given("ipv6") and not any(address.version == 6 for address in network.addresses):
        raise InputError(entry.place("ipv6"), "needs an IPv6 address in addresses")
    network = replace(
        network,
        uplinks=entry.each("uplinks", net.interface_name),
        ipv6=entry.optional("ipv6", net.choice("nat", "routed"), "nat"),
        forwards=tuple(
            _within(network, forward)
            for fields in entry.entries("forwards", "listen")
            for forward in _forwards(fields, network.name, lambda f: (f.required("to_address", net.address),))
        ),
    )
    network = replace(network, nat=_source_nat(entry, network))
    entry.nothing_else()
    return network


def _source_nat(entry: Fields, network: Network) -> Optional[dict[str, Any]]:
    """The entry for the module nat, checked as that module will."""
    translated = [subnet for subnet in network.subnets if subnet.version == 4 or network.ipv6 == "nat"]
    to = {name: entry.raw(name) for name in ("to_addresses", "to_ports") if entry.raw(name)}
    result = {
        "bridge": network.name,
        "subnets": [str(subnet) for subnet in translated],
        "uplinks": list(network.uplinks),
        **to,
    }
    if translated or to:
        SourceNat.parse(Fields(result, entry.at))
    return result if translated else None


def _bridged(entry: Fields) -> Network:
    name = entry.required("name", net.interface_name)
    network = Network(
        at=entry.at,
        mode="bridged",
        name=name,
        mtu=entry.optional("mtu", net.mtu),
        uplink=entry.required("uplink", net.interface_name),
        migrate=entry.optional("migrate", net.boolean, True),
        confirm_timeout=entry.optional("confirm_timeout", confirm_timeout, CONFIRM_TIMEOUT),
        guests=tuple(_guest(guest, name, (), "bridged", False) for guest in entry.entries("guests", "name")),
        vlan_filtering=entry.optional("vlan_filtering", net.boolean, False),
        autostart=entry.optional("autostart", net.boolean, True),
    )
    for guest in network.guests:
        if guest.vlan and not network.vlan_filtering:
            raise InputError(
                f"{guest.at}.vlan", f"needs a network that keeps VLANs apart; set {entry.place('vlan_filtering')}: true"
            )
    if network.uplink == name:
        raise InputError(entry.place("uplink"), f"{name} is the bridge itself; name the physical interface")
    entry.nothing_else()
    return network


def _with_addresses(entry: Fields, mode: str) -> Network:
    name = entry.required("name", net.interface_name)
    addresses = entry.each("addresses", net.host_address)
    isolate = entry.optional("isolate_guests", net.boolean, False)
    mtu = entry.optional("mtu", net.mtu, DEFAULT_MTU)
    if mtu < 1280 and any(address.version == 6 for address in addresses):
        raise InputError(entry.place("mtu"), f"{mtu} is too small for IPv6, which needs 1280 (RFC 8200)")
    network = Network(
        at=entry.at,
        mode=mode,
        name=name,
        mtu=mtu,
        addresses=addresses,
        isolate_guests=isolate,
        peers=entry.each("peers", net.interface_name),
        host_services=entry.each("host_services", host_service, DEFAULT_SERVICES),
        guests=tuple(_guest(guest, name, addresses, mode, isolate) for guest in entry.entries("guests", "name")),
        autostart=entry.optional("autostart", net.boolean, True),
    )
    network = replace(network, dhcp=_dhcp(entry, network))
    if network.dhcp and not entry.given("host_services"):
        services = [service for service in DEFAULT_SERVICES if service != "dns" or network.serves_names]
        services += ["tftp"] if network.serves_files else []
        network = replace(network, host_services=tuple(services))
    return network


def _guest(entry: Fields, bridge: str, addresses: tuple[net.Interface, ...], mode: str, isolated: bool) -> Guest:
    guest = Guest(
        at=entry.at,
        name=entry.required("name", net.host_name),
        mac=entry.optional("mac", net.mac),
        addresses=entry.each("addresses", net.address) if mode != "bridged" else (),
        tap=_tap(Fields(entry.raw("tap"), entry.place("tap")), isolated) if entry.given("tap") else None,
        vlan=_guest_vlan(entry) if mode == "bridged" and entry.given("vlan") else None,
        forwards=(),
        dhcp={name: entry.raw(name) for name in _OF_RESERVATION if mode != "bridged" and entry.given(name)},
    )
    for index, address in enumerate(guest.addresses):
        at = f"{entry.place('addresses')}[{index}]"
        _refuse_outside(address, [a.network for a in addresses], at)
        _refuse_unusable(address, addresses, at)
    if guest.mac and guest.tap and guest.mac == guest.tap.get("mac"):
        raise InputError(
            entry.place("tap.mac"), f"{guest.mac} is the guest's own; the tap is the host's end and has another"
        )
    if mode == "nat":
        forwards = [
            f for fields in entry.entries("forwards", "listen") for f in _forwards(fields, bridge, _targets(guest))
        ]
        guest = replace(guest, forwards=tuple(forwards))
    entry.nothing_else()
    return guest


def _guest_vlan(entry: Fields) -> Vlan:
    if not entry.given("tap"):
        raise InputError(entry.place("vlan"), "is that of the guest's tap, and it has none; give it one in tap")
    return Vlan.parse(Fields(entry.raw("vlan"), entry.place("vlan")))


def _tap(entry: Fields, isolated: bool) -> dict[str, Any]:
    if entry.given("bridge"):
        raise InputError(entry.place("bridge"), "is not a field of it; a guest's tap is on its network's bridge")
    for name, whose in (("vlan", "guest"), ("autostart", "network")):
        if entry.given(name):
            raise InputError(entry.place(name), f"is not a field of it; it is one of the {whose}")
    tap = Tap.parse(entry)
    given = {
        name: value
        for name in ("owner", "group", "multi_queue", "vnet_hdr", "mac", "mtu", "learning", "unicast_flood", "hairpin")
        if (value := getattr(tap, name)) is not None
    }
    return {"name": tap.name, "isolated": isolated if tap.isolated is None else tap.isolated, **given}


def _targets(guest: Guest) -> Callable[[Fields], tuple[net.Address, ...]]:
    """Of the guest's addresses, the first of each family that the forward is for."""

    def targets(forward: Fields) -> tuple[net.Address, ...]:
        address = forward.optional("address", net.address)
        families = (
            {address.version}
            if address
            else {source.version for source in forward.each("sources", net.subnet)} or {4, 6}
        )
        first = {a.version: a for a in reversed(guest.addresses) if a.version in families}
        if not first:
            family = f"IPv{min(families)} " if len(families) == 1 else ""
            raise InputError(
                forward.at, f"leads nowhere: the guest {guest.name} has no {family}address; give it one in addresses"
            )
        return tuple(net.in_order(first.values()))

    return targets


def _forwards(
    entry: Fields, bridge: str, targets: Callable[[Fields], tuple[net.Address, ...]]
) -> list[tuple[str, PortForward]]:
    """A forward for each target and each item of ``listen``, which may be a list."""
    to_addresses = targets(entry)
    listen, to_port = (
        value if isinstance(value, list) else [value] for value in (entry.raw("listen"), entry.raw("to_port"))
    )
    if len(to_port) == 1 and to_port[0] is None:
        to_port = to_port * len(listen)
    if len(to_port) != len(listen):
        raise InputError(
            entry.place("to_port"),
            f"has {len(to_port)} items and listen has {len(listen)}; give one for each, or leave it out",
        )
    common = {name: entry.raw(name) for name in ("protocol", "address", "sources", "loopback")}
    sources = dict.fromkeys(to_addresses, common["sources"])
    if len(to_addresses) > 1 and common["sources"]:  # a target of each family: each has those of its own
        parsed = entry.each("sources", net.subnet)
        sources = {t: [str(source) for source in parsed if source.version == t.version] for t in to_addresses}
    entry.given("to_address")
    entry.nothing_else()
    return [
        (
            entry.at,
            PortForward.parse(
                Fields(
                    {
                        **common,
                        "sources": sources[target],
                        "bridge": bridge,
                        "listen": port,
                        "to_port": to,
                        "to_address": str(target),
                        "loopback": common["loopback"] if target.version == 4 or len(to_addresses) == 1 else None,
                    },
                    entry.at,
                )
            ),
        )
        for target in to_addresses
        for port, to in zip(listen, to_port)
    ]


def _within(network: Network, forward: tuple[str, PortForward]) -> tuple[str, PortForward]:
    _refuse_outside(forward[1].to_address, network.subnets, f"{forward[0]}.to_address")
    _refuse_unusable(forward[1].to_address, network.addresses, f"{forward[0]}.to_address")
    return forward


def _refuse_outside(address: net.Address, subnets: list[net.Network], at: str) -> None:
    if not any(address in subnet for subnet in subnets):
        raise InputError(
            at, f"{address} is outside {', '.join(map(str, subnets)) or 'the network, which has no addresses'}"
        )


def _refuse_unusable(address: net.Address, own: tuple[net.Interface, ...], at: str) -> None:
    """What no guest can have: the address of the subnet itself, its broadcast address, or one of the host's."""
    for interface in own:
        if address == interface.ip:
            raise InputError(at, f"{address} is the host's own address")
        network = interface.network
        ends = (network.network_address, network.broadcast_address) if network.num_addresses > 2 else ()
        if address in ends and (address.version == 4 or address == network.network_address):
            raise InputError(
                at, f"{address} is not a guest's: it stands for the subnet {network} itself or for all in it"
            )


def _refuse_overlaps(networks: list[Network]) -> None:
    """Of subnets in the order of their addresses, two neighbours overlap if any two do: one of two that overlap is inside the other."""
    listed = [(network, index, subnet) for network in networks for index, subnet in enumerate(network.subnets)]
    in_order = sorted(enumerate(listed), key=lambda item: (item[1][2].version, item[1][2]))
    for neighbours in zip(in_order, in_order[1:]):
        (_first, (other, _index, taken)), (_later, (network, index, subnet)) = sorted(
            neighbours, key=lambda item: item[0]
        )
        same = other is network and subnet == taken  # two addresses in one subnet
        if not same and subnet.version == taken.version and subnet.overlaps(taken):
            raise InputError(
                f"{network.at}.addresses[{index}]", f"{network.addresses[index]} overlaps {taken} of {other.at}"
            )


def _refuse_own_services(networks: list[Network]) -> None:
    """A forward catches what is sent to any address of the host that it is for: also what guests ask the host itself."""
    served: dict[tuple[str, int], list[tuple[Network, str]]] = {}
    for server in networks:
        for protocol, port, what in _services(server):
            served.setdefault((protocol, port), []).append((server, what))
    for at, forward in (forward for network in networks for forward in network.all_forwards()):
        for (protocol, port), servers in served.items():
            if forward.protocol != protocol or port not in forward.listen:
                continue
            for server, what in servers:
                if _takes_from(forward, server):
                    raise InputError(
                        f"{at}.listen",
                        f"{protocol} {port} on {forward.address or 'every address of the host'} is also where {server.name} has its"
                        f" {what}; set address to the one address of the host that this is for, or another port",
                    )


def _services(network: Network) -> Iterable[tuple[str, int, str]]:
    """(protocol, port, name) of what the network's own server listens on."""
    if network.dhcp:
        yield ("udp", 67, "DHCP")
        if network.dhcp.get("ipv6") == "stateful":
            yield ("udp", 547, "DHCP")
    if network.serves_names:
        yield from (("udp", 53, "DNS"), ("tcp", 53, "DNS"))
    if network.serves_files:
        yield ("udp", 69, "TFTP")


def _takes_from(forward: PortForward, server: Network) -> bool:
    """Whether what the guests of a network send to its server would be forwarded."""
    own = [a for a in server.addresses if a.version == forward.to_address.version]
    if forward.address:
        own = [a for a in own if a.ip == forward.address]
    sources = forward.sources
    return any(not sources or any(a.network.overlaps(s) for s in sources if s.version == a.version) for a in own)


def _refuse_unknown_peers(networks: list[Network]) -> None:
    """A peer is another network of the same host whose guests the host routes for."""
    routed = {network.name for network in networks if network.mode != "bridged"}
    for network in networks:
        for index, peer in enumerate(network.peers):
            if peer not in routed or peer == network.name:
                others = ", ".join(sorted(routed - {network.name})) or "none"
                raise InputError(
                    f"{network.at}.peers[{index}]", f"{peer} is no other network of this host; there is {others}"
                )


def _dhcp(entry: Fields, network: Network) -> Optional[dict[str, Any]]:
    """The entry for the module dhcp, checked as that module will."""
    if not entry.given("dhcp") and not entry.given("dns"):
        for guest in network.guests:
            for name in guest.dhcp:
                raise InputError(
                    f"{guest.at}.{name}", f"nobody would heed it; the network has no {entry.place('dhcp')}"
                )
        return None
    given = dict(Fields(entry.raw("dhcp", {}), entry.place("dhcp")).all())
    dns = dict(Fields(entry.raw("dns", {}), entry.place("dns")).all())
    for name in ("bridge", "addresses", "mtu", "router", "reservations", "dns", "autostart"):
        if name in given:
            raise InputError(entry.place(f"dhcp.{name}"), "is not a field of it; the network itself says so")
    forward = network.mode == "nat"
    if dns.get("forward") and not forward:
        raise InputError(entry.place("dns.forward"), "is true, but nothing leads out of a host-only network")
    prefixes = {address.network.prefixlen for address in network.addresses if address.version == 6}
    reserved = [guest for guest in network.guests if guest.is_reserved]
    result = {
        "ipv6": "slaac" if prefixes == {64} else "none",
        **given,
        "bridge": network.name,
        "addresses": [str(address) for address in network.addresses],
        "mtu": network.mtu,
        "router": network.mode == "nat",
        "reservations": [
            {"name": guest.name, "mac": guest.mac, "addresses": [str(a) for a in guest.addresses], **guest.dhcp}
            for guest in reserved
        ],
        "dns": {"domain": f"{network.name}.internal", "forward": forward, **dns},
    }
    # Nobody knows these guests by anything to give them a lease for, but their names are known.
    named = [guest for guest in network.guests if not guest.is_reserved and guest.addresses]
    if named and dns.get("enabled", True):
        records = [{"name": guest.name, "addresses": [str(a) for a in guest.addresses]} for guest in named]
        result["dns"]["records"] = [*(dns.get("records") or []), *records]
    try:
        DhcpNetwork.parse(Fields(result, entry.place("dhcp")))
    except InputError as error:
        raise InputError(_users_places(error.at, entry.at), _users_places(error.problem, entry.at)) from None
    return result


def _users_places(text: str, network: str) -> str:
    """Names places where the user wrote what became a part of the entry for the module dhcp."""
    for part, whole in ((".dhcp.dns", ".dns"), (".dhcp.reservations", ".guests"), (".dhcp.addresses", ".addresses")):
        text = text.replace(network + part, network + whole)
    return text


def _resources(network: Network) -> dict[str, list[dict[str, Any]]]:
    name = network.name
    subnets = [str(subnet) for subnet in network.subnets]
    bridge: dict[str, Any] = {
        "name": name,
        "addresses": [str(address) for address in network.addresses],
        **_mtu(network),
    }
    if network.uplink:
        bridge["uplink"] = network.uplink
    if network.vlan_filtering:
        bridge["vlan_filtering"] = True
    policy: dict[str, Any] = {
        "bridge": name,
        "subnets": subnets,
        "mode": "nat" if network.mode == "nat" else "isolated",
        "host_services": list(network.host_services),
        "peers": list(network.peers),
        "isolate_guests": network.isolate_guests,
    }
    if network.mode == "nat":
        policy.update(ipv6_mode=network.ipv6, uplinks=list(network.uplinks))
    targets = {forward.to_address for _at, forward in network.all_forwards()}
    resources = {
        "bridges": [bridge],
        "taps": [_tap_entry(network, guest, guest.tap, targets) for guest in network.guests if guest.tap],
        "dhcp": [dict(network.dhcp)] if network.dhcp else [],
        "nat": [dict(network.nat)] if network.nat else [],
        "port_forwards": [_entry(forward) for _at, forward in network.all_forwards()],
        "policies": [policy],
    }
    if not network.autostart:
        resources = {kind: [{**entry, "autostart": False} for entry in part] for kind, part in resources.items()}
    # What is not ours alone starts whenever the host does.
    return {
        **resources,
        "uplinks": [{"name": network.uplink, "bridge": name, "migrate": network.migrate}],
        "coexist": [_neighbour(network, policy)],
    }


def _neighbour(network: Network, policy: Mapping[str, Any]) -> dict[str, Any]:
    """What the host's other firewalls have to let through."""
    if network.mode == "bridged":
        return {"bridge": network.name, "mode": "bridged"}
    same = ("bridge", "subnets", "mode", "ipv6_mode", "uplinks", "peers")
    kept = {name: value for name, value in policy.items() if name in same}
    unserved = () if network.dhcp else ("dhcp", "dns")
    services = [service for service in network.host_services if service not in unserved]
    return {**kept, "host_services": services, "forwards": bool(network.all_forwards())}


def _mtu(network: Network) -> dict[str, Any]:
    """Where nobody has said how large packets are, they are as large as on the uplink."""
    return {} if network.mtu is None else {"mtu": network.mtu}


def _tap_entry(network: Network, guest: Guest, tap: Mapping[str, Any], targets: set[net.Address]) -> dict[str, Any]:
    """A guest that a forward leads to may reach itself by it. Where br_netfilter is on, its packets turn round on the bridge."""
    is_target = not targets.isdisjoint(guest.addresses)
    vlan = {"vlan": guest.vlan.as_entry()} if guest.vlan else {}
    return {**_mtu(network), "hairpin": is_target, **tap, **vlan, "bridge": network.name}


def _entry(forward: PortForward) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "bridge": forward.bridge,
        "protocol": forward.protocol,
        "listen": net.port_range(forward.listen),
        "to_address": str(forward.to_address),
        "to_port": net.port_range(forward.to_port),
    }
    if forward.address:
        entry["address"] = str(forward.address)
    if forward.loopback:
        entry["loopback"] = True
    if forward.sources:
        entry["sources"] = [str(source) for source in forward.sources]
    return entry
