# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCP, DNS and router advertisement service of a network, and the options that it hands out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Optional

from . import net
from .errors import InputError
from .fields import Fields, refuse_duplicates
from .resource import Resource

IPV6_MODES = ("none", "slaac", "stateful")
DEFAULT_LEASE = "3600"  # seconds
MIN_MTU_IPV6 = 1280  # bytes, RFC 8200 section 5

# dnsmasq reads lines of at most 1,024 characters and takes the rest for another line.
MAX_LINE = 1000

# Kinds of values that an option has. A TEXT is a single value, the others may be lists.
ADDRESSES, TEXT, NAMES, BYTE, SHORT, LONG = "addresses", "text", "names", "byte", "short", "long"
_INTEGERS = {BYTE: (0, 2**8 - 1), SHORT: (0, 2**16 - 1), LONG: (-(2**31), 2**32 - 1)}

# DHCPv4 options by dnsmasq's names. They are written by number, so that no version has to know the name.
OPTIONS: Mapping[str, tuple[int, str]] = {
    "time-offset": (2, LONG),
    "router": (3, ADDRESSES),
    "dns-server": (6, ADDRESSES),
    "log-server": (7, ADDRESSES),
    "lpr-server": (9, ADDRESSES),
    "boot-file-size": (13, SHORT),
    "domain-name": (15, TEXT),
    "swap-server": (16, ADDRESSES),
    "root-path": (17, TEXT),
    "extension-path": (18, TEXT),
    "ip-forward-enable": (19, BYTE),
    "non-local-source-routing": (20, BYTE),
    "policy-filter": (21, ADDRESSES),
    "max-datagram-reassembly": (22, SHORT),
    "default-ttl": (23, BYTE),
    "all-subnets-local": (27, BYTE),
    "router-discovery": (31, BYTE),
    "router-solicitation": (32, ADDRESSES),
    "static-route": (33, ADDRESSES),
    "trailer-encapsulation": (34, BYTE),
    "arp-timeout": (35, LONG),
    "ethernet-encap": (36, BYTE),
    "tcp-ttl": (37, BYTE),
    "tcp-keepalive": (38, LONG),
    "nis-domain": (40, TEXT),
    "nis-server": (41, ADDRESSES),
    "ntp-server": (42, ADDRESSES),
    "netbios-ns": (44, ADDRESSES),
    "netbios-dd": (45, ADDRESSES),
    "netbios-nodetype": (46, BYTE),
    "x-windows-fs": (48, ADDRESSES),
    "x-windows-dm": (49, ADDRESSES),
    "nis+-domain": (64, TEXT),
    "nis+-server": (65, ADDRESSES),
    "tftp-server": (66, TEXT),
    "bootfile-name": (67, TEXT),
    "mobile-ip-home": (68, ADDRESSES),
    "smtp-server": (69, ADDRESSES),
    "pop3-server": (70, ADDRESSES),
    "nntp-server": (71, ADDRESSES),
    "irc-server": (74, ADDRESSES),
    "posix-timezone": (100, TEXT),
    "tzdb-timezone": (101, TEXT),
    "ipv6-only": (108, LONG),
    "domain-search": (119, NAMES),
    "tftp-server-address": (150, ADDRESSES),
}
_BY_NUMBER = {number: (name, kind) for name, (number, kind) in OPTIONS.items()}

# What the server decides from other fields, or by the protocol.
_ELSEWHERE = {
    **dict.fromkeys(("netmask", 1), "it follows from addresses"),
    **dict.fromkeys(("mtu", 26), "use the field mtu"),
    **dict.fromkeys(("classless-static-route", 121, 249), "use the field routes"),
    **dict.fromkeys(("T1", "T2", 51, 58, 59), "use the field lease_time"),
}
_INTERNAL = {0, 12, 28, 43, 50, *range(52, 58), 60, 61, 77, 80, 81, 82, 93, 94, 97, 116, 118, 120, 124, 125, 255}

