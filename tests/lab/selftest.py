# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the test bed itself hold? Run it: PYTHONPATH=tests python3 -m lab.selftest. Prints how long things took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from . import ssh
from .bed import Bed
from .command import CommandError, LabError, run
from .guest import Guest, Nic
from .host import Host
from .places import run_directory
from .snapshot import difference
from .state import bed_names
from .variants import RELEASES

BED = "selftest"
MACS = ("52:54:00:00:00:65", "52:54:00:00:00:66")

_SANDBOX = [
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "NoNewPrivileges=yes",
    "DynamicUser=yes",
    "ProtectProc=invisible",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallFilter=@system-service",
    "AmbientCapabilities=CAP_NET_ADMIN",
    "CapabilityBoundingSet=CAP_NET_ADMIN",
]


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"    {what}: {time.monotonic() - started:.2f} s")


def must(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def machine() -> dict[str, list[str]]:
    """What a bed could leave on this machine."""

    def ours(lines: list[str]) -> list[str]:
        """Other beds come and go meanwhile."""
        return sorted(line for line in lines if f"vmnet-{BED}" in line or f"/{BED}" in line)

    return {
        "namespaces": ours(run("ip netns").lines),
        "links": sorted(line.split()[1] for line in run("ip -o link").lines),
        "routes": run("ip route; ip -6 route | grep -v expires").lines,
        "mounts": ours(Path("/proc/self/mounts").read_text().splitlines()),
        "processes": ours(run("ps -eo args").lines),
        "beds": [name for name in bed_names() if name.startswith(BED)],
    }


def two_taps_on(host: Host, bridge: str, *extra: str) -> None:
    lines = [
        f"link add {bridge} type bridge forward_delay 0",
        f"link set {bridge} up",
        *(f"tuntap add tap{number} mode tap" for number in range(2)),
        *(f"link set tap{number} master {bridge} up" for number in range(2)),
        *extra,
    ]
    host.run(["ip", "-batch", "-"], input="".join(f"{line}\n" for line in lines))


# -- the promises, in this order; all share one bed ---------------------------------------------------------------


def hosts_reach_the_router_and_the_internet_in_both_families(bed: Bed) -> None:
    for host in bed.hosts.values():
        for address in ("192.168.1.1", "8.8.8.8", "2001:4860:4860::8888"):
            host.run(f"ping -c 1 -W 2 {address}")
        must("192.168.1.1" in host.run("getent ahostsv4 router.lan.test").stdout, "the router resolves names")
        must(not host.run("ip -o addr show dev eth1").stdout, f"{host.name}: eth1 has no address")


def services_tell_the_source_address(bed: Bed) -> None:
    commands = {
        "curl -s http://8.8.8.8/": "192.168.1.20 ",
        "curl -s 'http://[2001:4860:4860::8888]/'": "2001:db8:1::20 ",
        "echo x | socat -t 2 - UDP:8.8.8.8:53": "192.168.1.20 ",
        "echo x | socat -t 2 - 'UDP6:[2001:4860:4860::8888]:7'": "2001:db8:1::20 ",
        "echo x | socat -t 1 - TCP:8.8.8.8:7": "192.168.1.20 ",
    }
    for command, expected in commands.items():
        must(bed.neighbour.run(command).stdout.startswith(expected), command)


def ssh_reaches_the_hosts(bed: Bed) -> None:
    for host in bed.hosts.values():
        must(run(["ssh", "-F", str(bed.ssh_config), host.name, "hostname"]).stdout.strip() == host.name, "hostname")


def sandboxed_units_and_nftables_work(bed: Bed) -> None:
    options = [word for setting in _SANDBOX for word in ("-p", setting)]
    for host in bed.hosts.values():
        host.run(["systemd-run", "--wait", "--quiet", *options, "true"])
        host.run("systemctl restart nftables && systemctl stop nftables")


def an_idle_host_does_not_change(bed: Bed) -> None:
    hosts = list(bed.hosts.values())
    before = [host.snapshot() for host in hosts]
    time.sleep(5)
    for host, first in zip(hosts, before, strict=True):
        must(not difference(first, host.snapshot()), f"{host.name}: {difference(first, host.snapshot())}")


def a_snapshot_sees_what_is_left_behind(bed: Bed) -> None:
    host = bed.hosts["host12"]
    before = host.snapshot()
    host.run("touch /etc/left; ip link add left0 type bridge; ip rule add fwmark 7 table 7; nft add table inet left")
    found = "\n".join(difference(before, host.snapshot()))
    for piece in ("files: +/etc/left", "links: +ifname=left0", "rules: +-4 ", "table inet left"):
        must(piece in found, f"{piece} in {found}")
    host.run("rm /etc/left; ip link del left0; ip rule del fwmark 7; nft delete table inet left")
    must(not difference(before, host.snapshot()), f"clean again: {difference(before, host.snapshot())}")


def guests_run_commands_and_tell_status_and_output(bed: Bed) -> None:
    host = bed.hosts["host12"]
    two_taps_on(host, "br0", "addr add 192.168.233.2/24 dev br0")
    with timed("boot of a guest (with the guest image in the cache)"):
        guest = host.boot_guest("one", tap="tap0", mac=MACS[0])
    result = guest.run("echo out; echo err >&2; exit 3", check=False)
    must((result.status, result.stdout, result.stderr) == (3, "out\n", "err\n"), f"{result}")
    must(len(guest.run("seq 30000").lines) == 30000, "long output")
    must(guest.run(f"x={'y' * 9000}; echo ${{#x}}").stdout == "9000\n", "long command")
    guest.run("ip addr add 192.168.233.101/24 dev eth0 && ping -c 1 -W 2 192.168.233.2")
    try:
        guest.run("sleep 20", timeout=1)
    except CommandError as problem:
        must("not done after 1 s" in str(problem), str(problem))
    else:
        raise AssertionError("a command that takes too long is an error")
    guest.run("echo a kernel message > /dev/kmsg; echo 8 > /proc/sys/kernel/printk; echo loud > /dev/kmsg")
    must(guest.run("echo still").stdout == "still\n", "kernel messages do not get between")


def guests_boot_in_parallel(bed: Bed) -> None:
    host = bed.hosts["host13"]
    two_taps_on(host, "br0", "addr add 192.168.234.2/24 dev br0")
    with timed("boot of two guests at once"):
        guests = [host.boot_guest(f"g{n}", tap=f"tap{n}", mac=MACS[n], wait=False) for n in range(2)]
        for guest in guests:
            guest.wait_booted()
    for number, guest in enumerate(guests):
        guest.run(f"ip addr add 192.168.234.{number + 10}/24 dev eth0")
    with bed.capture(host, "br0", "icmp or arp") as seen:
        guests[0].run("ping -c 2 -W 2 192.168.234.2")
    must(seen.count("icmp[icmptype] == icmp-echo") == 2, f"{seen.packets()}")
    must(all(MACS[0] in line for line in seen.packets("icmp")), f"{seen.packets()}")
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda number: guests[0].run(f"echo {number}").stdout, range(6)))
    must(answers == [f"{number}\n" for number in range(6)], f"{answers}")
    must(sorted(Bed.attach(BED).hosts["host13"].guests) == ["g0", "g1"], "another process finds them")


