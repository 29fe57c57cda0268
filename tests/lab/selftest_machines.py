# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does every kind of host keep what variants.py says of it? PYTHONPATH=tests python3 -m lab.selftest_machines [WORD...].

Each variant on each Debian, before and after a reboot; WORD picks the machines whose name contains it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from .bed import Bed
from .command import CommandError
from .host import Host
from .selftest import attempt, must, timed
from .variants import VARIANTS
from .waiting import wait_for

BED = "selftest-machines"
AT_ONCE = 4


def containers_run_and_publish_ports(bed: Bed, host: Host) -> None:
    must("-P FORWARD DROP" in host.run("iptables -S FORWARD").stdout, "Docker closes FORWARD")
    if not host.run("docker images -q busybox").stdout:
        host.run("""tar -C / -c bin/busybox | docker import -c 'ENTRYPOINT ["/bin/busybox"]' - busybox""")
        host.run("docker run --detach --restart=always --publish 8080:80 busybox sh -c 'echo inside > a; httpd -f'")
    wait_for("a container", lambda: bed.neighbour.run(_fetch(host, 8080), check=False).ok, timeout=30, interval=0.5)
    must(bed.neighbour.run(_fetch(host, 8080)).stdout == "inside\n", "the page of the container")


def _fetch(host: Host, port: int) -> str:
    return f"curl -sf --max-time 2 http://{host.address}:{port}/a"


def firewalld_lets_only_its_services_in(bed: Bed, host: Host) -> None:
    must(host.run("firewall-cmd --state").stdout == "running\n", "it runs")
    host.run("firewall-cmd --reload")
    _nothing_else_gets_in(bed, host)


def ufw_lets_only_ssh_in(bed: Bed, host: Host) -> None:
    must("Status: active" in host.run("ufw status").stdout, "it is enabled")
    must("-P FORWARD DROP" in host.run("iptables -S FORWARD").stdout, "nothing is routed")
    _nothing_else_gets_in(bed, host)


def _nothing_else_gets_in(bed: Bed, host: Host) -> None:
    server = host.serve(tcp=[7])
    try:
        host.run(_connect(host, 7))
        must(not bed.neighbour.run(_connect(host, 7), check=False).ok, "port 7 is closed")
        bed.neighbour.run(_connect(host, 22))
    finally:
        host.end(server)


def libvirt_has_its_default_network(_bed: Bed, host: Host) -> None:
    must("default   active   yes" in host.run("virsh net-list --all").stdout, "active, and started at boot")
    must("192.168.122.1/24" in host.run("ip -br addr show dev virbr0").stdout, "virbr0 has its address")
    must("virbr0" in host.run("nft list ruleset").stdout, "and rules")


def _connect(host: Host, port: int) -> str:
    return f"socat -u -T1 TCP:{host.address}:{port},connect-timeout=1 STDOUT"


def its_kernel_has_what_this_one_lacks(_bed: Bed, host: Host) -> None:
    host.run(["sh", "-ec", _KERNEL_FEATURES])
    # What a test does with a host, here in its own way.
    must(host.run("cat", input="x" * 300000).stdout == "x" * 300000, "much goes through")
    try:
        host.run("sleep 30", timeout=1)
    except CommandError as problem:
        must("not done after 1 s" in str(problem), str(problem))
    else:
        raise AssertionError("a command that takes too long is an error")


_KERNEL_FEATURES = """\
ip link add lab0 type bridge vlan_filtering 1
ip link add lab1 type dummy
ip link set lab1 master lab0
bridge vlan add dev lab1 vid 10 pvid untagged
bridge vlan show | grep -q 10
ip link add link lab0 name lab2 type vlan id 10
tc qdisc add dev lab1 root netem delay 10ms
tc qdisc add dev lab0 root handle 1: prio
tc filter add dev lab0 parent 1: protocol ip u32 match ip dport 68 ffff action csum ip and udp
nft add table bridge lab
nft add chain bridge lab a '{ type filter hook prerouting priority 0; }'
nft add rule bridge lab a meta ibrname lab0 ct state new accept
nft delete table bridge lab
ip link del lab2
ip link del lab1
ip link del lab0
"""


