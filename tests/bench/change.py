# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One more: a forward among ten thousand, a reservation among a thousand, and what a second run costs then.

The time of a module is that of its task in a play. It should not grow with what is there already, but for one read of it:
the row *nothing to do* is that read. The reload is nft's, of the same ruleset; that of reservations is a restart of the server
until it has read them all.
"""

from __future__ import annotations

from functools import partial

from lab import Bed, Host
from lab.waiting import wait_for

from . import layouts
from .harness import Bench, seconds
from .hosts import bed, module_times, play

_BRIDGE = "vn0"
_FORWARDS, _DHCP = "tapestry.vmnet.port_forwards", "tapestry.vmnet.dhcp"


def run(bench: Bench) -> None:
    with bed("change", {"host": "trixie"}) as made:
        host = made.hosts["host"]
        for count in [10] if bench.smallest else [10, 1000, 10000]:
            network = profile()
            network["forwards"] = [forward(port) for port in layouts.ports(count)]
            play(made, "tapestry.vmnet.nat", nat_networks=[network], nat_purge=True)
            reload = layouts.ours(1, count)
            bench.compare(
                f"forward-{count}",
                f"One forward more among {count:,}",
                {
                    "a reload of the whole table with nft": partial(reloaded, host, reload, made, network),
                    "one forward added": partial(forwards, made, 0),
                    "one forward removed": partial(forwards, made, 1),
                    "nothing to do": partial(forwards, made, 2),
                },
            )
        for count in [10] if bench.smallest else [10, 1000]:
            network = profile()
            network["guests"] = [guest(number) for number in range(count)]
            play(made, "tapestry.vmnet.nat", nat_networks=[network], nat_purge=True)
            bench.compare(
                f"reservation-{count}",
                f"One reservation more among {count:,}",
                {
                    "a restart of the server": partial(restarted, host),
                    "one reservation added, by the role": partial(reservation, made, network, count),
                    "nothing to do, by the role": partial(role, made, network),
                },
            )


def profile() -> dict[str, object]:
    dhcp = {"ranges": ["10.64.16.0-10.64.16.200"]}
    return {"name": _BRIDGE, "addresses": ["10.64.0.1/16"], "dhcp": dhcp}


def forward(port: int) -> dict[str, object]:
    return {"protocol": "udp", "listen": port, "to_address": "10.64.0.2", "to_port": port}


def guest(number: int) -> dict[str, object]:
    address = f"10.64.{1 + number // 250}.{1 + number % 250}"
    return {"name": f"g{number}", "mac": f"52:54:00:01:{number // 256:02x}:{number % 256:02x}", "addresses": [address]}


def forwards(made: Bed, which: int) -> float:
    """Of adding one, removing it, and having nothing to do."""
    there = {"port_forwards": [{"bridge": _BRIDGE, **forward(10000)}], "scope": "nat"}
    gone = {**there, "state": "absent"}
    # The first task of a play pays for the connection, and for putting the module together.
    _first, *times = module_times(made, [(_FORWARDS, each) for each in (gone, there, gone, gone)])
    return times[which]


def reloaded(host: Host, text: str, made: Bed, network: dict[str, object]) -> float:
    took = seconds(lambda: host.run(["nft", "-f", "-"], input=text))
    play(made, "tapestry.vmnet.nat", nat_networks=[network])  # with the names and marks of the role
    return took


def restarted(host: Host) -> float:
    """By the times in the journal: the server reads reservations after systemd has been told that it is there."""
    unit = f"vmnet-dhcp@{_BRIDGE}.service"
    before = host.run(f"date +%s.%N; systemctl restart {unit}").stdout.strip()
    said = f"journalctl -u {unit} -o short-unix --since=@{before} | grep 'read .*/reservations$'"
    line = wait_for(f"{unit}: reservations read", lambda: host.run(said, check=False).stdout, timeout=10)
    return float(line.split()[0]) - float(before)


def role(made: Bed, network: dict[str, object]) -> float:
    return seconds(lambda: play(made, "tapestry.vmnet.nat", nat_networks=[network]))


def reservation(made: Bed, network: dict[str, object], count: int) -> float:
    guests = network["guests"]
    assert isinstance(guests, list)
    took = role(made, network | {"guests": [*guests, guest(count)]})
    role(made, network)
    return took
