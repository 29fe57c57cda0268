# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which flows a change of port forwards concerns: those that would go elsewhere if they began now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from .._model import net
from .._model.port_forward import Parts, parts
from .._model.resource import Resource, State
from .._model.ruleset import Element
from .core import Plan

Target = tuple[str, int]
Port = tuple[int, str, int]  # family, protocol, port of the host


class Flow(NamedTuple):
    """As connection tracking knows it: where it came from and was sent to, and which address and port answer."""

    family: int
    protocol: str
    source: str
    sport: int
    destination: str
    dport: int
    answers: Target

    @property
    def port(self) -> Port:
        return self.family, self.protocol, self.dport


class Forwards:
    """The port forwards of a state, as far as they are of these ports."""

    def __init__(self, state: State, ports: set[Port]) -> None:
        self._of: dict[Port, list[Parts]] = {}
        for forward in _forwards(state.values(), {port for _family, _protocol, port in ports}):
            self._of.setdefault((forward.family, forward.protocol, forward.port), []).append(forward)

    def target(self, flow: Flow) -> Optional[Target]:
        """Where the packet filter would send such a flow; the most specific forward wins, as in its chain `forwards`."""
        found = [f for f in self._of.get(flow.port, ()) if _matches(f, flow)]
        if not found:
            return None
        best = max(found, key=lambda f: (f.address is not None, f.source is not None))
        return best.to_address, best.to_port


def changed_ports(plan: Plan) -> set[Port]:
    """The ports of which a forward comes, goes or changes."""
    differing = [r for pair in plan.only(Element.kind).pairs() for r in pair if r]
    return {(f.family, f.protocol, f.port) for f in _forwards(differing)}


def is_stale(flow: Flow, before: Forwards, after: Forwards, local: set[str]) -> bool:
    """``local``: the host's addresses. Of what no forward led anywhere until now, only UDP: a client that goes on sending keeps
    its flow alive. A connection of another protocol that is there when a forward comes is the host's own.
    """
    was, will = before.target(flow), after.target(flow)
    sent_to = (flow.destination, flow.dport)
    if was == will:
        return False
    if was is None:
        return flow.protocol == "udp" and flow.answers == sent_to and flow.destination in local
    return flow.answers == was != sent_to


def _forwards(resources: Iterable[Resource], ports: Optional[set[int]] = None) -> Iterable[Parts]:
    for r in resources:
        if isinstance(r, Element) and r.module == "port_forwards" and (ports is None or int(r.parts[-1]) in ports):
            yield parts(r)


def _matches(forward: Parts, flow: Flow) -> bool:
    if forward.address is None and net.address(flow.destination).is_loopback:
        return False
    if forward.address not in (None, flow.destination):
        return False
    return forward.source is None or net.address(flow.source) in net.subnet(forward.source)
