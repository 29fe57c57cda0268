# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings everything back without Ansible and without Python: a shell script and the unit that runs it."""

from __future__ import annotations

from .._model.layout import RESTORE, WATCH_SERVICE, WATCH_SOCKET

UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=Virtual machine networks: links and packet filter
Documentation=https://docs.ansible.com/ansible/latest/collections/tapestry/vmnet/
# nftables.service flushes the whole ruleset whenever it starts: come after it.
After=network-pre.target systemd-modules-load.service systemd-sysctl.service nftables.service firewalld.service
Before=docker.service libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RESTORE}
ExecReload={RESTORE} filter

[Install]
WantedBy=multi-user.target
"""

# systemd itself listens to what the kernel tells of every change of the packet filter, whoever makes it; nothing runs until then.
# The number is a mask, of the group NFNLGRP_NFTABLES (linux/netfilter/nfnetlink.h). A burst that overflows the socket's buffer
# may make it fail (ENOBUFS), which is a reason to look, too; starting the service starts the socket again.
WATCH_SOCKET_UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=Changes of the packet filter
Documentation=https://docs.ansible.com/ansible/latest/collections/tapestry/vmnet/
OnFailure={WATCH_SERVICE}

[Socket]
ListenNetlink=netfilter 64
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""

WATCH_SERVICE_UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=The packet filter of virtual machine networks, after somebody has changed it
Documentation=https://docs.ansible.com/ansible/latest/collections/tapestry/vmnet/
# It must not bring back what is about to be removed.
PartOf={WATCH_SOCKET}
StartLimitIntervalSec=0

[Service]
Type=oneshot
Sockets={WATCH_SOCKET}
StandardInput=socket
StandardOutput=journal
ExecStart={RESTORE} watch
# That it ran is not worth a line; what it says is.
LogLevelMax=notice
"""

SCRIPT = r"""#!/bin/sh
# Written by the Ansible collection tapestry.vmnet.
# Brings links, kernel parameters and packet filter to what the files beside it say. What is there already is left alone.
#   restore          everything
#   restore filter   the packet filter only
#   restore watch    the same if it is gone; standard input is what the kernel tells of changes
#   restore dhcp NETWORK   the DHCP server of a network, where no service manager runs it
# Fails only if the packet filter does; what is wrong with a link is in the journal.
set -u
export LC_ALL=C
program=/etc/vmnet/program.nft
broken=" "

complain() { echo "<3>vmnet: $*" >&2; }

# All files in one transaction. If that fails, all but those that nft refuses; the networks of their scopes then stay down,
# because nothing would keep them apart.
filter() {
    [ -f "$program" ] || return 0
    set -- "$program"
    for elements in /etc/vmnet/*/*.nft /run/vmnet/*/*.nft; do
        [ -f "$elements" ] && set -- "$@" "$elements"
    done
    cat "$@" | nft -f - 2> /dev/null && return 0
    good=$program
    shift
    for elements in "$@"; do
        # Paths of ours have no blanks.
        # shellcheck disable=SC2086
        if why=$(cat $good "$elements" | nft -c -f - 2>&1); then
            good="$good $elements"
        else
            complain "$elements is not loaded, and the networks of its scope stay down: $why"
            broken="$broken${elements%/*} "
        fi
    done
    # shellcheck disable=SC2086
    cat $good | nft -f -
    return 1
}

# What was told so far is read first, so that whatever happens after the look means another one. Where others change their rules
# all the time, the pause keeps this to five looks a second.
watch() {
    dd bs=64K iflag=nonblock of=/dev/null 2> /dev/null
    if ! tables=$(nft list tables inet) || echo "$tables" | grep -qx "table inet vmnet"; then
        sleep 0.2
    else
        echo "<5>vmnet: the packet filter was gone and is loaded again" >&2
        filter
    fi
}

batches() {
    for batch in /etc/vmnet/*/bridges.batch /etc/vmnet/*/taps.batch; do
        case $broken in *" ${batch%/*} "*) continue ;; esac
        [ -f "$batch" ] && cat "$batch"
    done
}

# Of the batches, the lines for links that can be ours: a name that somebody else has taken is reported and passed over.
lines() {
    { ip -o link show; echo; batches; } | awk '
        !batch && /^$/ { batch = 1; next }
        !batch { split($2, n, /[:@]/); there[n[1]] = 1; if ($0 ~ /alias vmnet:/) ours[n[1]] = 1; next }
        /^# / { link = $2; created = 0; next }
        /^(link add|tuntap add) / { created = 1; if (there[link]) {
            if (!ours[link]) { taken[link] = 1; print "<3>vmnet: the name " link " is taken by another interface" > "/dev/stderr" }
            next } }
        !created && !there[link] { if (!missing[link]++) print "<3>vmnet: " link " is not there" > "/dev/stderr"; next }
        !taken[link] { print }'
}

parameters() {
    for file in "$@"; do
        [ -f "$file" ] || continue
        sed -n 's/^\([^# ]*\) = \(.*\)$/\1 \2/p' "$file" | while read -r name value; do
            if [ -e "/proc/sys/$name" ]; then echo "$value" > "/proc/sys/$name"; else complain "no parameter $name"; fi
        done
    done
}

# DHCP servers that no service manager runs. What is about to be read is noted, as the unit for systemd does.
serve() {
    own=/etc/vmnet/dhcp/$1
    loaded=/run/vmnet-dhcp/$1
    pid=$(cat "$loaded/pid" 2> /dev/null) && grep -qsaF -e "--conf-file=$own/" "/proc/$pid/cmdline" && return 0
    mkdir -p "$loaded" "/var/lib/vmnet/$1"
    cp "$own"/* "$loaded"
    dnsmasq --conf-file="$own/dnsmasq.conf" --pid-file="$loaded/pid"
}

if [ "${1:-all}" = dhcp ]; then
    serve "$2"
    exit
fi
status=0
if [ "${1:-all}" = watch ]; then watch; else filter; fi || status=1
if [ "${1:-all}" = all ]; then
    # No link may speak before its parameters are set, and there may be no address before IPv6 is allowed.
    lines | grep -Ev '^address | up$' | ip -force -batch -
    parameters /etc/vmnet/*/bridges.sysctl /etc/sysctl.d/60-vmnet.conf
    lines 2> /dev/null | grep -E '^address | up$' | ip -force -batch -
    for checksum in /etc/vmnet/dhcp/*/checksum.tc; do
        [ -f "$checksum" ] && tc -force -batch "$checksum"
    done
    for start in /etc/vmnet/dhcp/*/autostart; do
        [ -f "$start" ] || continue
        network=${start%/*}
        serve "${network##*/}" || complain "no DHCP on ${network##*/}"
    done
fi
exit $status
"""
