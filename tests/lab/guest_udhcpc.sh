#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# What udhcpc runs in a guest: applies a lease, and leaves its fields in /tmp/lease.<interface> as NAME=value lines.
# udhcpc sets the variables of a lease in the environment; lists are words.
# shellcheck disable=SC2154,SC2086
case "$1" in
deconfig)
    ip -4 addr flush dev "$interface"
    ip link set "$interface" up
    rm -f "/tmp/lease.$interface"
    ;;
bound | renew)
    env | grep -E '^(ip|subnet|mask|router|dns|domain|search|hostname|mtu|lease|serverid|siaddr|tftp|bootfile|boot_file|sname|ntpsrv|staticroutes|broadcast|opt[0-9]+)=' > "/tmp/lease.$interface"
    [ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"
    ip -4 addr flush dev "$interface"
    ip addr add "$ip/$mask" broadcast "${broadcast:-+}" dev "$interface"
    # RFC 3442: with classless routes the router option is not used
    if [ -n "$staticroutes" ]; then
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            if [ "$2" = 0.0.0.0 ]; then ip route replace "$1" dev "$interface"
            else ip route replace "$1" via "$2" dev "$interface" onlink; fi
            shift 2
        done
    else
        for address in $router; do ip route replace default via "$address" dev "$interface" onlink; break; done
    fi
    : > /etc/resolv.conf
    [ -n "${search:-$domain}" ] && echo "search ${search:-$domain}" >> /etc/resolv.conf
    for address in $dns; do echo "nameserver $address" >> /etc/resolv.conf; done
    [ -n "$hostname" ] && hostname "$hostname"
    ;;
esac
exit 0
