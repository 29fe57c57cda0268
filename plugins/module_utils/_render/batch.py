# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links as input of ``ip -batch``, which is also the record of what we answer for. Rendering and parsing are inverse.

Lines that begin with ``vlan`` are for ``bridge -batch``.

The lines of one link stand together: its creation (not for an adopted one, which somebody else creates), its attributes,
its place, and last the line that sets it up, so that kernel parameters can be set before it speaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from .._model.links import DEFAULT_PVID, Bridge, Tap, Vlan, first_mtu, trunk
from .._model.mark import alias, owner

_ON_OFF = {"on": True, "off": False}


def render_bridges(bridges: Iterable[Bridge]) -> str:
    return "".join(_bridge(bridge) for bridge in sorted(bridges, key=lambda b: b.name))


def render_taps(taps: Iterable[Tap]) -> str:
    return "".join(_tap(tap) for tap in sorted(taps, key=lambda t: t.name))


def parse_bridges(text: str) -> dict[str, Bridge]:
    return {name: _parse_bridge(name, lines) for name, lines in _links(text).items()}


def parse_taps(text: str) -> dict[str, Tap]:
    return {name: _parse_tap(name, lines) for name, lines in _links(text).items()}


def _bridge(bridge: Bridge) -> str:
    dev = f"dev {bridge.name}"
    # A comment to ip. Where the host's network manager makes the bridge, we only wait for it.
    lines = [f"#uplink {bridge.uplink}"] if bridge.uplink else []
    lines += [] if bridge.adopted else [f"link add name {bridge.name} mtu {first_mtu(bridge.mtu or 0)} type bridge"]
    lines += [
        f"link set {dev} alias {_alias(bridge)}",
        f"link set {dev} address {bridge.mac}",
        f"link set {dev} mtu {bridge.mtu}",
        f"link set {dev} type bridge stp_state {int(bool(bridge.stp))} forward_delay {_hundredths(bridge.forward_delay)}"
        f" ageing_time {_hundredths(bridge.ageing_time)} mcast_snooping {int(bool(bridge.multicast_snooping))}",
    ]
    vlans = {"vlan_default_pvid": bridge.vlan_default_pvid, "vlan_filtering": int(bool(bridge.vlan_filtering))}
    if vlans != {"vlan_default_pvid": DEFAULT_PVID, "vlan_filtering": 0}:
        # By itself, and only if it has to be: a kernel without VLAN filtering refuses the whole line.
        lines.append(f"link set {dev} type bridge " + " ".join(f"{k} {v}" for k, v in vlans.items()))
    # A gateway's address is decided here; duplicate address detection would leave it unusable until the first guest is up.
    lines += [f"address replace {a} {dev}{' nodad' if ':' in a else ''}" for a in bridge.addresses or ()]
    for port in bridge.ports or ():
        lines += [f"link set dev {port} master {bridge.name}", f"link set dev {port} up"]
        if bridge.vlan_filtering:
            lines += _vlans("add", port, trunk(bridge.vlan_default_pvid or 0).tagged)
    if bridge.uplink and bridge.vlan_filtering:
        lines += vlans_of_uplink(bridge)
    lines.append(f"link set {dev} up")
    return _section(bridge.name, lines)


def vlans_of_uplink(bridge: Bridge) -> list[str]:
    """For ``bridge -batch``: what has to be said once the uplink is a port."""
    return _vlans("add", str(bridge.uplink), trunk(bridge.vlan_default_pvid or 0).tagged)


def _tap(tap: Tap) -> str:
    dev = f"dev {tap.name}"
    lines = []
    if not tap.adopted:
        options = [f"tuntap add {dev} mode tap"]
        options += [f"user {tap.owner}"] if tap.owner is not None else []
        options += [f"group {tap.group}"] if tap.group is not None else []
        options += ["multi_queue"] if tap.multi_queue else []
        options += ["vnet_hdr"] if tap.vnet_hdr else []
        lines.append(" ".join(options))
    lines.append(f"link set {dev} alias {_alias(tap)}")
    if tap.mac:
        lines.append(f"link set {dev} address {tap.mac}")
    lines.append(f"link set {dev} mtu {tap.mtu}")
    if tap.bridge:
        flags = {"isolated": tap.isolated, "learning": tap.learning, "flood": tap.unicast_flood, "hairpin": tap.hairpin}
        # The host is on the bridge, not on its ports.
        lines += [] if tap.adopted else [f"link set {dev} addrgenmode none"]
        lines.append(f"link set {dev} master {tap.bridge}")
        lines.append(
            f"link set {dev} type bridge_slave " + " ".join(f"{k} {'on' if v else 'off'}" for k, v in flags.items())
        )
    if tap.vlan:
        lines += _vlans("add", tap.name, [str(tap.vlan.pvid)], " pvid untagged") if tap.vlan.pvid else []
        lines += _vlans("add", tap.name, tap.vlan.tagged)
        lines += _vlans("del", tap.name, tap.vlan.others())
    lines.append(f"link set {dev} up")
    return _section(tap.name, lines)


