#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# The first program of a host without systemd: what a small distribution does at boot, and little more.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
halt() {
    trap '' TERM
    kill -TERM -1
    sleep 1
    exit 0
}
trap halt TERM
hostname -F /etc/hostname
mkdir -p /run/lock /run/sshd
sysctl -q --system >/dev/null 2>&1
sysctl -q -p /etc/lab/uplink.sysctl
ip -batch /etc/lab/uplink.batch
[ -x /etc/rc.local ] && /etc/rc.local
/usr/sbin/sshd
touch /run/booted
# In pieces: a trap waits for the command under way; `wait` also takes the status of orphans.
while :; do
    sleep 1 &
    wait
done
