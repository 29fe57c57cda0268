# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Comparing what was on a host with what is, across a reboot and with other guests."""

from __future__ import annotations

import re

from lab import Snapshot, difference

# systemd runs them at the first boot of a machine and not again.
_FIRST_BOOT = re.compile(r"(ldconfig|systemd-(journal-catalog-update|sysusers|update-done))\.service ")
# What network managers and DHCP clients remember for themselves: when they were last seen, and how long a lease is.
_REMEMBERED = re.compile(
    r"/run/NetworkManager/devices/|/var/lib/NetworkManager/|/run/dhclient|/run/dhcpcd|/var/lib/dhcp(cd)?/|/run/netns "
    r"|/run/network/restart-hotplug "
)
# That there have been named namespaces since the boot: clients of the tests live in some.
_NAMESPACES = re.compile(r"run-netns\.mount ")
_DISPATCHER = re.compile(r"\S*(nm-dispatcher|NetworkManager-dispatcher\.service)\b")
# A network card that is a port hears no routers; a manager may or may not say so to the kernel.
# A dot in the name of an interface is a slash to sysctl.
_OF_PORTS = re.compile(
    r"net\.ipv6\.conf\.(bond0|eth0(/5)?)\.(accept_ra|autoconf)|net\.ipv4\.conf\.(bond0|eth0(/5)?)\.promote_secondaries"
)


def left(before: Snapshot, after: Snapshot) -> list[str]:
    """What has come or gone between the two."""
    return difference(_lasting(before), _lasting(after))


def _lasting(snapshot: Snapshot) -> Snapshot:
    return snapshot | {
        "units": [
            # It is "running" while somebody's change of the packet filter is looked at.
            re.sub(r"^(vmnet-watch\.socket loaded active) .*", r"\1", line)
            for line in _without(_NAMESPACES, _without(_DISPATCHER, _without(_FIRST_BOOT, snapshot["units"])))
        ],
        "processes": _without(_DISPATCHER, snapshot["processes"]),
        # What a router has told may be there twice, until it expires: as it was moved, and as it was told again.
        "routes": list(dict.fromkeys(snapshot["routes"])),
        "sysctls": _without(_OF_PORTS, snapshot["sysctls"]),
        # A process id has as many digits as it happens to have.
        "files": [re.sub(r"(/pid \S+ \S+) \d+$", r"\1", line) for line in _without(_REMEMBERED, snapshot["files"])],
    }


def without_guests(snapshot: Snapshot) -> Snapshot:
    """Without what comes to a network with its first guest, and what the kernel chooses anew for a tap.

    An interface has its link-local address only once it has had a carrier. The MAC address of a tap on the host's side
    is seen by nobody.
    """
    ours = [match[1] for line in snapshot["links"] if (match := re.search(r"ifname=(\S+) .*ifalias=vmnet:", line))]
    names = "|".join(map(re.escape, ours))
    local = re.compile(rf"({names}) .*local=fe80:|.* dst=(fe80:|ff00:)\S* dev=({names}) ")
    return snapshot | {
        "links": [
            re.sub(r" address=\S+", "", line) if line.endswith("kind=tun") else line for line in snapshot["links"]
        ],
        "addresses": _without(local, snapshot["addresses"]),
        "routes": _without(local, snapshot["routes"]),
    }


def _without(pattern: re.Pattern[str], lines: list[str]) -> list[str]:
    return [line for line in lines if not pattern.match(line)]
