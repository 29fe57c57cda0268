# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fifty NAT networks with DHCP, from nothing to serving: the role over SSH, libvirt and Incus on one host.

The role's time is all of it: Ansible's start, SSH, every module, the check of what was made. libvirt defines, starts and
autostarts each network with virsh; Incus creates each with its client. A run counts when one dnsmasq per network listens on
port 67, which is looked at when the clock has stopped. Memory is that of all dnsmasq processes, divided by the number of
networks; the daemons of libvirt and Incus, which run beside them, are not in it.

community.libvirt, in a playbook over SSH, takes one network at a time, in three looped tasks. The second run changes nothing. A loop
of single-item tasks is how such a role is usually written: here of our own modules, with ten networks, because it takes long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lab import Bed, Host

from . import community, profiles
from .harness import Bench, Figures, Goal, MissingError, seconds
from .hosts import bed, memory_of_servers, play, subnet, tasks_times, with_peers

OURS, LIBVIRT, BATCH, INCUS = "this collection's role", "libvirt, virsh for each step", "libvirt, one virsh", "Incus"
COMMUNITY = "community.libvirt, a playbook"
Memory = dict[str, list[float]]  # contender -> kB of each network, a figure a run
START = "Ansible's own start: a play with one ping"


def run(bench: Bench) -> None:
    count = bench.size(50, 2)
    machine, missing = with_peers("trixie", ["libvirt", "libvirtpython", "incus"])
    with bed("networks", {"peers": machine}) as made:
        host = made.hosts["peers"]
        if "libvirt" not in missing:
            host.run("virsh net-destroy default && virsh net-autostart --disable default")
        memory: Memory = {}
        contenders: dict[str, Callable[[], float]] = {
            OURS: lambda: ours(made, host, count, memory),
            LIBVIRT: lambda: libvirt(host, count, memory, one_by_one),
            BATCH: lambda: libvirt(host, count, memory, in_one_go),
            INCUS: lambda: incus(host, count, memory),
            COMMUNITY: lambda: community_libvirt(made, host, count, memory),
        }
        for peer, theirs in ((LIBVIRT, "libvirt"), (BATCH, "libvirt"), (INCUS, "incus"), (COMMUNITY, "libvirtpython")):
            if theirs in missing:
                contenders[peer] = partial(absent, missing[theirs])
        start = bench.compare(
            "start",
            f"{count} networks from nothing to serving",
            contenders,
            goals=[Goal(OURS, LIBVIRT, 0.5), Goal(OURS, INCUS, 0.1)],
        )
        bench.also(
            "memory",
            f"Memory of each of {count} networks",
            {name: memory.get(name, []) for name in contenders},
            unit="kB",
        )
        again(bench, made, host, count, start.figures[OURS])


def absent(reason: str) -> float:
    raise MissingError(reason)


def again(bench: Bench, made: Bed, host: Host, count: int, first: Figures) -> None:
    """A second run has nothing to do; against it the first, and a play that shows Ansible's own start."""
    few = bench.size(10, 2)
    play(made, "tapestry.vmnet.nat", nat_networks=profiles.networks(count))
    wait_for_servers(host, count)
    found = bench.compare(
        "again",
        f"A second run with {count} networks, nothing to do",
        {
            OURS: lambda: seconds(lambda: play(made, "tapestry.vmnet.nat", nat_networks=profiles.networks(count))),
            "the role with no network at all": lambda: seconds(lambda: play(made, "tapestry.vmnet.nat")),
            START: lambda: seconds(lambda: tasks_times(made, [{"ansible.builtin.ping": {}}])),
        },
    )
    found.figures["the first run"] = first
    beyond = found.figures[OURS].median - found.figures[START].median
    found.notes.append(
        f"Beyond Ansible's own start: {beyond:.1f} s. The goal is at most 3 s, {'reached' if beyond <= 3 else '**missed**'}."
    )
    bench.compare(
        "again-loop",
        f"{few} of these networks again, the modules' tasks in a play",
        {
            "one task, with all lists": lambda: sum(tasks_times(made, listed(few))),
            "a loop of single-item tasks for each module": lambda: sum(tasks_times(made, looped(few))),
        },
    )


def listed(count: int) -> list[dict[str, object]]:
    return [{"tapestry.vmnet.resources": profiles.resources(profiles.networks(count))}]


