# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters as a file in the format of sysctl.d, with what they were before we set them. Rendering and parsing are inverse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Setting(NamedTuple):
    value: str
    was: str


def render(settings: Mapping[str, Setting]) -> str:
    """In the order in which they have to be set: forwarding last, for it is what the others prepare."""
    ordered = sorted(settings.items(), key=lambda item: ("forward" in item[0], item[0]))
    return "".join(f"# was {s.was}\n{name} = {s.value}\n" for name, s in ordered)


def while_changed(old: str, new: str) -> str:
    """The file until parameters are as ``new`` says: what is new in it is still what it was, and what is no longer is remembered."""
    return render({**{name: Setting(s.was, s.was) for name, s in parse(new).items()}, **parse(old)})


def parse(text: str) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    was = ""
    for line in text.splitlines():
        if line.startswith("# was "):
            was = line[len("# was ") :]
        elif "=" in line:
            name, value = line.split("=", 1)
            settings[name.strip()] = Setting(value.strip(), was)
    return settings
