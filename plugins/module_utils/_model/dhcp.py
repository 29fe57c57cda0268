# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCP, DNS and router advertisement service of a network, and the options that it hands out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Optional

from . import net
from .boot_file import Boot
from .dhcp_option import Option, parse_options
from .dns import Dns
from .errors import InputError
from .fields import Fields, refuse_duplicates
from .lease import Lease
from .resource import Resource, show

IPV6_MODES = ("none", "slaac", "stateful")
CHECKSUM_FIXES = ("none", "tc")
MAX_LEASES = 65536
DEFAULT_LEASE = "3600"  # seconds
# Of the 1,024 characters that dnsmasq takes of a line, a route takes 35 at most, and an IPv6 address 42 beside a DUID of 390. In
# option 121 itself there would be room for 28.
MAX_ROUTES = 25
MAX_ADDRESSES = 12
MIN_MTU_IPV6 = 1280  # bytes, RFC 8200 section 5

_OCTETS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2})+")
_MAX_IDENTIFIER = 130  # octets of a DUID (RFC 8415 section 11.1)
# What dnsmasq would take for something else than a name in a reservation: a lease time, or a word of its own.
_NOT_A_NAME = re.compile(r"_.*|\d+[smhdw]?|infinite|ignore")


class Range(NamedTuple):
    """Addresses handed out to whoever asks, both ends included."""

    first: net.Address
    last: net.Address

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


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
    """The guest with ``mac``, ``client_id`` (DHCPv4) or ``duid`` (DHCPv6) is always ``name``, and has ``addresses`` and ``options``.

    DHCP hands out the first IPv4 address and all IPv6 addresses; the other IPv4 addresses are kept from other guests.
    """

    name: str
    mac: Optional[str] = None
    client_id: Optional[str] = None
    duid: Optional[str] = None
    addresses: tuple[net.Address, ...] = ()
    options: tuple[Option, ...] = ()

    @classmethod
    def parse(cls, entry: Fields) -> Reservation:
        parsed = cls(
            name=entry.required("name", guest_name),
            mac=entry.optional("mac", net.mac),
            client_id=entry.optional("client_id", identifier),
            duid=entry.optional("duid", _octets),
            addresses=entry.each("addresses", net.address),
            options=parse_options(entry),
        )
        entry.nothing_else()
        parsed = replace(parsed, addresses=parsed.of_family(4) + parsed.of_family(6))
        if len(parsed.addresses) > MAX_ADDRESSES:
            raise InputError(
                entry.place("addresses"), f"{len(parsed.addresses)} are too many for one guest; {MAX_ADDRESSES} fit"
            )
        if not (parsed.mac or parsed.client_id or parsed.duid):
            raise InputError(entry.place("mac"), "is missing; a guest is known by its mac, its client_id or its duid")
        if not (parsed.mac or parsed.client_id) and (parsed.options or parsed.of_family(4)):
            raise InputError(entry.place("mac"), "is missing; DHCPv4 does not know a guest by its duid")
        return parsed

    def of_family(self, version: int) -> tuple[net.Address, ...]:
        return tuple(a for a in self.addresses if a.version == version)


