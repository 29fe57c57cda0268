# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script on the host that moves its uplinks and takes the way back, and the unit that runs it at boot."""

from __future__ import annotations

from .._model import layout
from . import ifupdown, keyfile, netplan, networkd

# Seconds that making a change may take; longer than a DHCP client waits for an answer.
LONGEST = 120

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
#   stopped     units that are not to be there                started      `verb unit` of others, once the files are there
#   take_over   shell, for the host's network manager
# and the file `armed-TOKEN` while a change is not confirmed. Whoever renames that file decides what becomes of it.
SCRIPT = rf"""#!/bin/sh
# Written by the Ansible collection tapestry.vmnet.
# Moves uplinks of this host into their bridges, and back if nobody confirms.
#   uplinks wait S TOKEN    arm the way back, and take it if the change is not confirmed S seconds after it was made
#   uplinks new TOKEN       make the change; fails if it was undone meanwhile
#   uplinks undo TOKEN      undo it now
#   uplinks confirm TOKEN   keep it
#   uplinks boot            undo what was not confirmed when the host went down; from a copy of this, before there is a network
set -u
export LC_ALL=C
trap '' HUP PIPE
dir={layout.UPLINKS_PENDING}
kept={layout.UPLINKS_KEPT}
unit={layout.UNITS}/{layout.UPLINKS_UNDO}
wanted={layout.UNITS}/sysinit.target.wants/{layout.UPLINKS_UNDO}
armed=
patience=
longest={LONGEST}

# Whether to go on: a change that is being undone makes no further step.
on() {{ [ -z "$armed" ] || [ -e "$armed" ]; }}

# What is on disk.
put() {{
    if [ -d /run/systemd/system ]; then
        # shellcheck disable=SC2086
        while read -r name; do systemctl --quiet $patience disable --now "$name"; done < "$dir/$1/stopped"
    fi
    (cd "$dir/$1/files" && find . -type f) | while read -r file; do
        mkdir -p "/${{file%/*}}"
        cp -p "$dir/$1/files/$file" "/$file.vmnet~" && mv "/$file.vmnet~" "/$file"
    done
    while read -r path; do
        rm -f "$path"
        # Directories of ours that are empty then.
        case $path in */vmnet/* | */vmnet.service.d/*) rmdir -p "${{path%/*}}" 2> /dev/null ;; esac
        case $path in *.d/vmnet.conf) rmdir "${{path%/*}}" 2> /dev/null ;; esac
    done < "$dir/$1/gone"
    # Units of ours may have come or gone.
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        # shellcheck disable=SC2086
        while read -r verb name; do systemctl --quiet $patience "$verb" "$name"; done < "$dir/$1/started"
    fi
}}

go() {{
    put "$1"
    while read -r name value; do
        if [ -e "/proc/sys/$name" ]; then echo "$value" > "/proc/sys/$name"; fi
    done < "$dir/$1/parameters"
    on || return
    batch "$1"
    on || return
    [ -s "$dir/$1/take_over" ] || return 0
    of_networkd=
    # shellcheck source=/dev/null
    . "$dir/$1/take_over"
    on || return
    # A manager that has taken over may have dropped what it does not know.
    batch "$1" again
    for interface in $of_networkd; do remind "$interface"; done
}}

# systemd-networkd asks for routers once it is told of a link-local address. Of one that was there before it had anything to do
# with the interface it has been told already, and would wait for ever.
remind() {{
    for _ in 1 2 3 4 5; do
        sleep 1
        on || return
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

# The way back, for a boot that comes before its time. The host may lose its power, so all of it has to be on the disk.
keep() {{
    [ -d /run/systemd/system ] || return 0
    rm -rf "$kept"
    mkdir -p "$kept" "${{wanted%/*}}"
    chmod 700 "$kept"
    cp -pR "$dir/old" "$dir/uplinks" "$kept"
    cp "$dir/undo" "$unit"
    ln -sf "$unit" "$wanted"
    find "$kept" "$unit" "${{unit%/*}}" "${{wanted%/*}}" -exec sync {{}} +
}}

forget() {{
    [ -e "$unit" ] || return 0
    rm -f "$unit" "$wanted"
    rmdir "${{wanted%/*}}" 2> /dev/null
    rm -rf "$kept"
    systemctl daemon-reload
}}

# Whether the change is being made.
running() {{ pid=$(cat "$dir/new/pid" 2> /dev/null) && kill -0 "$pid" 2> /dev/null; }}

undo() {{
    mv "$dir/armed-$1" "$dir/undoing" 2> /dev/null || return 0
    # The change stops before its next step. One that hangs in a step is ended, and what it has started with it.
    for _ in $(seq 50); do
        running || break
        sleep 0.2
    done
    if pid=$(cat "$dir/new/pid" 2> /dev/null); then kill -s KILL -- "-$pid" "$pid" 2> /dev/null; fi
    go old > "$dir/old/log" 2>&1
    forget
    mv "$dir/undoing" "$dir/undone-$1"
}}

case $1 in
    new)
        # In this order: whoever undoes it either sees the process or is seen by it.
        echo $$ > "$dir/new/pid"
        armed=$dir/armed-$2
        if on; then go new > "$dir/new/log" 2>&1; fi
        rm -f "$dir/new/pid"
        on
        ;;
    wait)
        keep
        : > "$dir/armed-$3"
        left=$2
        # While the change is being made the time to confirm it does not run, but that must not last for ever.
        while [ "$left" -gt 0 ] && [ "$longest" -gt 0 ]; do
            sleep 1
            [ -e "$dir/armed-$3" ] || exit 0
            if running; then left=$2 longest=$((longest - 1)); else left=$((left - 1)); fi
        done
        undo "$3"
        ;;
    undo) undo "$2" ;;
    confirm)
        if mv "$dir/armed-$2" "$dir/confirmed" 2> /dev/null; then
            forget
            rm -rf "$dir"
            echo confirmed
        elif ls "$dir"/undone-* > /dev/null 2>&1; then
            echo undone
            rm -rf "$dir"
        else
            echo undoing
        fi
        ;;
    boot)
        echo "<5>vmnet: the host went down before the change of its uplinks was confirmed, which is undone"
        dir=$kept
        patience=--no-block
        put old
        if command -v netplan > /dev/null; then netplan generate; fi
        forget
        ;;
esac
"""

# There only while a change is not confirmed. Whatever starts a service starts what the targets before that one want, too, so
# it has to be told whether this is still the boot in which the change was made.
UNDO_UNIT = f"""\
# {layout.WRITTEN}
[Unit]
Description=Undo a change of uplinks that was not confirmed before the host went down
DefaultDependencies=no
ConditionPathExists=!{layout.UPLINKS_PENDING}
ConditionPathExists={layout.UPLINKS_KEPT}/uplinks
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target systemd-networkd.service NetworkManager.service networking.service {layout.SERVICE}

[Service]
Type=oneshot
ExecStart=/bin/sh {layout.UPLINKS_KEPT}/uplinks boot
"""
