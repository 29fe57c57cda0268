# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two states of a host to what has to be done. Pure: no kernel, no Ansible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, Optional

from .._model import layout
from .._model.resource import Key, Resource, State


@dataclass(frozen=True)
class Request:
    """What one module run was asked for. ``entries`` are the parsed entries of its list."""

    entries: tuple[Any, ...]
    scope: str = "default"
    state: str = "present"
    purge: bool = False
    purge_bridges: tuple[str, ...] = ()
    # Where the same run purges bridges, too: those that it leaves.
    staying_bridges: Optional[frozenset[str]] = None
    persistent: bool = True
    systemd: bool = True
    machine_id: str = ""
    option: str = ""

    @cached_property
    def elements(self) -> tuple[Any, ...]:
        """What entries of the packet filter are there: made once, for there may be very many."""
        return tuple(element for entry in self.entries for element in entry.elements(self.scope))

    @property
    def present(self) -> bool:
        return self.state == "present"

    def root(self, entry: Any) -> str:
        """Under which directory an entry is recorded: that of boot, or one that is empty then."""
        return layout.root(self.persistent and entry.autostart)

    def at(self, name: object) -> str:
        """The place of an entry, as error messages name it."""
        return f"{self.option}[{name}]"


@dataclass(frozen=True)
class Plan:
    """Two states of the same host. What is in one of them only is created or removed."""

    before: State
    after: State
    # What comes with the first entry and goes with the last, or with what else is shown. An earlier task may bring it, so a
    # prediction leaves it out.
    implied: frozenset[Key] = frozenset()

    @property
    def created(self) -> list[Resource]:
        return [r for key, r in self.after.items() if key not in self.before]

    @property
    def changed(self) -> list[tuple[Resource, Resource]]:
        return [(self.before[key], r) for key, r in self.after.items() if key in self.before and self.before[key] != r]

    @property
    def removed(self) -> list[Resource]:
        return [r for key, r in self.before.items() if key not in self.after]

    def __bool__(self) -> bool:
        return bool(self.removed or self.created or self.changed)

    def leads_to(self, state: State) -> State:
        """What becomes of a host in this state. A plan may be about a part of it, and know less of that than there is to know."""
        gone = self.before.keys() - self.after.keys()
        made = {key: r for key, r in self.after.items() if self.before.get(key) != r}
        return {**{key: r for key, r in state.items() if key not in gone}, **made}

    def pairs(self) -> Iterator[tuple[Resource | None, Resource | None]]:
        """(before, after) of everything that differs, in the order of the states."""
        for key in {**self.before, **self.after}:
            old, new = self.before.get(key), self.after.get(key)
            if old != new:
                yield old, new

    def only(self, *kinds: str) -> Plan:
        """The part of the plan that is about these kinds of resources."""
        return Plan(of_kind(self.before, *kinds), of_kind(self.after, *kinds))

    def part(self, has: Callable[[Key], bool]) -> Plan:
        """The part of the plan that is about the resources whose keys it has."""
        before, after = ({key: r for key, r in state.items() if has(key)} for state in (self.before, self.after))
        return Plan(before, after, self.implied)


def of_kind(state: State, *kinds: str) -> dict[Key, Any]:
    return {key: r for key, r in state.items() if key.kind in kinds}
