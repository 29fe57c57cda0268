# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings everything back without Ansible and without Python: a shell script and the unit that runs it."""

from __future__ import annotations

from .._model.layout import RESTORE

UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=Virtual machine networks: links and packet filter
Documentation=https://docs.ansible.com/ansible/latest/collections/tapestry/vmnet/
# nftables.service flushes the whole ruleset whenever it starts, reloads or stops: come after it, and again with it.
After=network-pre.target systemd-modules-load.service systemd-sysctl.service nftables.service firewalld.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Before=docker.service libvirtd.service virtqemud.service libvirt-guests.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RESTORE}
ExecReload={RESTORE} filter

[Install]
WantedBy=multi-user.target nftables.service
"""

SCRIPT = r"""#!/bin/sh
# Written by the Ansible collection tapestry.vmnet.
# Brings links, kernel parameters and packet filter to what the files beside it say. What is there already is left alone.
#   restore          everything
#   restore filter   the packet filter only
set -u
export LC_ALL=C

# Everything in this order: nothing may forward before the filter stands, no link may speak before its parameters are set.
filter() {
    [ -f /etc/vmnet/program.nft ] || return 0
    for elements in /etc/vmnet/*/*.nft /run/vmnet/*/*.nft; do
        [ -f "$elements" ] && echo "include \"$elements\""
    done | cat /etc/vmnet/program.nft - | nft -f -
}

# Of the batches, the lines for links that can be ours: a name that somebody else has taken is reported and passed over.
lines() {
    { ip -o link show; echo; cat "$@"; } | awk '
        !batch && /^$/ { batch = 1; next }
        !batch { split($2, n, /[:@]/); there[n[1]] = 1; if ($0 ~ /alias vmnet:/) ours[n[1]] = 1; next }
        /^# / { link = $2; created = 0; next }
        /^(link add|tuntap add) / { created = 1; if (there[link]) {
            if (!ours[link]) { taken[link] = 1; print "vmnet: the name " link " is taken by another interface" > "/dev/stderr" }
            next } }
        !created && !there[link] { if (!missing[link]++) print "vmnet: " link " is not there" > "/dev/stderr"; next }
        !taken[link] { print }'
}

links() {
    set -- /etc/vmnet/*/bridges.batch /etc/vmnet/*/taps.batch
    for batch in "$@"; do
        [ -f "$batch" ] && cat "$batch"
    done | lines - | grep -v ' up$' | ip -force -batch -
}

bring_up() {
    for batch in /etc/vmnet/*/bridges.batch /etc/vmnet/*/taps.batch; do
        [ -f "$batch" ] && cat "$batch"
    done | lines - 2> /dev/null | grep ' up$' | ip -force -batch -
}

parameters() {
    for file in "$@"; do
        [ -f "$file" ] || continue
        sed -n 's/^\([^# ]*\) = \(.*\)$/\1 \2/p' "$file" | while read -r name value; do
            if [ -e "/proc/sys/$name" ]; then echo "$value" > "/proc/sys/$name"; else echo "vmnet: no parameter $name" >&2; fi
        done
    done
}

status=0
filter || status=1
if [ "${1:-all}" = all ]; then
    links || status=1
    parameters /etc/vmnet/*/bridges.sysctl /etc/sysctl.d/60-vmnet.conf
    bring_up || status=1
fi
exit $status
"""
