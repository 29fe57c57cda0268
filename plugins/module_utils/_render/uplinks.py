# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the uplinks that we have moved, which is also input of ``ip -batch``. Rendering and parsing are inverse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from .._model.uplink import Touched, Uplink


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def render(uplinks: Iterable[Uplink]) -> str:
    lines = []
    # Those that a network manager sees to at boot are comments to ip, and come first.
    for uplink in sorted(uplinks, key=lambda u: (u.manager is None, u.name)):
        dev = f"dev {uplink.name}"
        if uplink.manager:
            lines.append(f"#moved {uplink.name} {uplink.bridge} {uplink.manager}")
            lines += [f"#file {t.digest} {'added' if t.added else 'changed'} {t.path}" for t in uplink.touched]
            lines += [f"#was {name} {value}" for name, value in uplink.was]
        else:
            lines += [f"# {uplink.name}", *(f"#was {name} {value}" for name, value in uplink.was)]
            lines += [f"link set {dev} addrgenmode none"]
            lines += [f"link set {dev} master {uplink.bridge}", f"link set {dev} up"]
    return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> dict[str, Uplink]:
    uplinks: dict[str, Uplink] = {}
    name = ""
    for line in text.splitlines():
        words = line.split(" ")
        if words[0] == "#moved":
            name = words[1]
            uplinks[name] = Uplink(name, words[2], manager=words[3])
        elif words[0] == "#file":
            touched = Touched(" ".join(words[3:]), words[1], words[2] == "added")
            uplinks[name] = replace(uplinks[name], touched=(*uplinks[name].touched, touched))
        elif words[0] == "#":
            name = words[1]
            uplinks[name] = Uplink(name)
        elif words[0] == "#was":
            uplinks[name] = replace(uplinks[name], was=(*uplinks[name].was, (words[1], " ".join(words[2:]))))
        elif words[4:5] == ["master"]:
            uplinks[name] = replace(uplinks[name], bridge=words[5])
    return uplinks
