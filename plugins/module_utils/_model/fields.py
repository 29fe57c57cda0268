# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a mapping that a user wrote, so that every complaint names the place it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, Protocol, TypeVar

from .errors import InputError

T = TypeVar("T")


class _OfBridge(Protocol):
    @property
    def bridge(self) -> str:
        """The name of its bridge."""


B = TypeVar("B", bound=_OfBridge)


class Fields:
    """One entry, at a place such as ``nat_networks[vmnet8].dhcp``. None counts as not given."""

    def __init__(self, values: Any, at: str) -> None:
        if not isinstance(values, Mapping):
            raise InputError(at, f"{values!r} is not a mapping of field names to values")
        self._values = values
        self._asked: set[str] = set()
        self.at = at

    def place(self, name: str) -> str:
        return f"{self.at}.{name}"

    def given(self, name: str) -> bool:
        self._asked.add(name)
        return self._values.get(name) is not None

    def raw(self, name: str, default: Any = None) -> Any:
        return self._values[name] if self.given(name) else default

    def required(self, name: str, parse: Callable[[Any], T]) -> T:
        if not self.given(name):
            raise InputError(self.place(name), "is missing")
        return self._parsed(self.place(name), parse, self._values[name])

    def optional(self, name: str, parse: Callable[[Any], T], default: Any = None) -> Any:
        if not self.given(name):
            return default
        return self._parsed(self.place(name), parse, self._values[name])

    def each(self, name: str, parse: Callable[[Any], T], default: Iterable[T] = ()) -> tuple[T, ...]:
        """A list, or a single value that stands for a list of one."""
        if not self.given(name):
            return tuple(default)
        values = self._values[name]
        if not isinstance(values, (list, tuple)):
            values = [values]
        return tuple(self._parsed(f"{self.place(name)}[{i}]", parse, value) for i, value in enumerate(values))

    def all(self) -> Mapping[str, Any]:
        """Everything that was given, for somebody else to read."""
        self._asked.update(self._values)
        return {name: value for name, value in self._values.items() if value is not None}

    def entries(self, name: str, key: str) -> list[Fields]:
        """A list of mappings; the place of each is named by its field ``key`` where it has one."""
        return entries(self.raw(name, []), self.place(name), key)

    def nothing_else(self) -> None:
        """Call it last. Raises InputError for a field that nobody asked for."""
        unknown = [name for name in self._values if name not in self._asked]
        if unknown:
            raise InputError(self.place(unknown[0]), f"is not a field of it; it has {', '.join(sorted(self._asked))}")

    @staticmethod
    def _parsed(at: str, parse: Callable[[Any], T], value: Any) -> T:
        try:
            return parse(value)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(at, str(error)) from None


def entries(values: Any, at: str, key: str) -> list[Fields]:
    if not isinstance(values, (list, tuple)):
        raise InputError(at, f"{values!r} is not a list")
    result = []
    for index, value in enumerate(values):
        label = value.get(key, index) if isinstance(value, Mapping) else index
        result.append(Fields(value, f"{at}[{label}]"))
    return result


def refuse_duplicates(items: Iterable[tuple[str, Any, str]]) -> None:
    """Takes (place, value, what it is); raises InputError for the second of two equal values, naming both places."""
    seen: dict[tuple[str, Any], str] = {}
    for at, value, what in items:
        if (what, value) in seen:
            raise InputError(at, f"{what} {value} is already that of {seen[what, value]}")
        seen[what, value] = at


def one_per_bridge(parse: Callable[[Fields, bool], B]) -> Callable[[list[Fields], bool], list[B]]:
    """Makes of what reads one entry what reads a list. That raises InputError for the second of two on one bridge."""

    def parse_all(listed: list[Fields], complete: bool) -> list[B]:
        parsed = [parse(entry, complete) for entry in listed]
        refuse_duplicates((entry.at, each.bridge, "the bridge") for entry, each in zip(listed, parsed))
        return parsed

    return parse_all
