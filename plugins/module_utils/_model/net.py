# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of the notations that networks are written in.

Each takes one value as a user wrote it, returns its normal form, and raises ValueError saying what was wrong with it.
Addresses, interfaces and networks are the types of the standard library's ``ipaddress``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Interface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# The kernel takes more (IFNAMSIZ - 1 bytes, no slash or white space), but it expands "%d" and other tools split at the rest.
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_NOT_INTERFACES = ("all", "default", "lo")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_MAC = re.compile(r"[0-9a-f]{2}([:-]?[0-9a-f]{2}){5}")
_SCOPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DURATION = re.compile(r"(\d+)([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")

INFINITE = "infinite"
MIN_LEASE = 120  # seconds; dnsmasq raises anything shorter to this by itself


def interface_name(value: Any) -> str:
    name = _text(value)
    if len(name) > 15:
        raise ValueError(f"{name} has {len(name)} characters; an interface name has at most 15")
    if not _INTERFACE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not an interface name; letters, digits, '_', '.' and '-' are accepted, no '.' or '-' first"
        )
    if name in _NOT_INTERFACES:
        raise ValueError(f"{name} has a meaning of its own in the kernel; choose another name")
    return name


def scope_name(value: Any) -> str:
    name = _text(value)
    if not _SCOPE.fullmatch(name):
        raise ValueError(f"{name!r} is not a scope; 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or digit")
    return name


def address(value: Any) -> Address:
    try:
        return ipaddress.ip_address(_without_zone(_text(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None


def host_address(value: Any) -> Interface:
    """An address with its prefix length, host bits kept: ``192.168.233.2/24``."""
    text = _text(value)
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix length; write it like 192.168.233.2/24")
    try:
        parsed = ipaddress.ip_interface(_without_zone(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an address with a prefix length, like 192.168.233.2/24") from None
    _usable(parsed)
    return parsed


def subnet(value: Any) -> Network:
    """A network; host bits are cleared: ``192.168.233.2/24`` is ``192.168.233.0/24``."""
    try:
        return ipaddress.ip_network(_without_zone(_text(value)), strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not a subnet, like 192.168.233.0/24") from None


def ends(value: Any) -> tuple[Address, Address]:
    """First and last of a range of addresses, from ``192.168.1.5-192.168.1.9``, a subnet, or one address."""
    text = _text(value)
    first, dash, last = text.partition("-")
    if not dash:
        network = subnet(text)
        return network[0], network[-1]
    low, high = address(first), address(last)
    if low.version != high.version or high < low:  # type: ignore[operator]
        raise ValueError(f"{text}: the range ends before it begins, or in another family")
    return low, high


def span(first: Address, last: Address) -> str:
    """The inverse of ``ends``."""
    return f"{first}-{last}"


def mac(value: Any) -> str:
    """A unicast MAC address, lower case with colons."""
    if isinstance(value, int):
        raise ValueError(
            f"{value} is a number: YAML counts 52:54:00:00:00:65 in base 60 unless it is in quotes; quote it"
        )
    text = _text(value).lower()
    if not _MAC.fullmatch(text):
        raise ValueError(f"{value!r} is not a MAC address, like 52:54:00:00:00:65")
    digits = re.sub("[:-]", "", text)
    if int(digits[:2], 16) & 1:
        raise ValueError(f"{text} is a multicast address; the first octet of an interface's MAC is even")
    if digits == "000000000000":
        raise ValueError("an interface cannot have the MAC address of zeros")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def mtu(value: Any) -> int:
    """Bytes. 68 is IPv4's smallest (RFC 791), 65535 what the kernel takes."""
    return integer(value, 68, 65535)


def port(value: Any) -> int:
    return integer(value, 1, 65535)


def ports(value: Any) -> range:
    """A port or a range of ports: ``80`` or ``5000-5010``."""
    first, dash, last = _text(value).partition("-")
    low = port(first)
    high = port(last) if dash else low
    if high < low:
        raise ValueError(f"{value}: the range ends before it begins; did you mean {high}-{low}?")
    return range(low, high + 1)


def port_range(ports: range) -> str:
    """The inverse of ``ports``."""
    return str(ports[0]) if len(ports) == 1 else f"{ports[0]}-{ports[-1]}"


def integer(value: Any, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value).strip()):
        raise ValueError(f"{value!r} is not a whole number")
    number = int(value)
    if not lowest <= number <= highest:
        raise ValueError(f"{number} is out of range; {lowest} to {highest} are accepted")
    return number


def lease_time(value: Any) -> str:
    """Seconds as a string, or ``infinite``; from ``90m``, ``1h``, ``2d``, a number of seconds, or ``infinite``."""
    text = _text(value)
    if text == INFINITE:
        return text
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a lease time; seconds, or like 30m, 2h, 1d, or infinite")
    seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    if not MIN_LEASE <= seconds < 2**32 - 1:
        raise ValueError(f"{text} is out of range; two minutes ({MIN_LEASE}) is the shortest lease time")
    return str(seconds)


def host_name(value: Any) -> str:
    """A single DNS label (RFC 1035 §2.3.1, with the underscores and leading digits that are in use)."""
    text = _text(value)
    if not _LABEL.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a host name: letters, digits, '-' and '_', at most 63 of them, not ending in '-'"
        )
    return text.lower()


def domain_name(value: Any) -> str:
    text = _text(value).rstrip(".")
    if not text or len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError(f"{value!r} is not a domain name")
    return text.lower()


def choice(*accepted: str) -> Any:
    def parse(value: Any) -> str:
        text = _text(value)
        if text not in accepted:
            raise ValueError(f"{text!r} is not accepted; one of {', '.join(accepted)}")
        return text

    return parse


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in ("yes", "true", "on", "1"):
        return True
    if text in ("no", "false", "off", "0"):
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def text(value: Any) -> str:
    return _text(value)


def in_order(values: Any) -> list[Any]:
    """Addresses or networks of both families in one order: IPv4 first, then by number."""
    return sorted(values, key=lambda value: (value.version, value))


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{value!r} is not a text")
    result = str(value).strip()
    if not result or not result.isprintable():
        raise ValueError(f"{value!r} is empty or has characters that cannot be printed")
    return result


def _without_zone(text: str) -> str:
    """Refuse ``fe80::1%eth0`` (RFC 4007): Python takes any text for the zone, and nft and ip would get it as it is."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    return text


def _usable(value: Interface) -> None:
    ip = value.ip
    if ip.version == 6 and ip.ipv4_mapped:
        raise ValueError(f"{ip} is an IPv4 address in the notation of IPv6; write {ip.ipv4_mapped}")
    if ip.is_unspecified or ip.is_multicast or ip.is_loopback:
        raise ValueError(f"{ip} cannot be an address of a network interface")
    if ip.version == 6 and ip.is_link_local:
        raise ValueError(f"{ip} is link-local; the kernel assigns it by itself")
    if value.network.num_addresses > 2:
        if ip == value.network.network_address:
            raise ValueError(
                f"{value} is the subnet's own address; the first usable one is {value.network[1]}/{value.network.prefixlen}"
            )
        if ip.version == 4 and ip == value.network.broadcast_address:
            raise ValueError(
                f"{value} is the subnet's broadcast address; the last usable one is {value.network[-2]}/{value.network.prefixlen}"
            )
