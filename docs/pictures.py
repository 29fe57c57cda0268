# Copyright (c) 2026, tapestry.vmnet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the pictures of the README and the guides.

python3 docs/pictures.py writes docs/docsite/rst/images/*.svg; with --check it says which of them are not what it would write.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "docsite/rst/images"

# The colours follow what the reader's system prefers; the panel is opaque, so that they also fit a page that does not.
STYLE = """
  svg { --panel: #ffffff; --ink: #1f2933; --faint: #5b6774; --edge: #9aa5b1; --host: #f3f6f9; --node: #ffffff;
        --bridge: #dbeafe; --bridge-edge: #2563eb; --go: #15803d; --back: #b45309; --stop: #b91c1c; --rule: #fef3c7; --rule-edge: #b45309 }
  @media (prefers-color-scheme: dark) {
    svg { --panel: #15191e; --ink: #e6eaee; --faint: #a3adb8; --edge: #5b6774; --host: #1d232a; --node: #262e37;
          --bridge: #1e3a5f; --bridge-edge: #7db2ff; --go: #5ed08a; --back: #f2b04c; --stop: #ff8585; --rule: #40320f; --rule-edge: #f2b04c }
  }
  text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink) }
  .panel { fill: var(--panel) }
  .host { fill: var(--host); stroke: var(--edge) }
  .node { fill: var(--node); stroke: var(--edge) }
  .bridge { fill: var(--bridge); stroke: var(--bridge-edge) }
  .rule { fill: var(--rule); stroke: var(--rule-edge) }
  .wire { stroke: var(--edge); stroke-width: 2; fill: none }
  .go, .back, .stop { fill: none; stroke-width: 2.5 }
  .go { stroke: var(--go) } .back { stroke: var(--back) } .stop { stroke: var(--stop); stroke-dasharray: 5 4 }
  text.go { stroke: none; fill: var(--go) } text.back { stroke: none; fill: var(--back) } text.stop { stroke: none; fill: var(--stop) }
  .title { font-weight: 600 } .big { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: var(--faint) }
  .mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px }
  .head-go { fill: var(--go) } .head-back { fill: var(--back) } .head-stop { fill: var(--stop) }
"""

HEADS = "".join(
    f'<marker id="{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto-start-reverse">'
    f'<path class="head-{kind}" d="M0 0 8 4 0 8z"/></marker>'
    for kind in ("go", "back", "stop")
)


class Picture:
    """Boxes, wires and the way of packets, in the order in which they are drawn."""

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        self.width, self.height, self.title, self.description = width, height, title, description
        self.parts: list[str] = []

    def box(self, kind: str, x: int, y: int, width: int, height: int, *lines: str) -> None:
        """The first line is a title, the others explain it."""
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
        top = y + height / 2 - 8 * (len(lines) - 1) + 4.5
        for index, line in enumerate(lines):
            self.text(x + width / 2, top + 16 * index, line, "title" if index == 0 else "small", anchor="middle")

    def frame(self, x: int, y: int, width: int, height: int, title: str, note: str = "") -> None:
        """A box with its title at the top, for what is inside it."""
        self.parts.append(f'<rect class="host" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>')
        self.text(x + 14, y + 22, title, "title")
        if note:
            self.text(x + 22 + 7.6 * len(title), y + 22, note, "small")

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def wire(self, *points: tuple[int, int]) -> None:
        self.parts.append(f'<path class="wire" d="{path(points)}"/>')

    def way(self, kind: str, *points: tuple[int, int], both: bool = False) -> None:
        """What a packet does: `go`, `back` or `stop`."""
        start = f' marker-start="url(#{kind})"' if both else ""
        self.parts.append(f'<path class="{kind}" d="{path(points)}" marker-end="url(#{kind})"{start}/>')

    def barrier(self, x: int, y: int, height: int) -> None:
        """Where a packet ends."""
        self.parts.append(
            f'<path class="stop" style="stroke-dasharray:none" d="M{x} {y}v{height}M{x + 6} {y}v{height}"/>'
        )

    def svg(self) -> str:
        return "\n".join(
            [
                # REUSE-IgnoreStart
                "<!--",
                "GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)",
                "SPDX-FileCopyrightText: The tapestry.vmnet authors",
                "SPDX-License-Identifier: GPL-3.0-or-later",
                "Drawn by docs/pictures.py.",
                "-->",
                # REUSE-IgnoreEnd
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" '
                f'width="{self.width}" height="{self.height}">',
                f"<title>{escape(self.title)}</title>",
                f"<desc>{escape(self.description)}</desc>",
                f"<style>{STYLE}</style>",
                f"<defs>{HEADS}</defs>",
                f'<rect class="panel" width="{self.width}" height="{self.height}" rx="12"/>',
                *self.parts,
                "</svg>",
                "",
            ]
        )


def path(points: tuple[tuple[int, int], ...]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def overview() -> Picture:
    p = Picture(
        860,
        420,
        "Three kinds of virtual machine networks on one host",
        "Host-only guests reach the host alone. Bridged guests are on the LAN. NAT guests go out with the host's address, "
        "and ports of the host lead to them.",
    )
    p.frame(20, 20, 560, 380, "host", "plain Linux: kernel, nftables, dnsmasq, systemd")
    p.box("node", 640, 60, 200, 66, "LAN", "192.168.1.0/24")
    p.box("node", 640, 320, 200, 66, "internet", "through the LAN's router")
    p.wire((820, 126), (820, 320))

    rows = (
        (62, "bridged", "br0", "eth1"),
        (176, "nat", "vmnet8", "eth0"),
        (290, "host_only", "vmnet1", ""),
    )
    for y, mode, bridge, nic in rows:
        p.box("node", 40, y + 14, 110, 56, "guest", mode)
        p.box("bridge", 210, y + 14, 100, 56, bridge, "bridge")
        if nic:
            p.box("node", 490, y + 14, 70, 56, nic, "NIC")
    p.way("go", (150, 104), (210, 104), both=True)
    p.way("go", (310, 104), (490, 104), both=True)
    p.way("go", (560, 104), (640, 104), both=True)
    p.text(400, 96, "as itself", "small", anchor="middle")

    p.way("go", (150, 207), (210, 207))
    p.way("back", (210, 229), (150, 229))
    p.box("rule", 350, 184, 110, 68, "routing", "masquerade", "port forwards")
    p.way("go", (310, 207), (350, 207))
    p.way("go", (460, 207), (490, 207))
    p.way("back", (350, 229), (310, 229))
    p.way("back", (490, 229), (460, 229))
    p.way("go", (560, 207), (690, 207), (690, 126))
    p.way("back", (790, 126), (790, 229), (560, 229))
    p.text(592, 197, "as 192.168.1.5", "small")
    p.text(592, 249, "to port 8080 of the host", "small")

    p.way("go", (150, 332), (210, 332), both=True)
    p.box("node", 350, 304, 110, 56, "host", "192.168.56.1")
    p.way("go", (310, 332), (350, 332), both=True)
    p.barrier(500, 304, 56)
    p.way("stop", (560, 332), (510, 332))
    p.way("stop", (460, 332), (498, 332))
    return p


def host_only() -> Picture:
    p = Picture(
        860,
        330,
        "Host-only: nothing crosses between the bridge and any other interface",
        "The guests db and app reach each other through the bridge and the host on its own address; what they send to other "
        "networks, and what others send to them, is dropped.",
    )
    p.frame(20, 20, 600, 290, "host")
    p.box("node", 40, 70, 130, 60, "guest db", "192.168.56.11")
    p.box("node", 40, 210, 130, 60, "guest app", "192.168.56.12")
    p.box("bridge", 236, 70, 146, 200, "vmnet1", "192.168.56.1/24")
    p.wire((170, 100), (236, 100))
    p.wire((170, 240), (236, 240))
    p.text(205, 92, "vnet10", "small", anchor="middle")
    p.text(205, 256, "vnet11", "small", anchor="middle")
    p.box("node", 430, 70, 110, 60, "dnsmasq", "DHCP, names")
    p.way("go", (382, 100), (430, 100), both=True)
    p.way("go", (170, 114), (256, 114), (256, 226), (170, 226), both=True)
    p.box("node", 540, 210, 70, 60, "eth0", "NIC")
    p.box("rule", 420, 205, 80, 70, "forward", "isolated:", "drop")
    p.way("stop", (382, 226), (420, 226))
    p.way("stop", (540, 254), (502, 254))
    p.wire((610, 240), (680, 240))
    p.box("node", 680, 205, 160, 70, "LAN", "192.168.1.0/24")
    p.text(640, 92, "no default route,", "small")
    p.text(640, 108, "no names of elsewhere", "small")
    return p


def bridged() -> Picture:
    p = Picture(
        860,
        330,
        "Bridged: the guest is a station of the LAN",
        "Frames of the guest leave by the uplink as they are; the LAN's own router serves addresses and routes.",
    )
    p.frame(20, 20, 520, 290, "host", "no address here is needed")
    p.box("node", 40, 80, 140, 70, "guest web", "192.168.1.101", "from the LAN's DHCP")
    p.box("bridge", 260, 70, 90, 90, "br0", "bridge")
    p.box("node", 430, 80, 90, 70, "eth1", "its port")
    p.wire((180, 115), (260, 115))
    p.wire((350, 115), (430, 115))
    p.wire((520, 115), (600, 115))
    p.text(220, 138, "vnet20", "small", anchor="middle")
    p.way("go", (180, 105), (260, 105), both=True)
    p.way("go", (350, 105), (430, 105), both=True)
    p.way("go", (520, 105), (600, 105), both=True)
    p.text(290, 200, "192.168.1.101 → 8.8.8.8", "mono", anchor="middle")
    p.text(290, 222, "the same packet everywhere: no address, port or TTL is changed", "small", anchor="middle")
    p.box("node", 600, 60, 30, 210, "")
    p.text(615, 290, "LAN switch", "small", anchor="middle")
    p.box("node", 690, 60, 150, 56, "router", "192.168.1.1, DHCP")
    p.box("node", 690, 214, 150, 56, "neighbour", "192.168.1.20")
    p.wire((630, 88), (690, 88))
    p.wire((630, 242), (690, 242))
    return p


def nat() -> Picture:
    p = Picture(
        860,
        400,
        "NAT: out with the host's address, in through port forwards",
        "What a guest sends leaves with the host's address. What arrives at port 8080 of the host goes to port 80 of the guest. "
        "What a neighbour sends straight to the guest's address is dropped.",
    )
    p.frame(20, 20, 610, 360, "host")
    p.box("node", 40, 110, 130, 150, "guest web", "192.168.233.101", "gateway .2")
    p.box("bridge", 222, 110, 106, 150, "vmnet8", "192.168.233.2")
    p.text(200, 284, "vnet0", "small", anchor="middle")
    p.box("rule", 362, 60, 138, 66, "masquerade", "source becomes", "192.168.1.5")
    p.box("rule", 362, 166, 138, 66, "port forward", "8080 becomes", "192.168.233.101:80")
    p.box("rule", 362, 290, 138, 56, "closed", "drop")
    p.box("node", 534, 60, 84, 286, "eth0", "192.168.1.5")
    p.way("go", (170, 135), (222, 135))
    p.way("go", (328, 135), (344, 135), (344, 93), (362, 93))
    p.way("go", (500, 93), (534, 93))
    p.way("go", (618, 93), (680, 93))
    p.way("back", (680, 199), (618, 199))
    p.way("back", (534, 199), (500, 199))
    p.way("back", (362, 199), (328, 199))
    p.way("back", (222, 199), (170, 199))
    p.way("stop", (680, 318), (618, 318))
    p.way("stop", (534, 318), (502, 318))
    p.box("node", 680, 60, 160, 66, "internet", "8.8.8.8")
    p.box("node", 680, 166, 160, 66, "neighbour", "192.168.1.20")
    p.box("node", 680, 285, 160, 66, "attacker", "routes to the guest")
    p.text(40, 60, "192.168.233.101 → 8.8.8.8", "mono go")
    p.text(680, 146, "192.168.1.5 → 8.8.8.8", "mono go")
    p.text(680, 252, "→ 192.168.1.5:8080", "mono back")
    p.text(680, 370, "→ 192.168.233.101", "mono stop")
    p.text(40, 84, "and answers, by themselves", "small")
    return p


def uplink() -> Picture:
    p = Picture(
        860,
        300,
        "A server's only NIC moves into a bridge",
        "Before: the address is on the NIC. After: the NIC is a port of the bridge, and address, routes and MAC are the bridge's.",
    )
    for x, title in ((20, "before"), (450, "after")):
        p.frame(x, 20, 390, 260, title)
    p.box("node", 220, 90, 120, 80, "enp1s0", "192.168.1.5/24", "default route")
    p.wire((340, 130), (410, 130))
    p.text(364, 120, "LAN", "small")
    p.box("bridge", 580, 80, 130, 100, "br0", "192.168.1.5/24", "default route", "MAC of enp1s0")
    p.box("node", 745, 95, 70, 70, "enp1s0", "a port")
    p.wire((710, 130), (745, 130))
    p.wire((815, 130), (840, 130))
    p.box("node", 465, 100, 70, 60, "guest", "vnet0")
    p.wire((535, 130), (580, 130))
    p.text(40, 220, "1  a way back is armed on the host", "small")
    p.text(40, 240, "2  everything moves in one go", "small")
    p.text(40, 260, "3  the controller connects anew, or it is undone", "small")
    p.text(470, 240, "open connections stay open", "small")
    p.text(470, 260, "written where the host configures its network at boot", "small")
    return p


PICTURES = {"overview": overview, "host_only": host_only, "bridged": bridged, "nat": nat, "uplink": uplink}


def main() -> int:
    stale = []
    for name, draw in PICTURES.items():
        file = IMAGES / f"{name}.svg"
        if "--check" not in sys.argv:
            file.write_text(draw().svg(), encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != draw().svg():
            stale.append(str(file))
    if stale:
        print("not what docs/pictures.py draws:", *stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
