# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld's files for a zone and a policy of ours, and the interfaces of any zone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._model.coexist import firewalld_name
from .._model.mark import MARK

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_INTERFACE = re.compile(r"""<interface\s[^>]*?name\s*=\s*["']([^"']+)["']""")


def zone(scope: str, bridges: Iterable[str]) -> str:
    """A zone in which firewalld leaves our networks to our own table; empty text where there are none."""
    lines = "".join(f'  <interface name="{bridge}"/>\n' for bridge in sorted(bridges))
    about = "Virtual machine networks of tapestry.vmnet, which filters them itself."
    start = f'<zone target="ACCEPT">\n  <short>{MARK}{scope}</short>\n  <description>{about}</description>\n'
    return f"{_HEAD}{start}{lines}</zone>\n" if lines else ""


def policy(scope: str) -> str:
    """Into that zone, for flows that somebody outside may begin."""
    return (
        f'{_HEAD}<policy target="ACCEPT">\n  <short>{MARK}{scope}</short>\n  <ingress-zone name="ANY"/>\n'
        f'  <egress-zone name="{firewalld_name(scope)}"/>\n</policy>\n'
    )


def interfaces(text: str) -> list[str]:
    """Of a zone's file, whoever wrote it."""
    return _INTERFACE.findall(text)