def a_guests_clock_goes_as_fast_as_this_machines(bed: Bed) -> None:
    guests = bed.hosts["host13"].guests.values()
    must(guests, "guests")
    for guest in guests:
        source = guest.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource").stdout
        must(source == "hpet\n", f"a clock whose frequency is not measured, not {source!r}")
    first = [_uptime(guest) for guest in guests]
    time.sleep(5)
    for (asked, before, told), (asked_again, after, told_again) in zip(first, map(_uptime, guests), strict=True):
        # The guest has read its clock somewhere between question and answer, which a busy machine may hold up.
        must(
            asked_again - told - 0.1 <= after - before <= told_again - asked + 0.1,
            f"{after - before:.1f} s in {asked_again - told:.1f} to {told_again - asked:.1f} s",
        )


def _uptime(guest: Guest) -> tuple[float, float, float]:
    """(when the guest was asked, for how many seconds it has been up, when it answered)."""
    asked = time.monotonic()
    uptime = float(guest.run("cut -d ' ' -f 1 /proc/uptime").stdout)
    return asked, uptime, time.monotonic()


def a_guest_bridged_to_the_lan_gets_a_lease_from_the_router(bed: Bed) -> None:
    host = bed.hosts["host12"]
    host.run("ip link set eth1 master br0")
    guest = host.guests["one"]
    guest.run("ip addr flush dev eth0; ip link set eth0 down; ip link set eth0 up")
    with timed("lease"):
        lease = guest.dhcp()
    must(lease["ip"].startswith("192.168.1.1") and lease["router"] == "192.168.1.1", f"{lease}")
    must(bed.router.leases()[MACS[0]] == lease["ip"], "the router knows the lease")
    guest.run("ping -c 1 -W 2 8.8.8.8 && nslookup internet.test && wget -q -O - http://internet.test/")
    must(guest.run("wget -q -O - http://192.168.1.20/").stdout.startswith(lease["ip"]), "seen as itself")
    _wait_for_slaac(guest)
    guest.run("ping6 -c 1 -W 2 2001:4860:4860::8888")


def _wait_for_slaac(guest: Guest) -> None:
    guest.run(
        "for n in $(seq 20); do ip -6 addr show dev eth0 | grep '2001:db8:1:' | grep -qv tentative && exit; sleep 0.5; done; exit 1"
    )


