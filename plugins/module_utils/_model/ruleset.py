# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as data: one fixed program, and elements of its sets and maps.

Every set belongs to one module. The types tell how an element is written in nft's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Optional

from .mark import MARK
from .resource import Resource

TABLE = "inet vmnet"


class SetType(NamedTuple):
    """``key`` and ``value`` are nft data types; ``value`` is empty for a set, ``module`` is whose elements it holds.

    ``interval``: keys may be ranges; ``ranges``: values are. ``counter``: each element counts the packets that were looked up
    and found by it; in a ``dynamic`` set the packets add the elements themselves, and no module does.
    """

    module: str
    key: tuple[str, ...]
    value: tuple[str, ...] = ()
    interval: bool = False
    ranges: bool = False
    counter: bool = False
    dynamic: bool = False


_FAMILIES = (("4", "ipv4_addr"), ("6", "ipv6_addr"))


def _of_both_families(sets: Mapping[str, SetType]) -> dict[str, SetType]:
    """``address`` in a type stands for the address type of each family; the set's name gets the family's number."""
    result = {}
    for name, kind in sets.items():
        for number, address in _FAMILIES:
            types = [tuple(address if t == "address" else t for t in part) for part in (kind.key, kind.value)]
            result[name + number] = kind._replace(key=types[0], value=types[1])
    return result


_LISTENER = ("inet_proto", "inet_service")
_TARGET = ("address", "inet_service")

# The prefix keeps the names clear of nft's reserved words.
SETS: Mapping[str, SetType] = {
    "vn_bridges": SetType("policies", ("ifname",)),
    "vn_self": SetType("policies", ("ifname", "ifname")),
    "vn_apart": SetType("policies", ("ifname",)),
    "vn_peers": SetType("policies", ("ifname", "ifname")),
    "vn_any_uplink": SetType("policies", ("ifname",)),
    "vn_uplinks": SetType("policies", ("ifname", "ifname")),
    "vn_guarded": SetType("policies", ("ifname",)),
    "vn_echo": SetType("policies", ("ifname",)),
    "vn_services": SetType("policies", ("ifname", *_LISTENER)),
    "vn_from": SetType("policies", ("ifname",), counter=True),
    "vn_to": SetType("policies", ("ifname",), counter=True),
    # A range of addresses and ports is more than nft 1.0.6 can hold for IPv6.
    "vn_snat4": SetType("nat", ("ifname", "ipv4_addr"), ("ipv4_addr", "inet_service"), interval=True, ranges=True),
    "vn_snat_portless4": SetType("nat", ("ifname", "ipv4_addr"), ("ipv4_addr",), interval=True, ranges=True),
    "vn_snat6": SetType("nat", ("ifname", "ipv6_addr"), ("ipv6_addr",), interval=True),
    **_of_both_families(
        {
            "vn_closed": SetType("policies", ("address",), interval=True),
            "vn_inside": SetType("policies", ("address",), interval=True),
            "vn_open": SetType("policies", ("ifname",)),
            "vn_sources": SetType("policies", ("ifname", "address"), interval=True),
            "vn_out": SetType("policies", ("ifname",), ("verdict",)),
            "vn_in": SetType("policies", ("ifname",), ("verdict",)),
            # Guests get the address of the host, or with vn_nat those that are given for them.
            "vn_masqueraded": SetType("nat", ("ifname", "address"), interval=True),
            "vn_masqueraded_uplinks": SetType("nat", ("ifname", "ifname", "address"), interval=True),
            "vn_nat": SetType("nat", ("ifname", "address"), interval=True),
            "vn_nat_uplinks": SetType("nat", ("ifname", "ifname", "address"), interval=True),
            "vn_received": SetType("", ("address", *_LISTENER), counter=True, dynamic=True),
            "vn_sent": SetType("", ("address", *_LISTENER), counter=True, dynamic=True),
            "vn_forwards": SetType("port_forwards", ("address", *_LISTENER), _TARGET),
            "vn_forwards_any": SetType("port_forwards", _LISTENER, _TARGET),
            "vn_forwards_from": SetType("port_forwards", ("address", "address", *_LISTENER), _TARGET, interval=True),
            "vn_forwards_any_from": SetType("port_forwards", ("address", *_LISTENER), _TARGET, interval=True),
        }
    ),
}


@dataclass(frozen=True)
class Element(Resource):
    """One element of one set. ``name`` is ``<set> <key>``, which makes two elements of the same key one resource.

    Its mark, ``vmnet:<scope>/<bridge>``, is the comment that the element has in the kernel.
    """

    kind: ClassVar[str] = "element"

    value: str = ""
    scope: str = ""
    bridge: str = ""

    @property
    def title(self) -> str:
        return f"nft table {TABLE}"

    @cached_property
    def set(self) -> str:
        return self.name.partition(" ")[0]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The key, as it is written but without quotes: ``("vmnet8", "192.168.233.0/24")``."""
        return tuple(self.name.split(" ", 1)[1].split(" . "))

    @cached_property
    def module(self) -> str:
        return SETS[self.set].module if self.set in SETS else ""

    @property
    def mark(self) -> str:
        return f"{MARK}{self.scope}/{self.bridge}" if self.scope else ""

    def lines(self) -> list[str]:
        return [f"{self.name}{f' : {self.value}' if self.value else ''}  # {self.mark or 'not ours'}"]


@dataclass(frozen=True)
class Program(Resource):
    """The chains, rules and set types of the table. ``intact``: the kernel has them as we wrote them.

    ``edits`` say what is different, in words; they are for people and not compared.
    """

    kind: ClassVar[str] = "program"

    intact: bool = True
    edits: tuple[str, ...] = field(default=(), compare=False)

    @property
    def title(self) -> str:
        return f"nft table {TABLE}"

    def lines(self) -> list[str]:
        if self.intact:
            return ["chains and rules: as written by this collection"]
        return ["chains and rules: edited by hand, or by another version of this collection", *self.edits]


PROGRAM = Program("vmnet")


@dataclass(frozen=True)
class Counter(Resource):
    """What the kernel has counted under one key of a set that counts; ``name`` is ``<set> <key>`` as that of an element.

    It is nobody's to plan: packets make it, and it goes with what it counted.
    """

    kind: ClassVar[str] = "counter"

    packets: int
    bytes: int

    @property
    def set(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split(" ", 1)[1].split(" . "))


def element(set_name: str, *key: Any, value: str = "", scope: str, bridge: str) -> Element:
    return Element(f"{set_name} {' . '.join(str(part) for part in key)}", value, scope, bridge)


def parse_mark(comment: Optional[str]) -> tuple[str, str]:
    """(scope, bridge) of a comment, empty where it is not ours."""
    if not comment or not comment.startswith(MARK):
        return "", ""
    scope, bridge = comment[len(MARK) :].partition("/")[::2]
    return scope, bridge