# What dnsmasq would take for something else than a name in a reservation: a lease time, or a word of its own.
_NOT_A_NAME = re.compile(r"_.*|\d+[smhdw]?|infinite|ignore")
_QUOTABLE = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without quotation mark and backslash


class Range(NamedTuple):
    """Addresses handed out to whoever asks, both ends included."""

    first: net.Address
    last: net.Address

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class Option(NamedTuple):
    """A DHCPv4 option: its name, or its number where it has none here, and values in their normal form."""

    name: str
    values: tuple[str, ...]

    @property
    def number(self) -> int:
        return OPTIONS[self.name][0] if self.name in OPTIONS else int(self.name)

    @property
    def is_text(self) -> bool:
        kind = OPTIONS[self.name][1] if self.name in OPTIONS else _kind_of(self.values)
        return kind == TEXT


class Route(NamedTuple):
    """A route that guests are told (option 121, RFC 3442)."""

    to: net.Network
    via: net.Address

    @classmethod
    def parse(cls, entry: Fields) -> Route:
        route = cls(entry.required("to", net.subnet), entry.required("via", net.address))
        entry.nothing_else()
        for name, value in (("to", route.to), ("via", route.via)):
            if value.version != 4:
                raise InputError(entry.place(name), f"{value} is not IPv4; option 121 is for IPv4 only")
        return route


@dataclass(frozen=True)
class Reservation:
    """The guest with ``mac`` is always ``name`` and has ``addresses``, at most one of each family."""

    name: str
    mac: str
    addresses: tuple[net.Address, ...] = ()

    @classmethod
    def parse(cls, entry: Fields) -> Reservation:
        parsed = cls(
            name=entry.required("name", guest_name),
            mac=entry.required("mac", net.mac),
            addresses=entry.each("addresses", net.address),
        )
        entry.nothing_else()
        for family in (4, 6):
            if len([a for a in parsed.addresses if a.version == family]) > 1:
                raise InputError(
                    entry.place("addresses"), f"more than one IPv{family} address; a reservation has one of each family"
                )
        return parsed


class Record(NamedTuple):
    """A name that is not a guest's."""

    name: str
    addresses: tuple[net.Address, ...]

    @classmethod
    def parse(cls, entry: Fields) -> Record:
        record = cls(
            entry.required("name", net.domain_name), tuple(net.in_order(set(entry.each("addresses", net.address))))
        )
        entry.nothing_else()
        if not record.addresses:
            raise InputError(entry.place("addresses"), "is missing; a record leads to one address or more")
        return record


@dataclass(frozen=True)
class Dns:
    """``forward``: whether guests may resolve what is not ours; ``forwarders``: whom to ask, none for the host's resolvers."""

    enabled: bool = True
    domain: Optional[str] = None
    forward: bool = True
    forwarders: tuple[net.Address, ...] = ()
    records: tuple[Record, ...] = ()

    @classmethod
    def parse(cls, entry: Fields) -> Dns:
        records = [(at, Record.parse(at)) for at in entry.entries("records", "name")]
        parsed = cls(
            enabled=entry.optional("enabled", net.boolean, True),
            domain=entry.optional("domain", net.domain_name),
            forward=entry.optional("forward", net.boolean, True),
            forwarders=entry.each("forwarders", net.address),
            records=tuple(sorted(record for _at, record in records)),
        )
        entry.nothing_else()
        refuse_duplicates(
            (at.place("name"), qualified(record.name, parsed.domain), "the name") for at, record in records
        )
        if parsed.records and not parsed.enabled:
            raise InputError(entry.place("records"), "nobody would answer for them; DNS is not enabled")
        if parsed.forwarders and not (parsed.enabled and parsed.forward):
            raise InputError(entry.place("forwarders"), "nobody would ask them; nothing is forwarded here")
        for index, forwarder in enumerate(parsed.forwarders):
            if (
                forwarder.is_unspecified
                or forwarder.is_multicast
                or (forwarder.version == 6 and forwarder.is_link_local)
            ):
                raise InputError(
                    f"{entry.place('forwarders')}[{index}]", f"{forwarder} is not an address of a DNS server"
                )
        return parsed