def a_host_reboots_with_its_disk_and_without_the_rest(bed: Bed) -> None:
    host = bed.hosts["host12"]
    host.run("echo kept > /etc/kept")
    macs = host.run("cat /sys/class/net/eth?/address").stdout
    namespace = os.stat(f"/run/netns/{host.namespace}").st_ino
    with timed("reboot"):
        host.reboot()
    must(os.stat(f"/run/netns/{host.namespace}").st_ino != namespace, "a new namespace")
    must(host.run("cat /etc/kept").stdout == "kept\n", "the disk is kept")
    must(host.run("cat /sys/class/net/eth?/address").stdout == macs, "the NICs have the same MAC addresses")
    must("br0" not in host.run("ip -br link").stdout, "links are gone")
    must(not host.guests, "guests are off")
    must("192.168.1.5/24" in host.run("ip -br addr").stdout, "the address is back")
    host.run("ping -c 1 -W 2 8.8.8.8")
    run(["ssh", "-F", str(bed.ssh_config), host.name, "true"])


def a_guest_has_several_nics(bed: Bed) -> None:
    host = bed.hosts["host12"]
    two_taps_on(host, "br1")
    guest = host.boot_guest("router", nics=[Nic("tap0", MACS[0]), Nic("tap1", MACS[1])])
    must(guest.run("cat /sys/class/net/eth?/address").lines == list(MACS), "in the order given")
    guest.stop()
    must(not guest.running and not host.guests, "stopped")


def the_attacker_routes_to_a_guests_subnet(bed: Bed) -> None:
    host = bed.hosts["host12"]
    bed.attacker.route("192.168.233.0/24", via=host.address)
    with bed.capture(host, "eth0", "host 192.168.233.101") as seen:
        bed.attacker.run("ping -c 1 -W 1 192.168.233.101", check=False)
    must(seen.count("icmp") >= 1, "the packet arrives at the host")
    bed.attacker.unroute("192.168.233.0/24")


def a_second_bed_with_the_same_addresses_is_another_world(bed: Bed) -> None:
    with timed("up and down of a bed with one bookworm host"), Bed.up(f"{BED}2") as other:
        must(other.hosts["host12"].address == bed.hosts["host12"].address, "same address")
        other.hosts["host12"].run("touch /etc/other")
        bed.hosts["host12"].run("test ! -e /etc/other")
    bed.hosts["host12"].run("ping -c 1 -W 2 8.8.8.8")


def an_interrupted_up_leaves_nothing(_bed: Bed) -> None:
    name = f"{BED}3"
    for signal_number, delay in ((signal.SIGINT, 0.5), (signal.SIGTERM, 1.5), (signal.SIGINT, 3.0)):
        child = subprocess.Popen([sys.executable, "-m", "lab", "up", name], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal_number)
        child.wait(30)
        Bed(name).down()  # in case it was faster than the signal
        must(not (run_directory() / name).exists(), "no directory")
    child = subprocess.Popen([sys.executable, "-m", "lab", "up", name], stdout=subprocess.DEVNULL)
    time.sleep(1.2)
    child.kill()
    child.wait(30)
    for _again in range(2):
        Bed(name).down()
    must(not [line for line in run("ip netns").lines if f"vmnet-{name}-" in line], "no namespace")


def a_used_name_is_refused(bed: Bed) -> None:
    try:
        Bed.up(bed.name)
    except LabError as problem:
        must("is up already" in str(problem), str(problem))
    else:
        raise AssertionError("the name was taken")
    must(Bed.attach(bed.name).inventory() == ssh.inventory(bed, "hosts"), "and it is still there")


PROMISES: tuple[Callable[[Bed], None], ...] = (
    hosts_reach_the_router_and_the_internet_in_both_families,
    services_tell_the_source_address,
    ssh_reaches_the_hosts,
    sandboxed_units_and_nftables_work,
    an_idle_host_does_not_change,
    a_snapshot_sees_what_is_left_behind,
    guests_run_commands_and_tell_status_and_output,
    guests_boot_in_parallel,
    a_guests_clock_goes_as_fast_as_this_machines,
    a_guest_bridged_to_the_lan_gets_a_lease_from_the_router,
    a_host_reboots_with_its_disk_and_without_the_rest,
    a_guest_has_several_nics,
    the_attacker_routes_to_a_guests_subnet,
    a_used_name_is_refused,
    a_second_bed_with_the_same_addresses_is_another_world,
    an_interrupted_up_leaves_nothing,
)


def attempt(promise: Callable[[], None], name: str) -> bool:
    started = time.monotonic()
    try:
        promise()
    except Exception:
        traceback.print_exc()
        print(f"FAILED {name}")
        return False
    print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


def main() -> None:
    Bed(BED).down()
    before = machine()
    passed = failed = 0
    with timed("up of a bed with both releases"):
        bed = Bed.up(BED, {f"host{12 + number}": release for number, release in enumerate(RELEASES)})
    try:
        for promise in PROMISES:
            if attempt(partial(promise, bed), promise.__name__):
                passed += 1
            else:
                failed += 1
    finally:
        with timed("down"):
            bed.down()

    def down_leaves_nothing() -> None:
        after = machine()
        changed = [f"{key}: {before[key]} -> {after[key]}" for key in before if before[key] != after[key]]
        must(not changed, "\n".join(changed))

    if attempt(down_leaves_nothing, "down_leaves_nothing"):
        passed += 1
    else:
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
