# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark on what is ours: whose it is, and at an interface what was there before."""

from __future__ import annotations

from typing import NamedTuple, Optional
from urllib.parse import quote, unquote

MARK = "vmnet:"
_ADOPTED = "adopted"


class Owner(NamedTuple):
    """Whose a link is. ``label`` is the alias that an adopted one had before, and has again when it is released."""

    scope: Optional[str] = None
    adopted: bool = False
    label: str = ""


def alias(scope: Optional[str], adopted: bool = False, label: str = "") -> str:
    """The interface alias that says whose a link is: ``vmnet:<scope>``, or ``vmnet:<scope> adopted <label>``."""
    if not scope:
        return label
    words = [f"{MARK}{scope}", *([_ADOPTED, quote(label, safe="")] if adopted else [])]
    return " ".join(words).rstrip()


def owner(link_alias: str) -> Owner:
    """The inverse of ``alias``."""
    if not link_alias.startswith(MARK):
        return Owner(label=link_alias)
    scope, adopted, label = [*link_alias[len(MARK) :].split(" "), "", ""][:3]
    return Owner(scope, adopted == _ADOPTED, unquote(label))
