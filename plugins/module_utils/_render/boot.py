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
# nftables.service flushes the whole ruleset whenever it starts: come after it.
After=network-pre.target systemd-modules-load.service systemd-sysctl.service nftables.service firewalld.service
Before=network.target docker.service incus.service libvirtd.service virtqemud.service libvirt-guests.service

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

# Beside the unit where there are uplinks: what makes their bridges at boot is the host's network manager.
AFTER_MANAGERS = """\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
After=networking.service systemd-networkd.service NetworkManager.service
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
later=

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

# Rules of ours in the chain that Docker leaves to others. Docker adds to a chain that is there before it starts.
docker() {
    command -v dockerd > /dev/null || return 0
    for tool in iptables ip6tables; do
        rules=$(cat /etc/vmnet/*/docker.rules /run/vmnet/*/docker.rules 2> /dev/null | sed -n "s/^$tool //p")
        [ -n "$rules" ] || continue
        "$tool" -N DOCKER-USER 2> /dev/null
        missing=$({ "$tool" -S DOCKER-USER | sed 's/^-A DOCKER-USER //'; echo; echo "$rules"; } | awk '
            !wanted && /^$/ { wanted = 1; next }
            !wanted { there[$0] = 1; next }
            !there[$0] { print "-I DOCKER-USER " $0 }')
        [ -z "$missing" ] || printf '*filter\n%s\nCOMMIT\n' "$missing" | "$tool-restore" --noflush
    done
}

# What was told so far is read first, so that whatever happens after the look means another one. Where others change their rules
# all the time, the pause keeps this to five looks a second.
watch() {
    dd bs=64K iflag=nonblock of=/dev/null 2> /dev/null
    if [ ! -f "$program" ] || ! tables=$(nft list tables inet) || echo "$tables" | grep -qx "table inet vmnet"; then
        docker
        sleep 0.2
    else
        echo "<5>vmnet: the packet filter was gone and is loaded again" >&2
        filter || status=1
        docker
    fi
}

batches() {
    for batch in /etc/vmnet/*/bridges.batch /run/vmnet/*/bridges.batch /etc/vmnet/*/uplinks.batch /run/vmnet/*/uplinks.batch \
        /etc/vmnet/*/taps.batch /run/vmnet/*/taps.batch; do
        case $broken in *" ${batch%/*} "*) continue ;; esac
        [ -f "$batch" ] || continue
        if [ -n "$(tail -c 1 "$batch")" ]; then
            [ "$1" = quietly ] || complain "$batch ends in the middle of a line, which is left out"
            sed '$d' "$batch"
        else
            cat "$batch"
        fi
    done
}

# Where the MAC address of an interface was set by somebody (NET_ADDR_SET): the address of a bridge for which nobody did is that of
# one of its ports, and changes when they come and go.
pinned() { grep -sx 3 /dev/null /sys/class/net/*/addr_assign_type; }

# Of the batches, the lines for links that can be ours. `lines aloud` says what is passed over, and why.
lines() {
    { pinned; ip -o link show; echo; batches "$1"; } | awk -v aloud="$1" -v ipv6="$([ -d /proc/sys/net/ipv6 ] && echo 1)" -v later="$later" '
        function say(text) { if (aloud == "aloud" && !said[text]++) print "<3>vmnet: " text > "/dev/stderr" }
        function ends() { if (link && !complete) say(link " is only half in its file, and stays down") }
        !batch && /^$/ { batch = 1; next }
        !batch && /^\/sys\// { split($0, path, "/"); pinned[path[5]] = 1; next }
        !batch { split($2, n, /[:@]/); if ($0 ~ /alias vmnet:/) ours[n[1]] = 1 }
        !batch { for (i = 1; i < NF; i++) if ($i == "link/ether") { address[n[1]] = $(i + 1); break } }
        !batch { if (!index(later, " " n[1] " ")) there[n[1]] = 1; next }
        /^# / { ends(); link = $2; created = complete = 0; next }
        index(later, " " link " ") { complete = 1; next }
        /^#uplink / { ours[link] = 1 }  # made by the network manager of the host, which cannot mark it
        /^#/ { next }
        { dev = master = ""; for (i = 1; i < NF; i++) if ($i == "dev") dev = $(i + 1); else if ($i == "master") master = $(i + 1) }
        master && index(later, " " master " ") { next }
        $0 == "link set dev " link " up" { complete = 1 }
        /^(link add|tuntap add) / {
            created = 1
            if (there[link] && !ours[link]) taken[link] = 1
            if (there[link]) next
        }
        taken[link] { say("the name " link " is taken by another interface, which is left alone"); next }
        !created && !there[link] { say(link " is not there"); next }
        aloud == "aloud" && !there[link] { say(link " could not be made"); next }
        # The kernel forgets all neighbours whenever this is set, and packets that wait for one, even if it is the same.
        pinned[link] && $0 == "link set dev " link " address " address[link] { next }
        dev && dev != link && !there[dev] { say(dev " is not there to be a port of " link); next }
        / addrgenmode / && !ipv6 { next }
        { print }
        END { ends() }'
}

# No link may speak before its parameters are set, and there may be no address before IPv6 is allowed.
links() {
    lines quietly | grep -Ev '^(address|vlan) | up$' | ip -force -batch -
    # udev gives a device that it finds new a MAC address of its own, unless ours is there before it looks (systemd.link(5),
    # MACAddressPolicy=persistent). Once it has looked, ours stays.
    if [ -e /run/udev/control ]; then udevadm settle --timeout=5; fi
    lines quietly | grep '^link set dev [^ ]* address ' | ip -force -batch -
    vlans=$(lines quietly | grep '^vlan ') && echo "$vlans" | bridge -force -batch -
    parameters /etc/vmnet/*/bridges.sysctl /run/vmnet/*/bridges.sysctl /etc/vmnet/*/uplinks.sysctl /run/vmnet/*/uplinks.sysctl
    # Not what is left of ours where somebody has removed the filter.
    [ ! -f "$program" ] || parameters /etc/sysctl.d/60-vmnet.conf /run/vmnet/filter.sysctl
    lines "$1" | grep -E '^address | up$' | ip -force -batch -
}

# Those that NetworkManager has not taken yet. It makes a bridge first and takes it then, if nobody has put a port into it; if
# somebody has, it gives it no address. A device that it activates is in state 40 or more (NMDeviceState); exit status 8 is that
# NetworkManager does not run (nmcli(1)).
untaken() {
    command -v nmcli > /dev/null || return
    for bridge in $(batches quietly | awk '/^#moved / && $4 ~ /^(networkmanager|netplan)$/ { print $3 }'); do
        grep -qsxF "interface-name=$bridge" \
            /etc/NetworkManager/system-connections/* /run/NetworkManager/system-connections/* || continue
        state=$(timeout -k 1 5 nmcli --get-values GENERAL.STATE device show "$bridge" 2> /dev/null)
        [ $? -eq 8 ] || [ "${state%% *}" -ge 40 ] 2> /dev/null || echo "$bridge"
    done
}

# The interfaces that somebody else makes, and that are not there yet.
awaited() {
    { ip -o link show; echo; batches quietly; } | awk '
        !batch && /^$/ { batch = 1; next }
        !batch { split($2, n, /[:@]/); there[n[1]] = 1; next }
        /^# / { link = $2; made[link] = first = 1; next }
        /^#moved / { others[$3] = 1; next }
        first { first = 0; if (!/^(link add|tuntap add) /) made[link] = 0; wanted[link] = 1 }
        { for (i = 1; i < NF; i++) if ($i == "dev") wanted[$(i + 1)] = 1 }
        END { for (link in wanted) if (!there[link] && (!made[link] || others[link])) print link }'
}

# Seconds since the kernel was started: the time of day may jump while the host boots.
uptime() { cut -d. -f1 /proc/uptime; }

# Wait until a function has nothing to print, so many seconds at most.
wait_for() {
    end=$(($(uptime) + $2))
    while [ -n "$($1)" ] && [ "$(uptime)" -lt $end ]; do sleep 0.2; done
}

# Network cards may come late, but only while the host boots.
booting() {
    case $(systemctl is-system-running 2> /dev/null) in running | degraded | maintenance | stopping) return 1 ;; esac
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
if [ "${1:-all}" = watch ]; then
    watch
else
    filter || status=1
    docker
fi
if [ "${1:-all}" = all ]; then
    late=$(untaken; awaited)
    if [ -n "$late" ] && booting; then
        later=" $(echo "$late" | tr '\n' ' ')"
        links quietly 2> /dev/null  # what is wrong then is said below
        later=
        wait_for untaken 30
        wait_for awaited 10
        for bridge in $(untaken); do complain "NetworkManager has not taken $bridge, and may leave it without addresses"; done
    fi
    links aloud
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
