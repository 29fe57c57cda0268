# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters as a file in the format of sysctl.d, with what they were before we set them. Rendering and parsing are inverse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_WAS = "# was "
_SETTING = re.compile(r"(#?)(\S+) = (.*)")


class Setting(NamedTuple):
    value: str
    was: str
    # Remembered, but not set by whoever reads the file.
    pending: bool = False


def render(settings: Mapping[str, Setting]) -> str:
    """In the order in which they have to be set: forwarding last, for it is what the others prepare."""
    ordered = sorted(settings.items(), key=lambda item: ("forward" in item[0], item[0]))
    return "".join(f"{_WAS}{s.was}\n{'#' * s.pending}{name} = {s.value}\n" for name, s in ordered)


def parse(text: str) -> dict[str, Setting]:
    """Lines that do not say what was before are not ours."""
    settings: dict[str, Setting] = {}
    lines = text.splitlines()
    for before, line in zip(lines, lines[1:]):
        found = _SETTING.fullmatch(line)
        if before.startswith(_WAS) and found:
            pending, name, value = found.groups()
            settings[name] = Setting(value, before[len(_WAS) :], bool(pending))
    return settings


def while_changed(old: str, new: str) -> str:
    """The file until parameters are as ``new`` says: nothing is forgotten, and what comes or goes is pending."""
    before, after = parse(old), parse(new)
    stay = {name for name, setting in before.items() if name in after and not setting.pending}
    return render({name: s._replace(pending=name not in stay) for name, s in {**before, **after}.items()})
