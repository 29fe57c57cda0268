# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv4 options: their names, numbers and kinds of values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from . import net
from .errors import InputError
from .fields import Fields, refuse_duplicates

# dnsmasq reads lines of at most 1,024 characters and takes the rest for another line.
MAX_LINE = 1000

# Kinds of values that an option has. Addresses and names may be several.
ADDRESSES, TEXT, NAMES, BYTE, SHORT, LONG = "addresses", "text", "names", "byte", "short", "long"
_INTEGERS = {BYTE: (0, 2**8 - 1), SHORT: (0, 2**16 - 1), LONG: (-(2**31), 2**32 - 1)}
# Of options that have no name here: octets, and a number that may say how many of them it is to have.
OCTETS, NUMBER = "octets", "number"
_SIZES = {"b": 1, "s": 2, "i": 4}

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

_OCTETS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2})+")
_NUMBER = re.compile(r"([0-9]{1,10})([bsi]?)")
_CUT_SHORT = re.compile(r"[0-9]*[bsi]")  # dnsmasq takes the last letter for the size of a number, whatever the option
_QUOTABLE = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without quotation mark and backslash


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


def parse_options(entry: Fields, name: str = "options") -> tuple[Option, ...]:
    """The mapping of options to values in a field, in the order of their numbers. Raises InputError, also for one given twice."""
    given = entry.raw(name, {})
    options = Fields(given, entry.place(name))
    parsed = tuple(sorted((_option(options, key) for key in given), key=lambda option: option.number))
    refuse_duplicates((f"{entry.place(name)}.{option.name}", option.number, "the option") for option in parsed)
    return parsed


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
    if kind not in (ADDRESSES, NAMES) and len(values) > 1:
        raise InputError(at, f"has {len(values)} values; it takes one {_IN_WORDS.get(kind, 'number')}")
    parsed = options.each(key, lambda value: _option_value(kind, value))
    if sum(len(value) + 1 for value in parsed) > MAX_LINE - 100 or (kind == TEXT and len(parsed[0]) > 255):
        raise InputError(at, "is longer than an option can be (255 octets)")
    return Option(name, parsed)


_IN_WORDS = {TEXT: "text", OCTETS: "row of octets"}


def _kind_of(values: Iterable[str]) -> str:
    """Of an option that is not in OPTIONS: addresses, a number or octets if all of its values are, else a text."""
    for kind in (ADDRESSES, NUMBER, OCTETS):
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
    if kind in _INTEGERS:
        return str(net.integer(value, *_INTEGERS[kind]))
    text = net.text(value)
    if kind == NUMBER:
        return _number(text)
    if kind == OCTETS:
        if not _OCTETS.fullmatch(text.lower()):
            raise ValueError(f"{text!r} is not a row of octets, like 01:0a:ff")
        return text.lower()
    if _CUT_SHORT.fullmatch(text):
        raise ValueError(f"{text!r} is a number with a unit to dnsmasq, not a text")
    if kind == NAMES:
        return net.domain_name(text)
    if not _QUOTABLE.fullmatch(text):
        raise ValueError(f"{text!r} has other characters than printable ASCII, or a quotation mark or backslash")
    return text


def _number(text: str) -> str:
    """``5``, or ``5b``, ``5s``, ``5i`` for one with 1, 2 or 4 octets; without a letter it has as many as it needs."""
    match = _NUMBER.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a number, like 5, or 5b, 5s, 5i for one of 1, 2 or 4 octets")
    return str(net.integer(match.group(1), 0, 2 ** (8 * _SIZES.get(match.group(2), 4)) - 1)) + match.group(2)
