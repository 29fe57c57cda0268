# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of the host, by name or number."""

from __future__ import annotations

import grp
import pwd
from dataclasses import replace

from .._model.errors import InputError
from .._model.links import Tap


def resolve(tap: Tap, at: str) -> Tap:
    """The tap with owner and group as numbers. Raises InputError for a name that this host does not know."""
    return replace(
        tap, owner=_number(tap.owner, f"{at}.owner", "user"), group=_number(tap.group, f"{at}.group", "group")
    )


def _number(value: object, at: str, what: str) -> object:
    if value is None:
        return None
    text = str(value)
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid if what == "user" else grp.getgrnam(text).gr_gid
    except KeyError:
        raise InputError(at, f"there is no {what} {text!r} on this host") from None
