# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the uplinks that we have moved, which is also input of ``ip -batch``; and the script that moves them.

Rendering and parsing the record are inverse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from .._model import layout
from .._model.uplink import Touched, Uplink
from . import ifupdown, keyfile, netplan, networkd


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


TAKE_OVER = {
    "ifupdown": ifupdown.TAKE_OVER,
    "networkd": networkd.TAKE_OVER,
    "networkmanager": keyfile.TAKE_OVER,
    "netplan": netplan.TAKE_OVER,
}

# Beside it are the directories `new` and `old`, each with what brings the host there:
#   files/      copies for their places, with their modes     gone         files that are not to be there
#   batch       for ip                                        batch6       rules, for ip -6
#   again       for ip, once a network manager has taken over
#   parameters  of the kernel, `name value`                   vlans        for bridge
#   take_over   shell, for the host's network manager
# and the file `armed-TOKEN` while a change is not confirmed. Whoever renames that file decides what becomes of it.
SCRIPT = rf"""#!/bin/sh
# Written by the Ansible collection tapestry.vmnet.
# Moves uplinks of this host into their bridges, and back if nobody confirms.
#   uplinks new             make the change
#   uplinks wait S TOKEN    undo it after S seconds unless it is confirmed by then
#   uplinks undo TOKEN      undo it now
#   uplinks confirm TOKEN   keep it
set -u
export LC_ALL=C
trap '' HUP PIPE
dir={layout.UPLINKS_PENDING}

go() {{
    (cd "$dir/$1/files" && find . -type f) | while read -r file; do
        mkdir -p "/${{file%/*}}"
        cp -p "$dir/$1/files/$file" "/$file.vmnet~" && mv "/$file.vmnet~" "/$file"
    done
    while read -r path; do
        rm -f "$path"
        # Directories of ours that are empty then.
        case $path in */vmnet/* | */vmnet.service.d/*) rmdir -p "${{path%/*}}" 2> /dev/null ;; esac
    done < "$dir/$1/gone"
    # Units of ours may have come or gone.
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    while read -r name value; do
        if [ -e "/proc/sys/$name" ]; then echo "$value" > "/proc/sys/$name"; fi
    done < "$dir/$1/parameters"
    batch "$1"
    [ -s "$dir/$1/take_over" ] || return 0
    of_networkd=
    # shellcheck source=/dev/null
    . "$dir/$1/take_over"
    # A manager that has taken over may have dropped what it does not know.
    batch "$1" again
    for interface in $of_networkd; do remind "$interface"; done
}}

# systemd-networkd asks for routers once it is told of a link-local address. Of one that was there before it had anything to do
# with the interface it has been told already, and would wait for ever.
remind() {{
    for second in 1 2 3 4 5; do
        sleep 1
        networkctl status "$1" | grep -q 'State: .*(configured)' && return
        address=$(ip -6 -oneline address show dev "$1" scope link | awk 'NR == 1 {{ print $4 }}')
        if [ -n "$address" ]; then ip -6 address replace "$address" dev "$1" nodad; fi
    done
}}

batch() {{
    ip -force -batch "$dir/$1/${{2:-batch}}"
    ip -6 -force -batch "$dir/$1/batch6"
    if [ -s "$dir/$1/vlans" ]; then bridge -force -batch "$dir/$1/vlans"; fi
}}

undo() {{
    go old > "$dir/old/log" 2>&1
    mv "$dir/undoing" "$dir/undone-$1"
}}

case $1 in
    new) go new > "$dir/new/log" 2>&1 ;;
    wait)
        left=$2
        while [ "$left" -gt 0 ]; do
            sleep 1
            [ -e "$dir/armed-$3" ] || exit 0
            left=$((left - 1))
        done
        if mv "$dir/armed-$3" "$dir/undoing" 2> /dev/null; then undo "$3"; fi
        ;;
    undo)
        if mv "$dir/armed-$2" "$dir/undoing" 2> /dev/null; then undo "$2"; fi
        ;;
    confirm)
        if mv "$dir/armed-$2" "$dir/confirmed" 2> /dev/null; then
            rm -rf "$dir"
            echo confirmed
        elif ls "$dir"/undone-* > /dev/null 2>&1; then
            echo undone
            rm -rf "$dir"
        else
            echo undoing
        fi
        ;;
esac
"""