@dataclass(frozen=True)
class DhcpNetwork:
    """What the guests on ``bridge`` are told. ``addresses`` are the host's there; the first of each family is gateway and resolver.

    ``lease_time`` in seconds or ``infinite``, ``mtu`` in bytes. ``router``: whether guests get a default route.
    """

    bridge: str
    addresses: tuple[net.Interface, ...] = ()
    ranges: tuple[Range, ...] = ()
    lease_time: str = DEFAULT_LEASE
    reservations: tuple[Reservation, ...] = ()
    known_only: bool = False
    options: tuple[Option, ...] = ()
    routes: tuple[Route, ...] = ()
    mtu: Optional[int] = None
    router: bool = True
    ipv6: str = "none"
    dns: Dns = field(default_factory=Dns)

    @classmethod
    def parse(cls, entry: Fields, complete: bool = True) -> DhcpNetwork:
        """An entry that is not ``complete`` only names a network that is to go."""
        reservations = [(at, Reservation.parse(at)) for at in entry.entries("reservations", "name")]
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            addresses=entry.each("addresses", net.host_address),
            ranges=entry.each("ranges", address_range),
            lease_time=entry.optional("lease_time", net.lease_time, DEFAULT_LEASE),
            reservations=tuple(sorted((r for _at, r in reservations), key=lambda r: r.name)),
            known_only=entry.optional("known_only", net.boolean, False),
            options=_options(entry),
            routes=tuple(Route.parse(at) for at in entry.entries("routes", "to")),
            mtu=entry.optional("mtu", net.mtu),
            router=entry.optional("router", net.boolean, True),
            ipv6=entry.optional("ipv6", net.choice(*IPV6_MODES), "none"),
            dns=Dns.parse(Fields(entry.raw("dns", {}), entry.place("dns"))),
        )
        entry.nothing_else()
        if complete:
            parsed._check_addresses(entry)
            parsed._check_ranges(entry)
            parsed._check_reservations(entry, reservations)
            parsed._check_options(entry)
        return parsed

    def gateway(self, family: int) -> Optional[net.Interface]:
        """The host's first address of a family."""
        return next((a for a in self.addresses if a.version == family), None)

    def subnets(self, family: int) -> list[net.Network]:
        """In the order of the addresses, each once."""
        return list(dict.fromkeys(a.network for a in self.addresses if a.version == family))

    def _check_addresses(self, entry: Fields) -> None:
        if not self.addresses:
            raise InputError(
                entry.place("addresses"), "is missing; it has the host's addresses on the bridge, like 192.168.233.2/24"
            )
        refuse_duplicates(
            (f"{entry.place('addresses')}[{i}]", a.ip, "the address") for i, a in enumerate(self.addresses)
        )
        for index, address in enumerate(self.addresses):
            if address.version == 4 and address.network.prefixlen > 30:
                raise InputError(
                    f"{entry.place('addresses')}[{index}]",
                    f"{address.network} has no room for a guest; /30 is the smallest",
                )
        if self.ipv6 == "none":
            return
        if not self.subnets(6):
            raise InputError(
                entry.place("ipv6"), f"{self.ipv6} needs an IPv6 address of the host in {entry.place('addresses')}"
            )
        for subnet in self.subnets(6):
            if self.ipv6 == "slaac" and subnet.prefixlen != 64:
                raise InputError(entry.place("ipv6"), f"slaac needs a /64 (RFC 4862), {subnet} is not one")
            if subnet.prefixlen < 64:
                raise InputError(entry.place("ipv6"), f"{subnet} is larger than a /64, which dnsmasq does not serve")
        if self.mtu is not None and self.mtu < MIN_MTU_IPV6:
            raise InputError(
                entry.place("mtu"), f"{self.mtu} is too small for IPv6; it needs {MIN_MTU_IPV6} (RFC 8200)"
            )

    def _check_ranges(self, entry: Fields) -> None:
        seen: list[tuple[str, Range]] = []
        for index, range_ in enumerate(self.ranges):
            at = f"{entry.place('ranges')}[{index}]"
            version = range_.first.version
            if version == 6 and self.ipv6 != "stateful":
                raise InputError(
                    at, f"{range_} is IPv6; addresses are handed out where {entry.place('ipv6')} is stateful"
                )
            subnet = self._subnet_of(at, range_.first)
            if range_.last not in subnet:
                raise InputError(at, f"{range_.last} is outside {subnet}")
            for address in (range_.first, range_.last):
                _refuse_reserved(at, address, subnet)
            for own in self.addresses:
                if own.version == version and range_.first <= own.ip <= range_.last:  # type: ignore[operator]
                    raise InputError(at, f"{range_} contains {own.ip}, an address of the host")
            for other_at, other in seen:
                if other.first.version == version and range_.first <= other.last and other.first <= range_.last:  # type: ignore[operator]
                    raise InputError(at, f"{range_} overlaps {other}, which is {other_at}")
            seen.append((at, range_))

    def _check_reservations(self, entry: Fields, reservations: list[tuple[Fields, Reservation]]) -> None:
        for at, reservation in reservations:
            for index, address in enumerate(reservation.addresses):
                place = f"{at.place('addresses')}[{index}]"
                _refuse_reserved(place, address, self._subnet_of(place, address))
                if address in [own.ip for own in self.addresses]:
                    raise InputError(place, f"{address} is an address of the host")
        refuse_duplicates((at.place("mac"), r.mac, "the MAC address") for at, r in reservations)
        refuse_duplicates((at.place("addresses"), a, "the address") for at, r in reservations for a in r.addresses)
        names = {
            f"{entry.place('dns')}.records": [qualified(record.name, self.dns.domain) for record in self.dns.records]
        }
        refuse_duplicates(
            [
                *((at, name, "the name") for at, there in names.items() for name in there),
                *((at.place("name"), qualified(r.name, self.dns.domain), "the name") for at, r in reservations),
            ]
        )

    def _check_options(self, entry: Fields) -> None:
        at = entry.place("options")
        refuse_duplicates((f"{at}.{option.name}", option.number, "the option") for option in self.options)
        if not self.router and any(option.name == "router" for option in self.options):
            raise InputError(f"{at}.router", f"there is no default route here; {entry.place('router')} is false")
        refuse_duplicates(
            (f"{entry.place('routes')}[{i}]", route.to, "the route to") for i, route in enumerate(self.routes)
        )
        if len(self.routes) > 28:  # 9 octets at most for each, of the 255 of an option, with one for the default route
            raise InputError(entry.place("routes"), f"{len(self.routes)} routes do not fit into option 121; 28 do")
        if self.routes and not self.subnets(4):
            raise InputError(
                entry.place("routes"), f"option 121 needs an IPv4 address of the host in {entry.place('addresses')}"
            )
        for index, route in enumerate(self.routes):
            if not any(route.via in subnet for subnet in self.subnets(4)):
                outside = ", ".join(str(subnet) for subnet in self.subnets(4))
                raise InputError(
                    f"{entry.place('routes')}[{index}].via",
                    f"{route.via} is outside {outside}; guests could not reach it",
                )

    def _subnet_of(self, at: str, address: net.Address) -> net.Network:
        subnets = self.subnets(address.version)
        for subnet in subnets:
            if address in subnet:
                return subnet
        there = (
            ", ".join(str(subnet) for subnet in subnets)
            or f"what the host has on the bridge: no IPv{address.version} address"
        )
        raise InputError(at, f"{address} is outside {there}")


