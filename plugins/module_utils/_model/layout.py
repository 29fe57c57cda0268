# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a managed host. Nothing of ours is anywhere else."""

from __future__ import annotations

PERSISTENT = "/etc/vmnet"
VOLATILE = (
    "/run/vmnet"  # entries that were asked for with persistent: false; gone after a reboot like what they describe
)
ROOTS = (PERSISTENT, VOLATILE)

RESTORE = f"{PERSISTENT}/restore"
PROGRAM = f"{PERSISTENT}/program.nft"
# What forwarding needs, by the root of the entries that need it.
SYSCTLS = {PERSISTENT: "/etc/sysctl.d/60-vmnet.conf", VOLATILE: f"{VOLATILE}/filter.sysctl"}
UNITS = "/etc/systemd/system"
SERVICE = "vmnet.service"
WATCH_SOCKET = "vmnet-watch.socket"
WATCH_SERVICE = "vmnet-watch.service"
AFTER_MANAGERS = f"{UNITS}/{SERVICE}.d/uplinks.conf"
DHCP_SERVICE = "vmnet-dhcp@.service"
DHCP = f"{PERSISTENT}/dhcp"
DHCP_STATE = "/var/lib/vmnet"
DHCP_LOADED = "/run/vmnet-dhcp"  # what each server has read, and its process id
LOCK = "/run/vmnet.lock"
FIREWALLD = "/etc/firewalld"
UPLINKS_PENDING = "/run/vmnet-uplinks"  # a change of uplinks that waits to be confirmed, and the way back from it
UPLINKS_KEPT = "/var/lib/vmnet-uplinks"  # what of it a boot needs that comes before it is confirmed
UPLINKS_UNDO = "vmnet-uplinks-undo.service"

WRITTEN = "Written by the Ansible collection tapestry.vmnet."

# Names that a scope cannot have: they stand beside the scopes' directories.
RESERVED_SCOPES = ("dhcp",)


NETWORKD = "systemd-networkd"
NETWORK_MANAGER = "NetworkManager"
_UNMANAGED = {
    # Of the files that match an interface networkd takes the first. This one comes after those of an uplink, 00-vmnet-*.
    NETWORKD: "/etc/systemd/network/00-vmnet.{scope}.{what}.network",
    NETWORK_MANAGER: "/etc/NetworkManager/conf.d/vmnet.{scope}.{what}.conf",
}
# Of all scopes and modules, as a pattern.
UNMANAGED = tuple(path.format(scope="*", what="*") for path in _UNMANAGED.values())


def unmanaged(manager: str, scope: str, what: str) -> str:
    """The file that tells a network manager to leave interfaces alone; ``what`` they are: ``bridges`` or ``taps``."""
    return _UNMANAGED[manager].format(scope=scope, what=what)


def root(persistent: bool) -> str:
    return PERSISTENT if persistent else VOLATILE


def dhcp_unit(network: str) -> str:
    """The instance of the template unit that serves a network."""
    return DHCP_SERVICE.replace("@", f"@{network}")


def dhcp_network(unit: str) -> str:
    """The inverse of ``dhcp_unit``; empty for any other unit."""
    before, after = DHCP_SERVICE.split("@")
    is_instance = unit.startswith(f"{before}@") and unit.endswith(after)
    return unit[len(before) + 1 : -len(after)] if is_instance else ""


def unit_file(name: str) -> str:
    return f"{UNITS}/{name}"


def docker_rules(root: str, scope: str) -> str:
    """What of ours is in the chain DOCKER-USER, for the restore script: Docker makes its chains anew whenever the host boots."""
    return f"{root}/{scope}/docker.rules"
