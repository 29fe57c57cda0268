# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A thousand taps on a bridge: made, made again, removed.

The floor is what the kernel needs for the same with next to nothing above it: an ioctl for each tap and a netlink stream. It
needs less if it is asked about each new tap before that goes on the bridge (*settled*), as `ip` and the module do: it then
notes that nobody has the tap open, which otherwise takes it a second, in which the bridge treats the port as one that carries.
The module's own work is timed on the host, without Ansible and the start of Python: it reads, plans, makes the taps, writes
what brings them back at boot, reads again, and says what it did. *Nothing else of ours there* adds the service that brings
things back at boot, which comes with the first thing on a host and goes with the last; otherwise the bridge is ours and has
brought it. The task is all that a play adds to that: its time less that of the same task with nothing to do, which is SSH and
the start of Python; what remains is mostly a result of a megabyte on its way to the controller, to be looked at and shown.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lab import Bed, Host

from .harness import Bench, Goal, seconds
from .hosts import bed, module_times
from .modules import Modules
from .profiles import Tasks

OURS, TASK, BATCH = "taps module, own work", "taps module, task of a play", "ip -batch"
ALONE = "taps module, own work, nothing else of ours there"
FLOOR, SETTLED = "the kernel's floor", "the kernel's floor, settled"
GROUP, EACH = "ip link del group", "ip -batch, link by link"
_PROGRAM = Path(__file__).with_name("taps_floor.py")
_BRIDGE = "vb0"


def run(bench: Bench) -> None:
    count = bench.size(1000, 3)
    with bed("taps", {"host": "trixie"}) as made:
        host = made.hosts["host"]
        modules = Modules(host)
        modules.run(_OUR_BRIDGE)
        bench.compare(
            "create",
            f"{count} taps made",
            {
                FLOOR: partial(floor, host, count),
                SETTLED: partial(floor, host, count, "settled"),
                BATCH: partial(batch, host, count),
                OURS: partial(own, modules, host, [wanted(count), _PURGE], 0),
                ALONE: partial(alone, modules, host, count, wanted(count)),
                TASK: partial(module, made, host, count),
            },
            goals=[Goal(OURS, FLOOR, 1.5), Goal(ALONE, FLOOR, 1.5)],
        )
        timed(made, wanted(count))
        bench.compare(
            "again",
            f"{count} taps, nothing to do",
            {
                "ip -details link": lambda: seconds(lambda: host.run("ip -details -json link")),
                OURS: partial(own, modules, host, [wanted(count)], 0),
                TASK: partial(again, made, count),
            },
        )
        timed(made, _PURGE)
        bench.compare(
            "remove",
            f"{count} taps removed",
            {
                GROUP: partial(removed, host, count, GROUP),
                OURS: partial(own, modules, host, [wanted(count), _PURGE], 1),
                ALONE: partial(alone, modules, host, count, _PURGE),
                TASK: partial(purged, made, host, count),
            },
            goals=[Goal(OURS, GROUP, 1.5), Goal(ALONE, GROUP, 1.5)],
        )
        bench.compare(
            "remove-each",
            f"{count} taps removed one after the other",
            {EACH: partial(removed, host, count, EACH)},
        )


def wanted(count: int) -> dict[str, object]:
    return {"taps": [{"name": f"vt{number}", "bridge": _BRIDGE} for number in range(count)]}


_NOTHING: dict[str, object] = {"taps": []}
_PURGE: dict[str, object] = {"taps": [], "purge": True}
_OUR_BRIDGE: Tasks = [("bridges", {"bridges": [{"name": _BRIDGE}]})]
_NO_BRIDGE: Tasks = [("bridges", {"bridges": [], "purge": True})]
_FOREIGN_BRIDGE = f"ip link add {_BRIDGE} type bridge && ip link set {_BRIDGE} up"


def timed(made: Bed, *tasks: dict[str, object]) -> list[float]:
    """Seconds of the module with each of these options, less those of the module with nothing to do."""
    # The first task of a play pays for the connection.
    times = module_times(made, [("tapestry.vmnet.taps", options) for options in (_NOTHING, _NOTHING, *tasks)])
    return [took - times[1] for took in times[2:]]


def own(modules: Modules, host: Host, tasks: list[dict[str, object]], timed_one: int) -> float:
    """Seconds on the host of the module with one of these options, one after the other."""
    steps: Tasks = [("taps", options) for options in tasks]
    ran = modules.run(steps)
    if tasks[-1] is _PURGE:
        expect(host, 0)
    return ran[timed_one].seconds


def alone(modules: Modules, host: Host, count: int, timed_one: dict[str, object]) -> float:
    """Seconds of one of the two on a bridge that somebody else has made."""
    modules.run(_NO_BRIDGE)
    host.run(_FOREIGN_BRIDGE)
    both = [wanted(count), _PURGE]
    took = own(modules, host, both, both.index(timed_one))
    host.run(f"ip link del {_BRIDGE}")
    modules.run(_OUR_BRIDGE)
    return took


def module(made: Bed, host: Host, count: int) -> float:
    created, _removed = timed(made, wanted(count), _PURGE)
    expect(host, 0)
    return created


def again(made: Bed, count: int) -> float:
    _created, repeated = timed(made, wanted(count), wanted(count))
    return repeated


def purged(made: Bed, host: Host, count: int) -> float:
    _created, removed = timed(made, wanted(count), _PURGE)
    expect(host, 0)
    return removed


def floor(host: Host, count: int, *how: str) -> float:
    took = float(host.run(["python3", "-", _BRIDGE, str(count), *how], input=_PROGRAM.read_text()).stdout)
    expect(host, count)
    remove(host)
    return took


def batch(host: Host, count: int) -> float:
    lines = [f"tuntap add vt{number} mode tap\nlink set vt{number} master {_BRIDGE} up\n" for number in range(count)]
    took = seconds(lambda: host.run(["ip", "-batch", "-"], input="".join(lines), timeout=300))
    expect(host, count)
    remove(host)
    return took


def removed(host: Host, count: int, how: str) -> float:
    host.run(["python3", "-", _BRIDGE, str(count)], input=_PROGRAM.read_text())
    host.run(["ip", "-batch", "-"], input="".join(f"link set vt{number} group 77\n" for number in range(count)))
    lines = ["link del group 77\n"] if how == GROUP else [f"link del vt{number}\n" for number in range(count)]
    took = seconds(lambda: host.run(["ip", "-batch", "-"], input="".join(lines), timeout=300))
    expect(host, 0)
    return took


def remove(host: Host) -> None:
    """Those that a contender has made, and what the module remembers of its own."""
    host.run("for t in $(ls /sys/class/net | grep ^vt); do echo link set $t group 77; done | ip -batch -")
    host.run("ip link del group 77", check=False)


def expect(host: Host, count: int) -> None:
    there = len(host.run("ls /sys/class/net | grep ^vt", check=False).lines)
    assert there == count, f"{there} taps, not {count}"