@dataclass(frozen=True)
class Leases(Resource):
    """The directory in which a network's server keeps its leases. The server makes it; we only ever remove it."""

    kind: ClassVar[str] = "leases"

    def lines(self) -> list[str]:
        return ["the leases that were handed out"]


def parse_networks(entries: Iterable[Fields], complete: bool = True) -> list[DhcpNetwork]:
    """The entries of one host. Raises InputError for two on one bridge."""
    networks = [(entry, DhcpNetwork.parse(entry, complete)) for entry in entries]
    refuse_duplicates((entry.place("bridge"), network.bridge, "the bridge") for entry, network in networks)
    return [network for _entry, network in networks]


def fingerprint(*texts: str) -> str:
    """A short word for what a server has read, to compare with what is on disk."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def qualified(name: str, domain: Optional[str]) -> str:
    """As DNS knows it: a single label is in the network's own domain."""
    return name if "." in name or not domain else f"{name}.{domain}"


def guest_name(value: Any) -> str:
    name = net.host_name(value)
    if _NOT_A_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not taken for a name by dnsmasq; avoid a number with or without unit, '_' first, infinite and ignore"
        )
    return name


def address_range(value: Any) -> Range:
    """``192.168.233.100-192.168.233.200``."""
    first, dash, last = net.text(value).partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not a range, like 192.168.233.100-192.168.233.200")
    result = Range(net.address(first), net.address(last))
    if result.first.version != result.last.version:
        raise ValueError(f"{value}: both ends have to be of one family")
    if result.last < result.first:  # type: ignore[operator]
        raise ValueError(f"{value}: the range ends before it begins; did you mean {result.last}-{result.first}?")
    return result


