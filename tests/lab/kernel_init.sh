#!/bin/busybox sh
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Before systemd of a machine with a kernel of its own: finds the disk, and at the first boot puts the files onto it that
# make it this host.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
while read -r module; do insmod "/modules/$module.ko"; done < /modules/order
until [ -b /dev/vda ]; do sleep 0.05; done
mount -t ext4 /dev/vda /disk
if [ ! -e /disk/etc/machine-id ] || [ ! -s /disk/etc/machine-id ]; then
    cp -a /host/. /disk/
fi
umount /proc
exec switch_root /disk /sbin/init
