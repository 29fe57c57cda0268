# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bed: hosts on a LAN with a router, an internet, a neighbour and an attacker, all in namespaces of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from . import limits, namespaces, processes, ssh
from .capture import Capture, capture
from .command import LabError, run
from .host import Host
from .kernel_host import KernelHost
from .kernel_image import build_machine
from .node import Attacker, Node, Router
from .places import keep
from .state import HostRecord, State, bed_names
from .variants import parse_machine
from .waiting import wait_for

_STATIONS = {  # name: last part of 192.168.1.x and 2001:db8:1::x
    "neighbour": 20,
    "attacker": 66,
    "controller": 250,
}
_MAX_HOSTS = 50  # as far as it has been tried; see lab.host for their addresses


class Bed:
    """A bed that is up. Make one with Bed.up(), find one with Bed.attach()."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State(name)
        self.lan = Node(self.state, "lan")
        self.router = Router(self.state, "router")
        self.internet = Node(self.state, "internet")
        self.neighbour = Node(self.state, "neighbour")
        self.attacker = Attacker(self.state, "attacker")
        self.controller = Node(self.state, "controller")

    # -- up, down -----------------------------------------------------------------------------------------------

    @classmethod
    def up(cls, name: str, hosts: Mapping[str, str] | None = None, *, replace: bool = False) -> Bed:
        """Raise a bed with these hosts (name -> machine: RELEASE[+VARIANT...]), one bookworm host when not given.

        `replace` takes down a bed of that name first. Whatever goes wrong, nothing stays (but see VMNET_LAB_KEEP).
        """
        hosts = {"host12": "bookworm"} if hosts is None else hosts
        _check_names(name, hosts)
        for machine in sorted(set(hosts.values())):
            build_machine(machine)
        key = ssh.key_pair()
        bed = cls(name)
        if replace:
            bed.down()
        bed.state.claim()
        limits.make_room()
        try:
            bed._make(hosts, key.with_suffix(".pub").read_text())
        except BaseException:
            if not keep():
                bed.down()
            raise
        return bed

    @classmethod
    def attach(cls, name: str) -> Bed:
        """The bed `name` that some process has raised; raises LabError when there is none."""
        bed = cls(name)
        if not bed.state.read().complete:
            raise LabError(f"bed {name}: was left half-way; take it down")
        return bed

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not keep():
            self.down()

    def down(self) -> None:
        """Remove everything that the bed made; also what is left of one that was interrupted. Never fails twice."""
        if not self.state.exists():
            return
        try:
            record = self.state.read()
        except LabError:  # interrupted before the first line was written: nothing was made
            shutil.rmtree(self.state.directory)
            limits.put_back()
            return
        ssh.forget_connections(self.state, now=True)
        processes.kill_all(self.name)
        for process in record.processes.values():
            processes.stop(process, timeout=0.5)
        for namespace in record.namespaces:
            namespaces.delete(namespace)
        for mount in reversed(record.mounts):
            _unmount(Path(mount))
        shutil.rmtree(self.state.directory)
        limits.put_back()

    def _make(self, hosts: Mapping[str, str], public_key: str) -> None:
        with self.state.change() as record:
            record.hosts = {name: HostRecord(machine, index) for index, (name, machine) in enumerate(hosts.items())}
        self._make_lan()
        self._make_router_and_internet()
        self._make_stations()
        asking = [host for host in self.hosts.values() if host.machine.dhcp]
        self.router.start_dnsmasq({host.mac_of("eth0"): host.address for host in asking})
        self.ssh_config.write_text(ssh.config(self))
        for host in self.hosts.values():
            host.create_disk(public_key)
            host.start(wait=False)
        self.internet.serve(tcp=[7], udp=[7, 53], http=[80])
        self.neighbour.serve(udp=[7], http=[80])
        for host in self.hosts.values():
            host.wait_booted()
        with self.state.change() as record:
            record.complete = True

    def _make_lan(self) -> None:
        namespaces.create(self.state, self.lan.namespace, {"net.ipv6.conf.default.disable_ipv6": "1"})
        switch = "link add lan0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
        namespaces.ip(self.lan.namespace, [switch, "link set lan0 up"])
        # A switch does not filter: br_netfilter, where it is loaded, is on in every new namespace.
        off = [f"net.bridge.bridge-nf-call-{tables}=0" for tables in ("iptables", "ip6tables", "arptables")]
        self.lan.run(["sysctl", "-q", "-e", "-w", *off])

    def _make_router_and_internet(self) -> None:
        router, internet = self.router.namespace, self.internet.namespace
        forwarding = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
        namespaces.create(self.state, router, forwarding)
        namespaces.create(self.state, internet)
        self._connect(self.router, "lan")
        namespaces.veth(router, "wan", internet, "eth0")
        namespaces.ip(
            router,
            [
                "addr add 192.168.1.1/24 dev lan",
                "addr add 2001:db8:1::1/64 dev lan nodad",
                "addr add 203.0.113.1/24 dev wan",
                "addr add 2001:db8:ffff::1/64 dev wan nodad",
                "link set lan up",
                "link set wan up",
                "route add default via 203.0.113.2",
                "route add default via 2001:db8:ffff::2",
            ],
        )
        namespaces.ip(
            internet,
            [
                "addr add 8.8.8.8/32 dev lo",
                "addr add 2001:4860:4860::8888/128 dev lo nodad",
                "addr add 203.0.113.2/24 dev eth0",
                "addr add 2001:db8:ffff::2/64 dev eth0 nodad",
                "link set eth0 up",
                "route add 192.168.1.0/24 via 203.0.113.1",
                "route add 2001:db8:1::/64 via 2001:db8:ffff::1",
            ],
        )

    def _make_stations(self) -> None:
        quiet = {"net.ipv6.conf.default.accept_ra": "0"}
        for name, number in _STATIONS.items():
            node = Node(self.state, name)
            namespaces.create(self.state, node.namespace, quiet)
            self._connect(node, "eth0")
            namespaces.ip(
                node.namespace,
                [
                    f"addr add 192.168.1.{number}/24 dev eth0",
                    f"addr add 2001:db8:1::{number}/64 dev eth0 nodad",
                    "link set eth0 up",
                    "route add default via 192.168.1.1",
                    "route add default via 2001:db8:1::1",
                ],
            )

    def _connect(self, node: Node, interface: str) -> None:
        """Plug the node's interface into a port of the switch, named like the node."""
        namespaces.veth(self.lan.namespace, node.name, node.namespace, interface)
        namespaces.ip(self.lan.namespace, [f"link set dev {node.name} master lan0 up"])

    # -- what is in it ------------------------------------------------------------------------------------------

    @property
    def hosts(self) -> dict[str, Host]:
        return {name: _host(self.state, name, record) for name, record in self.state.read().hosts.items()}

    @property
    def nodes(self) -> dict[str, Node]:
        fixed = (self.lan, self.router, self.internet, self.neighbour, self.attacker, self.controller)
        return {node.name: node for node in fixed} | dict(self.hosts)

    def node(self, name: str) -> Node:
        try:
            return self.nodes[name]
        except KeyError:
            raise LabError(f"node {name}: not in bed {self.name}, which has {', '.join(self.nodes)}") from None

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`: reaches the hosts by name from this machine."""
        return self.state.path("ssh_config")

    def inventory(self, group: str = "hosts") -> dict[str, object]:
        """An Ansible inventory: one group of all hosts, reached over SSH from the controller's namespace."""
        return ssh.inventory(self, group)

    @contextmanager
    def capture(self, node: Node | str, interface: str, expression: str = "") -> Iterator[Capture]:
        """See lab.capture."""
        with capture(self.node(node) if isinstance(node, str) else node, interface, expression) as packets:
            yield packets


def _host(state: State, name: str, record: HostRecord) -> Host:
    kind = KernelHost if parse_machine(record.machine).own_kernel else Host
    return kind(state, name, record)


def _check_names(bed: str, hosts: Mapping[str, str]) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", bed):
        raise LabError(f"bed {bed!r}: a name is of a-z, 0-9, _ and -, up to 41 characters")
    if len(hosts) > _MAX_HOSTS:
        raise LabError(f"bed {bed}: {len(hosts)} hosts, the LAN has room for {_MAX_HOSTS}")
    taken = {"lan", "lan0", "router", "internet", *_STATIONS}
    for name, machine in hosts.items():
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name) or name in taken:
            raise LabError(f"host {name!r}: a name is of a-z, 0-9 and -, up to 12 characters, and not {sorted(taken)}")
        try:
            parse_machine(machine)
        except LabError as problem:
            raise LabError(f"host {name}: {problem}") from None


def _unmount(mount: Path) -> None:
    if str(mount) not in {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}:
        return
    # A killed machine lets go of its root a moment after its last process is gone.
    wait_for(f"{mount} unmounted", lambda: run(["umount", str(mount)], check=False).ok, timeout=10)


def all_beds() -> list[Bed]:
    return [Bed(name) for name in bed_names()]