def _refuse_reserved(at: str, address: net.Address, subnet: net.Network) -> None:
    if address == subnet.network_address:
        raise InputError(at, f"{address} is the address of the subnet {subnet} itself")
    if address.version == 4 and address == subnet.broadcast_address:
        raise InputError(at, f"{address} is the broadcast address of {subnet}")


def _options(entry: Fields) -> tuple[Option, ...]:
    options = Fields(entry.raw("options", {}), entry.place("options"))
    return tuple(sorted((_option(options, key) for key in entry.raw("options", {})), key=lambda option: option.number))


def _option(options: Fields, key: Any) -> Option:
    at = options.place(key)
    name = str(key)
    number: Any = int(name) if re.fullmatch(r"[0-9]{1,3}", name) else name
    for known in (number, name):
        if known in _ELSEWHERE:
            raise InputError(at, f"is not set here; {_ELSEWHERE[known]}")
    if number in _INTERNAL or (isinstance(number, int) and number > 254):
        raise InputError(at, "is the protocol's own and cannot be set")
    name, kind = (
        _BY_NUMBER.get(number, (name, "")) if isinstance(number, int) else (name, OPTIONS.get(name, (0, ""))[1])
    )
    if not kind and not isinstance(number, int):
        raise InputError(at, f"is not an option known by name; a number from 1 to 254, or one of {', '.join(OPTIONS)}")
    values = options.each(key, net.text)
    if not values:
        raise InputError(at, "has no value")
    if kind == "":
        name, kind = str(number), _kind_of(values)
    if kind == TEXT and len(values) > 1:
        raise InputError(at, f"has {len(values)} values; it takes one text")
    parsed = options.each(key, lambda value: _option_value(kind, value))
    if sum(len(value) + 1 for value in parsed) > MAX_LINE - 30 or (kind == TEXT and len(parsed[0]) > 255):
        raise InputError(at, "is longer than an option can be (255 octets)")
    return Option(name, parsed)


def _kind_of(values: Iterable[str]) -> str:
    """Of an option that is not in OPTIONS: addresses if all of its values are, else numbers if all are, else a text."""
    for kind in (ADDRESSES, LONG):
        try:
            for value in values:
                _option_value(kind, value)
        except ValueError:
            continue
        return kind
    return TEXT


def _option_value(kind: str, value: Any) -> str:
    if kind == ADDRESSES:
        address = net.address(value)
        if address.version != 4:
            raise ValueError(f"{address} is not IPv4; these are options of DHCPv4")
        return str(address)
    if kind == NAMES:
        return net.domain_name(value)
    if kind in _INTEGERS:
        return str(net.integer(value, *_INTEGERS[kind]))
    text = net.text(value)
    if not _QUOTABLE.fullmatch(text):
        raise ValueError(f"{text!r} has other characters than printable ASCII, or a quotation mark or backslash")
    return text
