# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An uplink for ifupdown: the stanzas of the interface become the bridge's. Nothing but ip is needed to make it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .._model.errors import HostError
from .._model.resource import File
from .._model.uplink import Station

# What is about the link itself stays with it, whatever packages add such options.
_LINK_OPTION = re.compile(
    r"\s*(bond|vlan|slaves|ethernet|ethtool|hardware|link|offload|dma|driver|wireless|wpa|hwaddress|team)\b|.*\b(ethtool|mii-tool|ifenslave)\b"
)
_STANZA = re.compile(
    r"(iface|mapping|auto|allow-\S+|source|source-directory|no-auto-down|no-scripts|rename|template)\b"
)


class Stanza(NamedTuple):
    words: tuple[str, ...]  # of its first line; empty for what comes before the first stanza
    lines: tuple[str, ...]  # all, as they are in the file


def parse(text: str) -> list[Stanza]:
    stanzas = [Stanza((), ())]
    joined = False
    for line in text.splitlines(keepends=True):
        if not joined and _STANZA.match(line.strip()):
            stanzas.append(Stanza(_words(line), (line,)))
        else:
            last = stanzas[-1]
            in_first = joined and all(earlier.rstrip("\n").endswith("\\") for earlier in last.lines)
            words = (*last.words, *_words(line)) if in_first and last.words else last.words
            stanzas[-1] = Stanza(words, (*last.lines, line))
        joined = line.rstrip("\n").endswith("\\")
    return stanzas


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.rstrip().rstrip("\\").split())


def render(stanzas: list[Stanza]) -> str:
    return "".join(line for stanza in stanzas for line in stanza.lines)


def describes(files: Mapping[str, File], name: str) -> bool:
    return any(_is_iface(s, name) for f in _ours(files).values() for s in parse(f.text))


def is_bridged(files: Mapping[str, File], name: str, bridge: str) -> bool:
    stanzas = [s for f in _ours(files).values() for s in parse(f.text)]
    joined = any(_is_iface(s, bridge) and any(_joins(line, name, bridge) for line in s.lines[1:]) for s in stanzas)
    return joined and not any(_is_iface(s, name) and s.words[3:4] != ("manual",) for s in stanzas)


def _joins(line: str, name: str, bridge: str) -> bool:
    """Whether an option makes the interface a port: that of bridge-utils, of ifupdown-ng, or a command."""
    words = line.split()
    return name in words and (
        words[0] in ("bridge_ports", "bridge-ports") or f" master {bridge}" in f" {' '.join(words)}"
    )


def bridged(files: Mapping[str, File], interface: Station, bridge: str) -> dict[str, File]:
    """The files that change. Raises HostError for what cannot be rewritten."""
    name = interface.name
    if describes(files, bridge):
        raise HostError(f"/etc/network/interfaces has {bridge} already, without {name} as its port; add it there")
    changed, head = {}, _head(interface, bridge)
    parsed = {path: parse(file.text) for path, file in _ours(files).items()}
    on_link = [line for stanzas in parsed.values() for s in stanzas if _is_iface(s, name) for line in _on_link(s)]
    for path, file in _ours(files).items():
        stanzas: list[Stanza] = []
        for stanza in parsed[path]:
            if stanza.words[:1] == ("mapping",) and name in stanza.words[1:]:
                raise HostError(
                    f"{path}: {name} has a mapping, which cannot be moved to a bridge; write {bridge} there yourself"
                )
            if _is_iface(stanza, name) or _is_alias(stanza, name):
                stanzas += _moved(stanza, name, bridge, head, on_link)
                head = () if _is_iface(stanza, name) else head
            elif _starts(stanza):
                stanzas.append(_started(stanza, name, bridge))
            else:
                stanzas.append(stanza)
        text = render(stanzas)
        if text != file.text:
            changed[path] = File(path, text, file.mode)
    return changed


def _moved(stanza: Stanza, name: str, bridge: str, head: tuple[str, ...], on_link: list[str]) -> list[Stanza]:
    first, *options = stanza.lines
    if not first.endswith("\n"):
        first += "\n"
    own = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)")
    result = []
    if head:
        quiet = f"    pre-up ip link set dev {name} addrgenmode none\n"  # before ifupdown sets it up
        lines = dict.fromkeys(line if line.endswith("\n") else f"{line}\n" for line in on_link)
        result.append(Stanza(("iface", name), (f"iface {name} inet manual\n", quiet, *lines)))
    options = [own.sub(bridge, line) for line in options if not _LINK_OPTION.match(line)]
    return [*result, Stanza(("iface", bridge), (own.sub(bridge, first), *head, *options))]


