# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An uplink for netplan: what the host is goes from the definition of the interface to one of the bridge."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any, Optional

try:
    import yaml
    from yaml.emitter import Emitter
    from yaml.representer import SafeRepresenter
    from yaml.resolver import BaseResolver
    from yaml.serializer import Serializer

    class _Dumper(Emitter, Serializer, SafeRepresenter, BaseResolver):
        """All is text, as it is to netplan: to YAML 1.1 some MAC addresses are numbers to the base of 60."""

        def __init__(self, stream: Any, **_options: Any) -> None:
            Emitter.__init__(self, stream)
            Serializer.__init__(self)
            SafeRepresenter.__init__(self, default_flow_style=False, sort_keys=False)
            BaseResolver.__init__(self)

    HAS_YAML = True
except ImportError:
    HAS_YAML = False

from .._model.errors import HostError
from .._model.resource import File
from .._model.uplink import Station

_DEVICES = ("ethernets", "bonds", "vlans")
# What is about the link itself stays with it (netplan(5)); all else is about the host.
_LINK_KEYS = frozenset(
    [
        "match",
        "set-name",
        "wakeonlan",
        "emit-lldp",
        "macaddress",
        "mtu",
        "interfaces",
        "parameters",
        "id",
        "link",
        "openvswitch",
        "embedded-switch-mode",
        "virtual-function-count",
        "delay-virtual-functions-rebind",
        "infiniband-mode",
        "receive-checksum-offload",
        "transmit-checksum-offload",
        "tcp-segmentation-offload",
        "tcp6-segmentation-offload",
        "generic-segmentation-offload",
        "generic-receive-offload",
        "large-receive-offload",
        "auth",
        "optional",
    ]
)


def is_bridged(files: Mapping[str, File], name: str, bridge: str) -> bool:
    if not HAS_YAML:
        return False
    for _path, _file, network in _networks(files):
        definition = (network.get("bridges") or {}).get(bridge) or {}
        ids = {name, *(key for _kind, key, d in _devices(network) if d.get("set-name") == name)}
        if ids.intersection(definition.get("interfaces") or []):
            return True
    return False


def bridged(files: Mapping[str, File], interface: Station, bridge: str) -> dict[str, File]:
    """The files that change. Raises HostError for what cannot be rewritten."""
    if not HAS_YAML:
        raise HostError(
            "to rewrite netplan's files, the Python library yaml is needed on this host; its package is python3-yaml"
        )
    key = _id(interface)
    changed: dict[str, File] = {}
    station: dict[str, Any] = {}
    last: Optional[str] = None
    networks = list(_networks(files))
    for path, _file, network in networks:
        for kind, name, definition in _devices(network):
            if name != key:
                continue
            glob = definition.get("match", {}).get("name", "")
            if re.search(r"[*?\[]", str(glob)) and "macaddress" not in definition.get("match", {}):
                raise HostError(
                    f"{path}: {name} matches {glob}, which may be other interfaces, too; give {interface.name} a definition of its own"
                )
            _merge(station, {k: v for k, v in definition.items() if k not in _LINK_KEYS})
            network[kind][name] = {k: v for k, v in definition.items() if k in _LINK_KEYS}
            last = path
    if last is None:
        raise HostError(f"no file in /etc/netplan defines {interface.name}, which netplan calls {key}")
    for path, file, network in networks:
        if path == last:
            definition = {
                "interfaces": [key],
                "macaddress": interface.mac,
                "parameters": {"stp": "false"},
            }
            network.setdefault("bridges", {})[bridge] = {**definition, **station}
        text = yaml.dump({"network": network}, Dumper=_Dumper)
        if _load(file.text) != {"network": network}:
            changed[path] = File(path, f"# Written by the Ansible collection tapestry.vmnet.\n{text}", file.mode)
    return changed


def _networks(files: Mapping[str, File]) -> list[tuple[str, File, dict[str, Any]]]:
    """In the order in which later ones go over earlier ones."""
    found = []
    for path in sorted(files, key=posixpath.basename):
        if path.startswith("/etc/netplan/"):
            try:
                document = _load(files[path].text)
            except yaml.YAMLError as error:
                raise HostError(f"{path}: {error}") from None
            if isinstance(document, dict) and isinstance(document.get("network"), dict):
                found.append((path, files[path], document["network"]))
    return found


def _load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.BaseLoader)


def _devices(network: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (kind, name, definition or {}) for kind in _DEVICES for name, definition in (network.get(kind) or {}).items()
    ]


def _id(interface: Station) -> str:
    """What netplan calls the interface: it is in the name of the file that it has written for it."""
    file = posixpath.basename(interface.managed.file) if interface.managed else ""
    match = re.fullmatch(r"(?:10-)?netplan-(.+?)(?:-[^-]*)?\.(?:network|nmconnection)", file)
    exact = re.fullmatch(r"10-netplan-(.+)\.network", file)
    return exact.group(1) if exact else match.group(1) if match else interface.name


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """As netplan does: lists grow, mappings are merged, and of other values the last one counts."""
    for key, value in other.items():
        if isinstance(value, list) and isinstance(into.get(key), list):
            into[key] = [*into[key], *(item for item in value if item not in into[key])]
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


TAKE_OVER = """\
netplan generate
if [ -d /run/NetworkManager ] && command -v nmcli > /dev/null; then
    nmcli connection reload
    if [ -n "$PORT" ]; then
        nmcli --wait 30 device connect "$TO"
        nmcli --wait 30 device connect "$PORT"
    else
        nmcli --wait 30 device connect "$TO"
        [ -e "/sys/class/net/$FROM" ] || /etc/vmnet/restore
    fi
fi
if systemctl --quiet is-active systemd-networkd; then
    networkctl reload
    of_networkd="$of_networkd $TO"
fi
"""
