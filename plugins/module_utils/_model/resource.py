# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host consists of, as far as this collection is concerned: resources, each with a key and a normal form.

The state of a host, the state that is asked for and the state that is predicted are all mappings of keys to the same
frozen dataclasses, so that comparing two of them is comparing values.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, TypeVar

R = TypeVar("R", bound="Resource")


class Key(NamedTuple):
    kind: str
    name: str


@dataclass(frozen=True)
class Resource:
    """Base of all resources. ``kind`` tells what it is."""

    kind: ClassVar[str]

    name: str

    @property
    def key(self) -> Key:
        return Key(self.kind, self.name)

    @property
    def title(self) -> str:
        """Under which heading it appears in a diff. Resources may share one."""
        return f"{self.kind} {self.name}"

    def lines(self) -> list[str]:
        """How it appears in a diff, a line per attribute."""
        return [f"{f.name}: {show(getattr(self, f.name))}" for f in fields(self) if f.compare and f.name != "name"]


State = Mapping[Key, Resource]

# In files of network managers beside what we change there: lines of NetworkManager's keyfiles and of netplan's YAML.
_SECRET = re.compile(
    r"""^([ \t]*["']?[\w.-]*(?:password|passphrase|psk|secret|private-?key|preshared-key|wep-key|\bpin)[\w-]*["']?[ \t]*[=:][ \t]*)\S.*$""",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class File(Resource):
    """A regular file; ``name`` is its path."""

    kind: ClassVar[str] = "file"

    text: str
    mode: int = 0o644

    def lines(self) -> list[str]:
        end = [] if self.text.endswith("\n") else ["(the last line has no end)"]
        text = self.text if self.mode & stat.S_IROTH else _SECRET.sub(r"\1(hidden)", self.text)
        return [f"mode: {self.mode:04o}", *text.splitlines(), *end]


@dataclass(frozen=True)
class Sysctl(Resource):
    """A kernel parameter; ``name`` in the notation with slashes, which interface names with dots need."""

    kind: ClassVar[str] = "sysctl"

    value: str

    @property
    def title(self) -> str:
        return "sysctl"

    def lines(self) -> list[str]:
        return [f"{self.name} = {self.value}"]


@dataclass(frozen=True)
class Interface(Resource):
    """That there is a network interface of this name."""

    kind: ClassVar[str] = "interface"


@dataclass(frozen=True)
class Address(Resource):
    """An address of the host; ``name`` is ``<interface> <address>``, without a prefix length."""

    kind: ClassVar[str] = "address"

    @property
    def interface(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def ip(self) -> str:
        return self.name.partition(" ")[2]


@dataclass(frozen=True)
class Unit(Resource):
    """A systemd unit. ``current``: systemd has its unit file as it is on disk.

    ``started_with`` and ``reloaded_with`` are fingerprints of what its process has read: of what it takes a restart to
    change, and of what it takes a reload to change.
    """

    kind: ClassVar[str] = "unit"

    enabled: bool
    active: bool
    current: bool = True
    started_with: str = ""
    reloaded_with: str = ""

    def lines(self) -> list[str]:
        return [line for line in super().lines() if not line.endswith("_with: ")]


def show(value: Any) -> str:
    """One value, as diffs and messages print it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(show(item) for item in value) or "none"
    return str(value)


def fill(wanted: R, base: Resource) -> R:
    """``wanted`` with every field that it leaves open (None) taken from ``base``."""
    return replace(wanted, **{f.name: getattr(base, f.name) for f in fields(wanted) if getattr(wanted, f.name) is None})


def by_key(resources: Any) -> dict[Key, Resource]:
    return {resource.key: resource for resource in resources}