def incus_makes_networks(_bed: Bed, host: Host) -> None:
    host.run("incus network create lab0 ipv4.address=10.9.0.1/24 ipv6.address=none")
    must("10.9.0.1/24" in host.run("ip -br addr show dev lab0").stdout, "a bridge with its address")
    must("lab0" in host.run("nft list ruleset").stdout, "and rules")
    host.run("incus network delete lab0")


def clients_are_there(_bed: Bed, host: Host) -> None:
    for client in ("dhclient", "dhcpcd", *(["perfdhcp"] if host.release == "bookworm" else [])):
        host.run(f"command -v {client}")


def systemd_is_not_there(_bed: Bed, host: Host) -> None:
    must(host.run("cat /proc/1/comm").stdout == "lab-init\n", "another first program")
    host.run("! command -v systemctl")


CHECKS: dict[str, Callable[[Bed, Host], None]] = {
    "dhcpclients": clients_are_there,
    "docker": containers_run_and_publish_ports,
    "firewalld": firewalld_lets_only_its_services_in,
    "nosystemd": systemd_is_not_there,
    "ufw": ufw_lets_only_ssh_in,
    "incus": incus_makes_networks,
    "kernel": its_kernel_has_what_this_one_lacks,
    "libvirt": libvirt_has_its_default_network,
}


def machines() -> list[str]:
    """Every variant on every release that has it; `dhcp` with every manager."""
    found = []
    for name, variant in VARIANTS.items():
        for release in variant.releases:
            found += [f"{release}+{needed}+{name}" for needed in variant.needs] or [f"{release}+{name}"]
    return found


def holds(bed: Bed, host: Host) -> None:
    if host.machine.systemd:
        state = host.run("systemctl is-system-running", check=False).stdout.strip()
        must(state == "running", f"{state}: {host.run('systemctl --failed --no-legend').stdout}")
    addresses = host.run(f"ip -br addr show dev {host.uplink}").stdout
    must(f" {host.address}/24" in addresses, f"{host.uplink} has {host.address}: {addresses}")
    wait_for(
        f"{host.name}: {host.address6}",
        lambda: f" {host.address6}/64" in host.run(f"ip -br addr show dev {host.uplink} -tentative").stdout,
        timeout=20,
    )
    must(not host.run("ip -o addr show dev eth1").stdout, "eth1 has none")
    for address in ("8.8.8.8", "2001:4860:4860::8888"):
        host.run(f"ping -c 1 -W 2 {address}")
    must("192.168.1.1" in host.run("getent ahostsv4 router.lan.test").stdout, "the router resolves names")
    for name in host.machine.variants:
        if check := CHECKS.get(name):
            check(bed, host)


def holds_again_after_a_reboot(bed: Bed, host: Host) -> None:
    started = time.monotonic()
    host.reboot()
    print(f"    reboot of {host.machine}: {time.monotonic() - started:.1f} s")
    holds(bed, host)


def main() -> None:
    words = sys.argv[1:]
    chosen = [machine for machine in machines() if not words or any(word in machine for word in words)]
    results = []
    for first in range(0, len(chosen), AT_ONCE):
        some = chosen[first : first + AT_ONCE]
        Bed(BED).down()
        with timed(f"up of {' '.join(some)}"):
            bed = Bed.up(BED, {f"host{number}": machine for number, machine in enumerate(some)})
        try:
            for host in bed.hosts.values():
                for promise in (holds, holds_again_after_a_reboot):
                    results.append(attempt(partial(promise, bed, host), f"{host.machine} {promise.__name__}"))
        finally:
            bed.down()
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
