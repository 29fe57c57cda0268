# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which network manager configures an interface of this host, and the files it does so from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import Optional

from .._model.resource import File
from .._model.uplink import Managed
from .._render import ifupdown
from .command import is_installed, run

_TREES = (
    "/etc/network",
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/etc/netplan",
)
_ENDINGS = (".network", ".netdev", ".conf", ".nmconnection", ".yaml")
_NETWORKD = "/run/systemd/netif"


def files() -> dict[str, File]:
    """By path."""
    found = {}
    for tree in _TREES:
        for directory, _subdirectories, names in os.walk(tree):
            for name in names:
                path = os.path.join(directory, name)
                is_interfaces = path == "/etc/network/interfaces" or directory == "/etc/network/interfaces.d"
                if is_interfaces or (tree != "/etc/network" and name.endswith(_ENDINGS)):
                    file = _read(path)
                    found.update({path: file} if file else {})
    return found


def of_interfaces(indices: Mapping[str, int], found: Mapping[str, File]) -> dict[str, Managed]:
    """The manager of each interface that has one."""
    result = dict(_network_manager())
    for name, index in indices.items():
        managed = result.get(name) or _networkd(index) or _ifupdown(name, found)
        if managed:
            result[name] = managed
    return {name: _by_netplan(managed) for name, managed in result.items()}


def _network_manager() -> Iterator[tuple[str, Managed]]:
    if not os.path.isdir("/run/NetworkManager") or not is_installed("nmcli"):
        return
    shown = run(
        ["nmcli", "--terse", "--fields", "DEVICE,FILENAME", "connection", "show", "--active"], check=False
    ).stdout
    for line in shown.splitlines():
        device, _colon, path = line.replace("\\:", ":").partition(":")
        # What it has not made from a file it only watches.
        if device and path.endswith(".nmconnection"):
            yield device, Managed("networkmanager", path)


def _networkd(index: int) -> Optional[Managed]:
    link = _settings(f"{_NETWORKD}/links/{index}")
    if link.get("ADMIN_STATE") not in ("configured", "configuring") or not link.get("NETWORK_FILE"):
        return None
    return Managed("networkd", link["NETWORK_FILE"], _settings(f"{_NETWORKD}/leases/{index}").get("CLIENTID", ""))


def _ifupdown(name: str, found: Mapping[str, File]) -> Optional[Managed]:
    return Managed("ifupdown") if is_installed("ifup") and ifupdown.describes(found, name) else None


def _by_netplan(managed: Managed) -> Managed:
    """netplan only writes files for one of the others, anew at every boot."""
    if managed.file.startswith("/run/") and os.path.basename(managed.file).startswith(("10-netplan-", "netplan-")):
        return Managed("netplan", managed.file, managed.client_id)
    return managed


def _settings(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(line.strip().partition("=")[::2] for line in stream if "=" in line)
    except OSError:
        return {}


def _read(path: str) -> Optional[File]:
    try:
        with open(path, encoding="utf-8") as stream:
            return File(path, stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
    except (OSError, UnicodeDecodeError):
        return None
