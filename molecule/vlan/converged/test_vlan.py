# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is sent into a VLAN arrives in that VLAN and nowhere else."""

from __future__ import annotations

import json

import pytest

from lab import Host

# Opens all taps, sends one broadcast by each in turn, and prints what arrived where: sender, receiver, VLAN of its tag.
PROGRAM = """
import fcntl, os, select, struct, time
taps = {}
for name in ("ten0", "ten1", "twenty", "trunk", "usual"):
    taps[name] = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(taps[name], 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
time.sleep(1)
def seen():
    for name, tap in taps.items():
        while True:
            try:
                frame = os.read(tap, 2000)
            except BlockingIOError:
                break
            kind, tag, inner = struct.unpack_from("!HHH", frame, 12)
            if kind == 0x88B5 or (kind == 0x8100 and inner == 0x88B5):
                print(sender, name, tag & 4095 if kind == 0x8100 else 0)
for number, sender in enumerate(taps):
    for vlan in (0, 10, 20, 30):
        source = b"\\x02\\0\\0\\0" + bytes([vlan, number])
        tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
        if bool(vlan) == (sender == "trunk"):
            os.write(taps[sender], b"\\xff" * 6 + source + tag + b"\\x88\\xb5" + bytes(50))
            time.sleep(0.3)
            seen()
"""


def vlans(host: Host) -> dict[str, list[tuple[int, int, tuple[str, ...]]]]:
    """Port -> (first, last, flags) of each VLAN."""
    found = json.loads(host.run("bridge -json -compressvlans vlan show").stdout)
    return {
        port["ifname"]: [(v["vlan"], v.get("vlanEnd", v["vlan"]), tuple(v.get("flags", ()))) for v in port["vlans"]]
        for port in found
    }


UNTAGGED = ("PVID", "Egress Untagged")


@pytest.mark.parametrize(
    ("port", "is_in"),
    [
        ("ten0", [(10, 10, UNTAGGED)]),
        ("twenty", [(20, 20, UNTAGGED)]),
        ("trunk", [(10, 10, ()), (20, 29, ())]),
        ("usual", [(1, 1, UNTAGGED)]),
        ("seven", [(7, 7, UNTAGGED)]),
        ("eth1", [(1, 1, UNTAGGED), (2, 4094, ())]),
    ],
)
def test_a_port_is_in_the_vlans_that_were_asked_for(host: Host, port: str, is_in: list[object]) -> None:
    assert vlans(host)[port] == is_in


def test_frames_stay_in_their_vlan(host: Host) -> None:
    arrived = {tuple(line.split()) for line in host.run(["python3", "-c", PROGRAM]).lines}
    assert arrived == {
        ("ten0", "ten1", "0"),
        ("ten0", "trunk", "10"),
        ("ten1", "ten0", "0"),
        ("ten1", "trunk", "10"),
        ("twenty", "trunk", "20"),
        ("trunk", "ten0", "0"),
        ("trunk", "ten1", "0"),
        ("trunk", "twenty", "0"),
    }
