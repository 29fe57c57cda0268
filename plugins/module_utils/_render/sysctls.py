# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters as a file in the format of sysctl.d, with what they were before we set them. Rendering and parsing are inverse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Setting(NamedTuple):
    value: str
    was: str


def render(settings: Mapping[str, Setting], pending: Collection[str] = ()) -> str:
    """In the order in which they have to be set: forwarding last, for it is what the others prepare.

    What is pending is remembered, and not set by whoever reads the file.
    """
    ordered = sorted(settings.items(), key=lambda item: ("forward" in item[0], item[0]))
    return "".join(f"# was {s.was}\n{'#' * (name in pending)}{name} = {s.value}\n" for name, s in ordered)


def parse(text: str) -> dict[str, Setting]:
    """Pending ones, too."""
    settings: dict[str, Setting] = {}
    was = ""
    for line in text.splitlines():
        if line.startswith("# was "):
            was = line[len("# was ") :]
        elif "=" in line:
            name, value = line.lstrip("#").split("=", 1)
            settings[name.strip()] = Setting(value.strip(), was)
    return settings


def before_change(old: str, new: str) -> str:
    """The file before parameters become what ``new`` says: nothing is forgotten, and what is new is pending."""
    settings = {**parse(old), **parse(new)}
    return render(settings, settings.keys() - _set(old))


def after_change(old: str, new: str) -> str:
    """The file after that, while the files of the packet filter are still the old ones: what is new is still pending."""
    settings = parse(new)
    return render(settings, settings.keys() - _set(old))


def _set(text: str) -> set[str]:
    """The names of those that are not pending."""
    return {line.split("=", 1)[0].strip() for line in text.splitlines() if "=" in line and not line.startswith("#")}
