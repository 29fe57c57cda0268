#!/bin/busybox sh
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# The first and only program of a guest: loads the drivers, brings the NICs up without addresses (the kernel still
# does SLAAC), and then answers commands that come over the virtio console, one at a time:
#
#   host:  <nonce> <seconds> <command in base64>
#   guest: @<nonce> <exit status> / <stdout in base64> / <stderr in base64> / .<nonce>
#
# Kernel messages go to the serial port and cannot get between.
export PATH=/bin:/usr/bin HOME=/tmp
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
while read -r module; do insmod "/modules/$module.ko"; done < /modules/order
echo 0 > /proc/sys/kernel/printk_devkmsg 2>/dev/null
echo 0 65535 > /proc/sys/net/ipv4/ping_group_range
for nic in lo $(cd /sys/class/net && echo eth*); do ip link set "$nic" up; done

# Open first: the last close of a terminal throws away what has arrived.
exec 3<>/dev/hvc0
stty raw -echo <&3
echo ready >&3
while :; do
    while read -r nonce limit command <&3; do
        [ -n "$command" ] || continue
        echo "$command" | base64 -d > /tmp/.command
        setsid timeout -s KILL "$limit" sh /tmp/.command </dev/null >/tmp/.stdout 2>/tmp/.stderr 3>&- &
        running=$!
        wait "$running"
        status=$?
        [ "$status" = 137 ] && kill -KILL "-$running" 2>/dev/null
        {
            echo "@$nonce $status"
            base64 /tmp/.stdout | tr -d '\n'
            echo
            base64 /tmp/.stderr | tr -d '\n'
            echo
            echo ".$nonce"
        } >&3
    done
    sleep 1
done
