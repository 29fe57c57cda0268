# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of others, as far as they decide about our guests' packets: base chains with all that they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional

from .resource import Resource


@dataclass(frozen=True)
class Match:
    """One condition. A packet meets it if its ``field`` is one of ``values``, or is none of them where it is ``negated``.

    A condition that we cannot judge has no field.
    """

    field: str = ""
    values: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True)
class Rule:
    """``verdict`` is accept, drop (a refusal too), return, jump, goto, or unknown; one without a verdict only counts or logs."""

    matches: tuple[Match, ...]
    verdict: str
    target: str = ""


@dataclass(frozen=True)
class Table:
    """Chains of one table, by name: the base chains, each with its hook and policy, and those that they lead to."""

    family: str  # ip, ip6 or inet
    name: str
    base: tuple[tuple[str, str, str], ...]  # name, hook, policy
    chains: tuple[tuple[str, tuple[Rule, ...]], ...]
    legacy: bool = False  # of the iptables that nft cannot see

    def rules(self, chain: str) -> tuple[Rule, ...]:
        return dict(self.chains).get(chain, ())

    def has(self, chain: str) -> bool:
        return chain in dict(self.chains)

    def __str__(self) -> str:
        if self.legacy:
            return f"table {self.name} of {'ip6tables' if self.family == 'ip6' else 'iptables'}-legacy"
        return f"table {self.family} {self.name}"


@dataclass(frozen=True)
class Packet:
    """One that must get through. ``about`` says what it stands for, ``hook`` is forward or input."""

    about: str
    family: int
    hook: str
    iif: str
    oif: str
    protocol: str
    source: str
    destination: str
    source_port: int = 40000
    port: int = 443
    established: bool = False
    translated: bool = False  # its destination, by us
    destination_type: str = "unicast"


@dataclass(frozen=True)
class Surroundings(Resource):
    """What a host has beside what is ours. It is read, and never changed."""

    kind: ClassVar[str] = "surroundings"

    tables: tuple[Table, ...] = ()
    uplinks: tuple[tuple[int, str], ...] = ()  # family, interface of its default route
    bridge_netfilter: bool = False  # whether frames between the ports of a bridge come by at the rules for forwarding
    docker: tuple[str, ...] = ()  # iptables, ip6tables: for which it has its chains, or will have them once it runs
    firewalld: bool = False
    ufw: bool = False
    # Given by somebody else already: zone of an interface; rules of ufw.
    zones: tuple[tuple[str, str], ...] = ()
    ufw_rules: tuple[str, ...] = field(default=())

    def uplink(self, family: int) -> Optional[str]:
        return dict(self.uplinks).get(family)


SURROUNDINGS = Surroundings("host").key
