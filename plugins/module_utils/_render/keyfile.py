# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An uplink for NetworkManager: its profile becomes a port's, and what the host is goes to a profile of the bridge."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from .._model.errors import HostError
from .._model.resource import File
from .._model.uplink import Station, renamed
from . import ini
from .ini import Section

_STATION = ("ipv4", "ipv6", "proxy")
_OWN_KEYS = ("id", "uuid", "type", "timestamp")
_PORT_KEYS = (
    "master",
    "slave-type",
    "controller",
    "port-type",
    "interface-name",
    "autoconnect",
    "autoconnect-priority",
)
# What of a connection is about the host on its network (nm-settings-nmcli(5)).
_STATION_KEYS = (
    "zone",
    "mdns",
    "llmnr",
    "dns-over-tls",
    "metered",
    "secondaries",
    "stable-id",
    "gateway-ping-timeout",
    "ip-ping-addresses",
    "ip-ping-addresses-require-all",
    "ip-ping-timeout",
)
_DIRECTORY = "NetworkManager/system-connections"
_ETHERNET_METRIC = 100
_METRICS = {"bond": 300, "vlan": 400}  # nm_device_get_route_metric_default
_OURS = uuid.UUID("f28ff8a5-8a0b-4c0e-8d1a-3a55b1b3a3c5")


def is_bridged(files: Mapping[str, File], name: str, bridge: str) -> bool:
    for path, file in files.items():
        if f"/{_DIRECTORY}/" in path:
            connection = next((s for s in ini.parse(file.text) if s.name == "connection"), Section("", ()))
            controller = connection.get("controller") or connection.get("master")
            if connection.get("interface-name") == name and controller in (bridge, _uuid(bridge)):
                return True
    return False


def bridged(files: Mapping[str, File], interface: Station, bridge: str, persistent: bool = True) -> dict[str, File]:
    """The files that change and those to be added. Raises HostError for a profile that cannot be read."""
    source = interface.managed.file if interface.managed else ""
    if source not in files:
        raise HostError(
            f"the NetworkManager profile of {interface.name}, {source or 'which it does not tell'}, cannot be read"
        )
    sections = ini.parse(files[source].text)
    connection = next((s for s in sections if s.name == "connection"), Section("connection", ()))
    # A profile that is kept in memory only is not a file to be changed: another one comes before it.
    in_place = persistent and source.startswith("/etc/")
    identity = connection.only(("id", "uuid", "type")) if in_place else _identity(interface.name, connection)
    port = [
        Section(
            "connection",
            (
                *identity,
                f"interface-name={interface.name}",
                f"master={bridge}",
                "slave-type=bridge",
                "autoconnect-priority=999",
                *(connection.without((*_PORT_KEYS, *_STATION_KEYS, *_OWN_KEYS)) if in_place else ()),
            ),
        ),
        *(s for s in sections if s.name not in ("connection", *_STATION)),
    ]
    station = [
        Section(
            "connection",
            (
                f"id={bridge}",
                f"uuid={_uuid(bridge)}",
                "type=bridge",
                f"interface-name={bridge}",
                "autoconnect-priority=999",
                "autoconnect-slaves=1",
                *connection.only(_STATION_KEYS),
            ),
        ),
        Section("ethernet", (f"cloned-mac-address={interface.mac.upper()}",)),
        Section("bridge", ("stp=false",)),
        *(_of_station(s, interface, bridge) for s in sections if s.name in _STATION),
    ]
    directory = f"/etc/{_DIRECTORY}" if persistent else f"/run/{_DIRECTORY}"
    comment = f"Written by the Ansible collection tapestry.vmnet. {source} is what it was made from."
    paths = {source if in_place else f"{directory}/vmnet-{interface.name}.nmconnection": port}
    paths[f"{directory}/vmnet-{bridge}.nmconnection"] = station
    return {path: File(path, ini.render(part, comment), 0o600) for path, part in paths.items()}


def _of_station(section: Section, interface: Station, bridge: str) -> Section:
    """A rule about the interface is one about the bridge."""
    lines = (
        renamed(line, interface.name, bridge) if line.startswith("routing-rule") else line for line in section.lines
    )
    return _with_metric(Section(section.name, tuple(lines)), interface.type)


def _with_metric(section: Section, kind: str) -> Section:
    """NetworkManager prefers some kinds of links to others; the host's routes keep the rank that they had on the interface."""
    if section.name == "proxy" or section.get("route-metric"):
        return section
    return Section(section.name, (*section.lines, f"route-metric={_METRICS.get(kind, _ETHERNET_METRIC)}"))


def _identity(name: str, connection: Section) -> tuple[str, ...]:
    return (f"id=vmnet-{name}", f"uuid={_uuid(name)}", f"type={connection.get('type') or 'ethernet'}")


def _uuid(name: str) -> str:
    return str(uuid.uuid5(_OURS, name))


# Shell: the files are in place, and what they say has been done; FILE is the interface's profile. A bridge that NetworkManager
# has not made it only watches, until it is told that there is a profile for it; that is ready only once the port is in it.
TAKE_OVER = r"""
nmcli connection reload
profile() { nmcli --terse --fields UUID,FILENAME connection show | awk -F: -v name="$1" 'index($2, name) { print $1 }'; }
if [ -n "$PORT" ]; then
    nmcli --wait 0 connection up "$(profile "/vmnet-$TO.nmconnection")"
    nmcli --wait 20 connection up "$(profile "$FILE")"
    for _ in $(seq 40); do
        case $(nmcli --get-values GENERAL.STATE device show "$TO") in 100*) break ;; esac
        sleep 0.5
    done
else
    { [ -n "$FILE" ] && nmcli --wait 30 connection up "$(profile "$FILE")"; } || nmcli --wait 30 device connect "$TO"
    rm -f /var/lib/NetworkManager/internal-*-"$FROM".lease
    # The bridge is ours, but where NetworkManager had made it at boot it has gone with its profile.
    [ -e "/sys/class/net/$FROM" ] || /etc/vmnet/restore
fi
"""
