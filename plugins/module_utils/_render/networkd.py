# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An uplink for systemd-networkd: files of ours that come before the one that the interface has had, which stays as it is."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from .._model import layout
from .._model.resource import File
from .._model.uplink import Station
from . import ini
from .ini import Section

# What is about the link itself stays with it (systemd.network(5)).
_LINK_SECTIONS = ("Link", "SR-IOV", "CAN", "Bridge", "BridgeFDB", "BridgeMDB", "BridgeVLAN", "IPoIB")
# Whether the host waits for the network is a question to the bridge.
_ONLINE = ("RequiredForOnline", "RequiredFamilyForOnline")
# From the most to the least important (systemd.network(5)).
_DIRECTORIES = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
# Where one of the host's routing rules names an interface.
_RULE_KEYS = ("IncomingInterface", "OutgoingInterface")
_LINK_KEYS = ("VLAN", "MACVLAN", "MACVTAP", "IPVLAN", "IPVTAP", "VXLAN", "LLDP", "EmitLLDP", "Bridge", "Bond", "VRF")


def is_bridged(files: Mapping[str, File], name: str, bridge: str) -> bool:
    for path, file in files.items():
        if path.endswith(".network") and "/systemd/network/" in path:
            sections = ini.parse(file.text)
            matches = any(s.name == "Match" and name in (s.get("Name") or "").split() for s in sections)
            if matches and any(s.name == "Network" and s.get("Bridge") == bridge for s in sections):
                return True
    return False


def bridged(files: Mapping[str, File], interface: Station, bridge: str, persistent: bool = True) -> dict[str, File]:
    """The files to be added."""
    source = interface.managed.file if interface.managed else ""
    sections = [s for path in [source, *_dropins(files, source)] if path in files for s in ini.parse(files[path].text)]
    port = [Section("Match", (f"Name={interface.name}",))]
    port += [_of_port(s) for s in sections if s.name in _LINK_SECTIONS]
    kept = [line for s in sections if s.name == "Network" for line in s.only(_LINK_KEYS)]
    port.append(Section("Network", (*kept, f"Bridge={bridge}")))
    station = [Section("Match", (f"Name={bridge}",))]
    online = tuple(line for s in sections if s.name == "Link" for line in s.only(_ONLINE))
    station += [Section("Link", online)] if online else []
    for s in sections:
        if s.name not in ("Match", *_LINK_SECTIONS):
            station.append(_of_station(s, interface.name, bridge))
    station += identity(interface)
    device = [
        Section("NetDev", (f"Name={bridge}", "Kind=bridge", f"MACAddress={interface.mac}")),
        Section("Bridge", ("STP=no",)),
    ]
    directory = "/etc/systemd/network" if persistent else "/run/systemd/network"
    first = _before(posixpath.basename(source))
    texts = {
        f"{first}{bridge}.netdev": device,
        f"{first}{interface.name}.network": port,
        f"{first}{bridge}.network": station,
    }
    comment = f"{layout.WRITTEN} {source} is what it was made from."
    # networkd is not root
    return {f"{directory}/{n}": File(f"{directory}/{n}", ini.render(t, comment), 0o644) for n, t in texts.items()}


def identity(interface: Station) -> list[Section]:
    """A client names itself after its interface (RFC 4361); it has to remain the same for the server to know it."""
    client = interface.managed.client_id if interface.managed else ""
    return [Section("DHCPv4", (f"IAID={int(client[2:10], 16)}",))] if client.startswith("ff") else []


def _dropins(files: Mapping[str, File], source: str) -> list[str]:
    """Those of a file, wherever that is: by their names, of which the most important directory has its say."""
    found: dict[str, str] = {}
    for directory in reversed(_DIRECTORIES):
        own = f"{directory}/systemd/network/{posixpath.basename(source)}.d/"
        found.update({posixpath.basename(p): p for p in files if p.startswith(own) and p.endswith(".conf")})
    return [found[name] for name in sorted(found)]


def _of_station(section: Section, name: str, bridge: str) -> Section:
    """A rule about the interface is one about the bridge."""
    if section.name == "RoutingPolicyRule":
        return section.renamed(_RULE_KEYS, name, bridge)
    return Section(section.name, section.without(_LINK_KEYS)) if section.name == "Network" else section


def _of_port(section: Section) -> Section:
    """A port is never online by itself, but may be one that nobody waits for."""
    nobody = tuple(line for line in section.only(_ONLINE) if line.partition("=")[2].strip() in ("no", "false", "0"))
    return Section(section.name, (*section.without(_ONLINE), *nobody)) if section.name == "Link" else section


def _before(name: str) -> str:
    """A prefix that sorts before the name: of the files that match an interface the first is taken."""
    prefix = "00-vmnet-"
    return prefix if prefix < name else f"-{prefix}"


# Shell: the files are in place, and what they say has been done; FROM and TO are interfaces.
TAKE_OVER = """\
networkctl reload
of_networkd="$of_networkd $TO"
"""
