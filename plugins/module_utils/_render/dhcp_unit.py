# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The template unit that runs one dnsmasq, unprivileged and in a sandbox."""

from __future__ import annotations

from .._model import layout
from .dnsmasq import NAMES

# AF_UNIX for the log, AF_NETLINK to see the bridge come and go. What is about to be read is noted; that is how a run of the module
# knows whether the process has what is on disk. A shell does both, because a sandbox of its own for each takes as long as dnsmasq's.
_FILES_LIVE = " ".join(f"{layout.DHCP}/%i/{name}" for name in NAMES.live)
_NOTE = f"cp -t {layout.DHCP_LOADED}/%i"
_SERVE = f"exec dnsmasq --conf-file={layout.DHCP}/%i/{NAMES.conf} --pid-file={layout.DHCP_LOADED}/%i/pid"
UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=DHCP and DNS of the virtual machine network %i
Documentation=man:dnsmasq(8)
After=network-pre.target {layout.SERVICE}
StartLimitIntervalSec=0

[Service]
Type=forking
PIDFile={layout.DHCP_LOADED}/%i/pid
ExecStart=sh -c '{_NOTE} {layout.unit_file(layout.DHCP_SERVICE)} {layout.DHCP}/%i/{NAMES.conf} {_FILES_LIVE} && {_SERVE}'
ExecReload=sh -c '{_NOTE} {_FILES_LIVE} && kill -HUP $MAINPID'
SyslogIdentifier=dnsmasq
Restart=on-failure
RestartSec=3
DynamicUser=yes
RuntimeDirectory={layout.DHCP_LOADED.replace("/run/", "")}/%i
StateDirectory={layout.DHCP_STATE.replace("/var/lib/", "")}/%i
StateDirectoryMode=0700
UMask=0077
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