def _parse_bridge(name: str, lines: list[list[str]]) -> Bridge:
    set_ = _settings(name, lines)
    return Bridge(
        name=name,
        **owner(set_.get("alias", ""))._asdict(),
        addresses=tuple(words[2] for words in lines if words[:2] == ["address", "replace"]),
        ports=tuple(
            words[3] for words in lines if words[:3] == ["link", "set", "dev"] and words[4:] == ["master", name]
        ),
        mac=set_.get("address"),
        mtu=_int(set_.get("mtu")),
        stp=set_.get("stp_state") == "1",
        forward_delay=_seconds(set_.get("forward_delay")),
        ageing_time=_seconds(set_.get("ageing_time")),
        vlan_filtering=set_.get("vlan_filtering") == "1",
        vlan_default_pvid=_int(set_.get("vlan_default_pvid", DEFAULT_PVID)),
        multicast_snooping=set_.get("mcast_snooping") == "1",
        uplink=next((words[1] for words in lines if words[0] == "#uplink"), None),
    )


def _parse_tap(name: str, lines: list[list[str]]) -> Tap:
    set_ = _settings(name, lines)
    created = next((words for words in lines if words[0] == "tuntap"), [])
    options = dict(zip(created[2::2], created[3::2]))
    return Tap(
        name=name,
        **owner(set_.get("alias", ""))._asdict(),
        bridge=set_.get("master"),
        owner=_int(options.get("user")),
        group=_int(options.get("group")),
        multi_queue="multi_queue" in created,
        vnet_hdr=True if "vnet_hdr" in created else None,
        mac=set_.get("address"),
        mtu=_int(set_.get("mtu")),
        isolated=_ON_OFF.get(set_.get("isolated", "off")),
        learning=_ON_OFF.get(set_.get("learning", "on")),
        unicast_flood=_ON_OFF.get(set_.get("flood", "on")),
        hairpin=_ON_OFF.get(set_.get("hairpin", "off")),
        vlan=_vlan([words for words in lines if words[0] == "vlan"]),
    )


def _vlans(verb: str, name: str, ranges: Iterable[str], flags: str = "") -> list[str]:
    return [f"vlan {verb} dev {name} vid {vids}{flags}" for vids in ranges]


def _vlan(lines: list[list[str]]) -> Optional[Vlan]:
    """The inverse: of lines such as ``vlan add dev vnet0 vid 10 pvid untagged``; none is no wish."""
    added = [words for words in lines if words[1] == "add"]
    pvid = next((int(words[5]) for words in added if "pvid" in words), 0)
    return Vlan(pvid, tuple(words[5] for words in added if "pvid" not in words)) if lines else None


def _section(name: str, lines: list[str]) -> str:
    return "\n".join([f"# {name}", *lines]) + "\n"


def _links(text: str) -> dict[str, list[list[str]]]:
    links: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("# "):
            lines = links.setdefault(line[2:], [])
        elif line:
            lines.append([word.strip('"') for word in line.split()])
    return links


def _settings(name: str, lines: list[list[str]]) -> dict[str, str]:
    """The words behind ``link set dev <name>`` in pairs."""
    result: dict[str, str] = {}
    for words in lines:
        if words[:4] == ["link", "set", "dev", name] and len(words) > 5:
            rest = words[4:]
            if rest[0] == "alias":
                result["alias"] = " ".join(rest[1:])
            else:
                rest = rest[2:] if rest[0] == "type" else rest
                result.update(zip(rest[::2], rest[1::2]))
    return result


def _alias(link: Any) -> str:
    text = alias(link.scope, link.adopted, link.label)
    return f'"{text}"' if " " in text else text


def _hundredths(seconds: Optional[int]) -> int:
    return (seconds or 0) * 100


def _seconds(hundredths: Optional[str]) -> Optional[int]:
    return None if hundredths is None else int(hundredths) // 100


def _int(text: Any) -> Optional[int]:
    return None if text is None else int(text)