def _on_link(stanza: Stanza) -> list[str]:
    """The lines about the link itself; a port that takes less than its bridge sends is of no use."""
    return [line for line in stanza.lines[1:] if _LINK_OPTION.match(line) or line.split()[:1] == ["mtu"]]


def _starts(stanza: Stanza) -> bool:
    return stanza.words[:1] == ("auto",) or "".join(stanza.words[:1]).startswith("allow-")


def _started(stanza: Stanza, name: str, bridge: str) -> Stanza:
    """Nobody plugs in a bridge, so it is always started at boot."""
    own = [word for word in stanza.words[1:] if word == name or word.startswith(f"{name}:")]
    if not own:
        return stanza
    # The names may go on in the next line.
    ends = (at for at, line in enumerate(stanza.lines, 1) if not line.rstrip("\n").endswith("\\"))
    end = next(ends, len(stanza.lines))
    verb, *names = stanza.words
    others = [bridge + word[len(name) :] if word in own and word != name else word for word in names]
    if verb == "auto":
        at = others.index(name) + 1 if name in others else len(others)
        lines = [["auto", *others[:at], *([bridge] if name in others else []), *others[at:]]]
    else:
        kept = [word for word in others if word != name]
        lines = [["auto", name, bridge]] if name in others else []
        lines += [[verb, *kept]] if kept else []
    return Stanza(stanza.words, (*(f"{' '.join(line)}\n" for line in lines), *stanza.lines[end:]))


def _head(interface: Station, bridge: str) -> tuple[str, ...]:
    """What makes the bridge, unless it is there."""
    name = interface.name
    commands = [
        f"ip link show dev {bridge} >/dev/null 2>&1 || ip link add name {bridge} type bridge",
        f"ip link set dev {bridge} address {interface.mac}",
        f"ip link set dev {name} master {bridge}",
        f"ip link set dev {name} up",
    ]
    return tuple(f"    pre-up {command}\n" for command in commands)


def _is_iface(stanza: Stanza, name: str) -> bool:
    return stanza.words[:2] == ("iface", name)


def _is_alias(stanza: Stanza, name: str) -> bool:
    return stanza.words[:1] == ("iface",) and len(stanza.words) > 1 and stanza.words[1].startswith(f"{name}:")


def _ours(files: Mapping[str, File]) -> dict[str, File]:
    return {path: file for path, file in files.items() if path.startswith("/etc/network/")}


# Shell: stops the DHCP clients of the old interface without giving their leases back, and has ifupdown take the new one,
# on which most of what it does has been done already.
TAKE_OVER = r"""
for pid in /run/dhclient.$FROM.pid /run/dhclient6.$FROM.pid /run/udhcpc.$FROM.pid; do
    [ -f "$pid" ] && kill "$(cat "$pid")" && rm -f "$pid"
done
if command -v dhcpcd > /dev/null && [ -n "$(ls /run/dhcpcd/$FROM*.pid /run/dhcpcd-$FROM*.pid 2> /dev/null)" ]; then
    dhcpcd -x -4 "$FROM"; dhcpcd -x -6 "$FROM"; dhcpcd -x "$FROM"
    # Its routes carry the interface's number; it makes its own for the other.
    ip -4 route flush dev "$TO" proto dhcp; ip -6 route flush dev "$TO" proto ra
fi
if [ -f "/var/lib/dhcpcd/$FROM.lease" ]; then mv "/var/lib/dhcpcd/$FROM.lease" "/var/lib/dhcpcd/$TO.lease"; fi
rm -f /run/dhcpcd/hook-state/*/"$FROM".*
for leases in /var/lib/dhcp/dhclient.$FROM.leases /var/lib/dhcp/dhclient6.$FROM.leases; do
    to=$(echo "$leases" | sed "s/\.$FROM\.leases/.$TO.leases/")
    [ -f "$leases" ] && sed "s/interface \"$FROM\"/interface \"$TO\"/" "$leases" > "$to" && rm -f "$leases"
done
[ -f /run/network/ifstate ] && sed -i "/^$FROM=/d" /run/network/ifstate
rm -f "/run/network/ifstate.$FROM"
ifup --force --ignore-errors "$TO"
[ -n "$PORT" ] && ifup --force --ignore-errors "$PORT"
"""
