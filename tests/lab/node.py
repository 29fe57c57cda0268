# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A station of the bed: a network namespace in which commands run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from . import namespaces, processes
from .command import Result, argv_of, run, shown
from .state import Process, State
from .waiting import wait_for


class Node:
    """A namespace with a name. `namespace` is what `ip netns` calls it."""

    services_program = str(Path(__file__).with_name("services.py"))

    def __init__(self, state: State, name: str) -> None:
        self.state = state
        self.name = name
        self.namespace = f"vmnet-{state.bed}-{name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of bed {self.state.bed}>"

    def run(
        self, command: str | Sequence[str], *, check: bool = True, timeout: float = 60, input: str | None = None
    ) -> Result:
        """Run a shell command line (or an argument vector) here; raises CommandError unless `check=False`."""
        result = run(
            ["ip", "netns", "exec", self.namespace, *argv_of(command)], check=False, timeout=timeout, input=input
        )
        return result.checked(f"{self.name}: {shown(command)}", check)

    def spawn(self, command: str | Sequence[str], *, name: str = "") -> Process:
        """Start a command here in the background; it ends with `node.end(process)` or with the bed.

        What it prints goes to `node.log_of(name)`.
        """
        name = name or f"{shown(command)[:40]}".replace("/", "_")
        argv = namespaces.inside(self.namespace, argv_of(command))
        return processes.spawn(self.state, f"{self.name}: {name}", argv, log=self.log_of(name))

    def end(self, process: Process) -> None:
        """End a process that `spawn` started."""
        processes.stop(process)
        with self.state.change() as record:
            record.processes = {name: other for name, other in record.processes.items() if other != process}

    def log_of(self, name: str) -> Path:
        return self.state.path("log", f"{self.name}-{name}.log")

    def serve(self, *, tcp: Sequence[int] = (), udp: Sequence[int] = (), http: Sequence[int] = ()) -> Process:
        """Answer on these ports, both families, with "<peer address> <peer port>"; returns when they listen."""
        options = [f"--{kind}={port}" for kind, ports in (("tcp", tcp), ("udp", udp), ("http", http)) for port in ports]
        name = "services" + "".join(options).replace("--", "-")
        self.log_of(name).unlink(missing_ok=True)
        process = self.spawn(["python3", self.services_program, *options], name=name)
        wait_for(
            f"{self.name}: services {' '.join(options)}",
            lambda: "listening" in self.log_of(name).read_text(),
            timeout=10,
            log=self.log_of(name),
        )
        return process


class Router(Node):
    """The LAN's router: forwards, hands out leases and router advertisements, knows no guests' subnet."""

    @property
    def lease_file(self) -> Path:
        return self.state.path("router.leases")

    def leases(self) -> dict[str, str]:
        """MAC address -> IPv4 address, of the leases that the router has handed out."""
        lines = self.lease_file.read_text().splitlines() if self.lease_file.exists() else []
        fields = [line.split() for line in lines]
        return {field[1]: field[2] for field in fields if len(field) >= 4 and "." in field[2]}

    def start_dnsmasq(self, reservations: Mapping[str, str]) -> None:
        """DHCP for the LAN, SLAAC, and a resolver that knows the names of the bed; `reservations`: MAC -> address."""
        self.spawn(
            [
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--user=root",
                "--no-hosts",
                "--no-resolv",
                "--log-facility=-",
                "--log-dhcp",
                "--pid-file=",
                "--bind-interfaces",
                "--interface=lan",
                "--except-interface=lo",
                "--dhcp-authoritative",
                "--no-ping",
                "--dhcp-range=192.168.1.100,192.168.1.199,255.255.255.0,1h",
                "--dhcp-option=option:router,192.168.1.1",
                "--dhcp-option=option:dns-server,192.168.1.1",
                "--dhcp-range=2001:db8:1::,ra-only,64,1h",
                "--enable-ra",
                "--domain=lan.test",
                "--host-record=router.lan.test,192.168.1.1,2001:db8:1::1",
                "--host-record=neighbour.lan.test,192.168.1.20,2001:db8:1::20",
                "--host-record=internet.test,8.8.8.8,2001:4860:4860::8888",
                f"--dhcp-leasefile={self.lease_file}",
                *(f"--dhcp-host={mac},{address}" for mac, address in reservations.items()),
            ],
            name="dnsmasq",
        )


class Attacker(Node):
    """A station of the LAN that knows more than it should: it routes straight to guests."""

    def route(self, subnet: str, via: str) -> None:
        """Send packets for a guests' subnet to a host, as someone on the LAN can."""
        self.run(f"ip route replace {subnet} via {via}")

    def unroute(self, subnet: str) -> None:
        self.run(f"ip route del {subnet}", check=False)