def looped(count: int) -> list[dict[str, object]]:
    """One task for each kind of which there is something, with an item for each entry."""
    given = profiles.resources(profiles.networks(count))
    return [
        {f"tapestry.vmnet.{kind}": {kind: ["{{ item }}"], "scope": given["scope"]}, "loop": given[kind]}
        for kind in profiles.KINDS
        if given[kind]
    ]


def ours(made: Bed, host: Host, count: int, memory: Memory) -> float:
    before = memory_of_servers(host)
    networks = profiles.networks(count)
    took = seconds(lambda: play(made, "tapestry.vmnet.nat", nat_networks=networks))
    wait_for_servers(host, count)
    memory.setdefault(OURS, []).append((memory_of_servers(host) - before) / count)
    play(made, "tapestry.vmnet.nat", nat_networks=networks, nat_state="absent")
    return took


def one_by_one(host: Host, count: int) -> None:
    lines = [f"virsh -q net-define /tmp/vn{number}.xml" for number in range(count)]
    lines += [f"virsh -q net-{verb} vn{number}" for number in range(count) for verb in ("start", "autostart")]
    host.run("set -e\n" + "\n".join(lines), timeout=600)


def in_one_go(host: Host, count: int) -> None:
    lines = [f"net-define /tmp/vn{number}.xml" for number in range(count)]
    lines += [f"net-{verb} vn{number}" for number in range(count) for verb in ("start", "autostart")]
    host.run(["virsh", "-q", "; ".join(lines)], timeout=600)


def libvirt(host: Host, count: int, memory: Memory, make: Callable[[Host, int], None]) -> float:
    for number in range(count):
        host.run(f"cat > /tmp/vn{number}.xml", input=xml(number))
    before = memory_of_servers(host)
    took = seconds(lambda: make(host, count))
    wait_for_servers(host, count)
    memory.setdefault(LIBVIRT if make is one_by_one else BATCH, []).append((memory_of_servers(host) - before) / count)
    undo(host, count)
    return took


def xml(number: int) -> str:
    return (
        f"<network><name>vn{number}</name><forward mode='nat'/><bridge name='vn{number}'/>"
        f"<ip address='{subnet(number)}.1' netmask='255.255.255.0'>"
        f"<dhcp><range start='{subnet(number)}.100' end='{subnet(number)}.200'/></dhcp></ip></network>"
    )


def undo(host: Host, count: int) -> None:
    """Remove libvirt's networks."""
    lines = [f"net-{verb} vn{number}" for number in range(count) for verb in ("destroy", "undefine")]
    host.run(["virsh", "-q", "; ".join(lines)], timeout=600)


def incus(host: Host, count: int, memory: Memory) -> float:
    host.run("incus network list", timeout=120)  # the first question starts the server
    before = memory_of_servers(host)
    options = "ipv6.address=none ipv4.nat=true"
    lines = [
        f"incus --quiet network create vn{number} ipv4.address={subnet(number)}.1/24 {options}"
        for number in range(count)
    ]
    took = seconds(lambda: host.run("set -e\n" + "\n".join(lines), timeout=900))
    wait_for_servers(host, count)
    memory.setdefault(INCUS, []).append((memory_of_servers(host) - before) / count)
    host.run("\n".join(f"incus --quiet network delete vn{number}" for number in range(count)), timeout=900)
    return took


def community_libvirt(made: Bed, host: Host, count: int, memory: Memory) -> float:
    community.fetch()
    networks = {f"vn{number}": xml(number) for number in range(count)}
    before = memory_of_servers(host)
    took = seconds(lambda: tasks_times(made, community.tasks(networks)))
    wait_for_servers(host, count)
    memory.setdefault(COMMUNITY, []).append((memory_of_servers(host) - before) / count)
    undo(host, count)
    return took


def wait_for_servers(host: Host, count: int) -> None:
    """Raises CommandError where a network has no server after ten seconds."""
    listening = "ss -Hlunp 'sport = :67' | grep -o 'vn[0-9]*:67' | sort -u | wc -l"
    host.run(f'for n in $(seq 100); do [ "$({listening})" = {count} ] && exit; sleep 0.1; done; ss -lunp; exit 1')