@dataclass(frozen=True)
class DhcpNetwork:
    """What the guests on ``bridge`` are told. ``addresses`` are the host's there; the first of each family is gateway and resolver.

    ``lease_time`` in seconds or ``infinite``, ``mtu`` in bytes. ``router``: whether guests get a default route.
    ``forced_options`` are sent also to guests that did not ask for them.
    """

    bridge: str
    addresses: tuple[net.Interface, ...] = ()
    ranges: tuple[Range, ...] = ()
    lease_time: str = DEFAULT_LEASE
    reservations: tuple[Reservation, ...] = ()
    known_only: bool = False
    lease_limit: Optional[int] = None
    authoritative: bool = True
    rapid_commit: bool = False
    ping_check: bool = False
    options: tuple[Option, ...] = ()
    forced_options: tuple[Option, ...] = ()
    routes: tuple[Route, ...] = ()
    mtu: Optional[int] = None
    router: bool = True
    ipv6: str = "none"
    boot: Optional[Boot] = None
    checksum_fix: str = "none"
    dns: Dns = field(default_factory=Dns)
    autostart: bool = field(default=True, compare=False)

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
            lease_limit=entry.optional("lease_limit", _lease_limit),
            authoritative=entry.optional("authoritative", net.boolean, True),
            rapid_commit=entry.optional("rapid_commit", net.boolean, False),
            ping_check=entry.optional("ping_check", net.boolean, False),
            options=parse_options(entry),
            forced_options=parse_options(entry, "forced_options"),
            routes=tuple(Route.parse(at) for at in entry.entries("routes", "to")),
            mtu=entry.optional("mtu", net.mtu),
            router=entry.optional("router", net.boolean, True),
            ipv6=entry.optional("ipv6", net.choice(*IPV6_MODES), "none"),
            boot=Boot.parse(Fields(entry.raw("boot"), entry.place("boot"))) if entry.given("boot") else None,
            checksum_fix=entry.optional("checksum_fix", net.choice(*CHECKSUM_FIXES), "none"),
            dns=Dns.parse(Fields(entry.raw("dns", {}), entry.place("dns"))),
            autostart=entry.optional("autostart", net.boolean, True),
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
        for name, what in (("mac", "the MAC address"), ("client_id", "the client id"), ("duid", "the DUID")):
            refuse_duplicates((at.place(name), getattr(r, name), what) for at, r in reservations if getattr(r, name))
        refuse_duplicates((at.place("addresses"), a, "the address") for at, r in reservations for a in r.addresses)
        if self.ipv6 == "stateful":
            for at, reservation in reservations:
                if reservation.of_family(6) and not (reservation.mac or reservation.duid):
                    raise InputError(at.place("duid"), "is missing; DHCPv6 does not know a guest by its client_id")
        taken = [self.dns.qualified(r.name) for r in self.dns.records if r.addresses or r.cname]
        refuse_duplicates(
            [
                *((f"{entry.place('dns')}.records", name, "the name") for name in taken),
                *((at.place("name"), self.dns.qualified(r.name), "the name") for at, r in reservations),
            ]
        )

    def _check_options(self, entry: Fields) -> None:
        refuse_duplicates(
            (f"{entry.place(name)}.{option.name}", option.number, "the option")
            for name in ("options", "forced_options")
            for option in getattr(self, name)
        )
        if not self.router:
            for at, options in [
                (entry.place("options"), self.options),
                (entry.place("forced_options"), self.forced_options),
                *((f"{entry.place('reservations')}[{r.name}].options", r.options) for r in self.reservations),
            ]:
                if any(option.name == "router" for option in options):
                    raise InputError(
                        f"{at}.router", f"there is no default route here; {entry.place('router')} is false"
                    )
        if self.boot and not self.subnets(4):
            raise InputError(entry.place("boot"), f"needs an IPv4 address of the host in {entry.place('addresses')}")
        refuse_duplicates(
            (f"{entry.place('routes')}[{i}]", route.to, "the route to") for i, route in enumerate(self.routes)
        )
        if len(self.routes) > MAX_ROUTES:
            raise InputError(
                entry.place("routes"), f"{len(self.routes)} routes do not fit into option 121; {MAX_ROUTES} do"
            )
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


@dataclass(frozen=True)
class HeldLease(Resource):
    """A lease that is in force; ``name`` is ``<bridge>/<address>``. ``server``: the host's address in its subnet."""

    kind: ClassVar[str] = "lease"

    lease: Lease
    server: Optional[net.Address] = None

    @property
    def bridge(self) -> str:
        return self.name.partition("/")[0]

    @property
    def title(self) -> str:
        return f"lease of {self.lease.address} on {self.bridge}"

    def lines(self) -> list[str]:
        known_by = self.lease.mac or self.lease.duid or self.lease.client_id
        return [f"name: {show(self.lease.name)}", f"guest: {show(known_by)}"]


@dataclass(frozen=True)
class Daemon(Resource):
    """A network's dnsmasq that no service manager runs; ``name`` is the bridge. The rest is as in a unit."""

    kind: ClassVar[str] = "dnsmasq"

    started_with: str = ""
    reloaded_with: str = ""


def fingerprint(*texts: str) -> str:
    """A short word for what a server has read, to compare with what is on disk."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def guest_name(value: Any) -> str:
    name = net.host_name(value)
    if _NOT_A_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not taken for a name by dnsmasq; avoid a number with or without unit, '_' first, infinite and ignore"
        )
    return name


def identifier(value: Any) -> str:
    """What a client calls itself (option 61): octets in hexadecimal with colons, or a text, of which the octets are taken."""
    try:
        return _octets(value)
    except ValueError:
        text = net.text(value)
    if not text.isascii() or not 2 <= len(text) <= _MAX_IDENTIFIER:
        raise ValueError(
            f"{text!r} is not a client id: octets like 01:52:54:00, or 2 to {_MAX_IDENTIFIER} ASCII characters"
        )
    return ":".join(f"{octet:02x}" for octet in text.encode())


def _octets(value: Any) -> str:
    text = net.text(value).lower()
    if not _OCTETS.fullmatch(text) or len(text) > 3 * _MAX_IDENTIFIER:
        raise ValueError(f"{value!r} is not a row of octets, like 00:03:00:01:52:54:00:00:00:65")
    return text


def _lease_limit(value: Any) -> int:
    return net.integer(value, 1, MAX_LEASES)


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
