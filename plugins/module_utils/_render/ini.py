# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of sections and ``key=value`` lines as systemd and GLib read them: a section or a key may be there several times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional


class Section(NamedTuple):
    name: str
    lines: tuple[str, ...]  # without comments and blank lines

    def get(self, key: str) -> Optional[str]:
        """The last value of the key."""
        values = [value for name, value in map(_pair, self.lines) if name == key]
        return values[-1] if values else None

    def only(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(line for line in self.lines if _pair(line)[0] in set(keys))

    def without(self, keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(line for line in self.lines if _pair(line)[0] not in set(keys))

    def renamed(self, keys: Iterable[str], old: str, new: str) -> Section:
        """With another value of the keys where they have the old one."""
        pairs = {(key, old): f"{key}={new}" for key in keys}
        return Section(self.name, tuple(pairs.get(_pair(line), line) for line in self.lines))


def parse(text: str) -> list[Section]:
    sections: list[Section] = []
    # A backslash at the end of a line joins the next to it (systemd.syntax(7)).
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            sections.append(Section(line[1:-1], ()))
        elif line and line[0] not in "#;" and sections:
            sections[-1] = Section(sections[-1].name, (*sections[-1].lines, line))
    return sections


def render(sections: Iterable[Section], comment: str) -> str:
    blocks = ["\n".join([f"[{section.name}]", *section.lines]) for section in sections]
    return "\n\n".join([f"# {comment}", *blocks]) + "\n"


def _pair(line: str) -> tuple[str, str]:
    key, _equals, value = line.partition("=")
    return key.strip(), value.strip()
