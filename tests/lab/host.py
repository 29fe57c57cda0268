# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host: a systemd-nspawn machine with its own network namespace, real systemd, real sshd, and a disk that stays."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from . import namespaces, processes, rootfs, snapshot, ssh, uplink
from .command import LabError, Result, argv_of, run, shown
from .guest import Guest, Nic
from .node import Node
from .state import HostRecord, State
from .variants import parse_machine
from .waiting import log_tail, wait_for

ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
_IPV6_PATIENCE = 15  # seconds
# What the kernel takes as its own at the uplink, or at the bridge that it is a port of.
_IPV6 = """
bridge=$(ip -oneline link show {uplink} | grep -o ' master [^ ]*' | cut -d' ' -f3)
ip -6 route show table local type local dev "${{bridge:-{uplink}}}"
"""


def _station(index: int) -> int:
    """The last part of a host's address: .5, .7, ... .99, .201, ...; the stations have even ones, the router leases .100 to .199."""
    number = 5 + 2 * index
    return number if number < 100 else number + 100


class Host(Node):
    """`eth0` is on the LAN with a static address, `eth1` is on the LAN without any (for bridged networks).

    `uplink` is the interface that has the address: `eth0`, or what is made of it.
    """

    boot_timeout = 90  # seconds
    boot_interval = 0.05  # between two questions whether it has booted

    def __init__(self, state: State, name: str, record: HostRecord) -> None:
        super().__init__(state, name)
        self.machine = parse_machine(record.machine)
        self.release = self.machine.release
        self.uplink = self.machine.uplink
        number = _station(record.index)
        self.address = f"192.168.1.{number}"
        self.address6 = f"2001:db8:1::{number:x}"
        if self.machine.dhcp:
            self.address6 = uplink.slaac_address(self.mac_of("eth0"))
        self.directory = state.path("hosts", name, "root").parent
        self.console_log = state.path("log", f"{name}-console.log")

    # -- power --------------------------------------------------------------------------------------------------

    def create_disk(self, public_key: str) -> None:
        """An overlay on the machine's root, with this host's name, addresses and key."""
        root = self.directory / "root"
        with self.state.change() as record:
            record.mounts.append(str(root))
        rootfs.overlay(rootfs.rootfs(str(self.machine)), self.directory)
        self.write_files(root, public_key)

    def write_files(self, root: Path, public_key: str) -> None:
        """Make the root this host's: name, addresses, key."""
        settings = uplink.Uplink(
            self.uplink,
            self.mac_of("eth0"),
            self.address,
            self.address6,
            self.machine.dhcp,
            "routes" in self.machine.variants,
        )
        files = {
            # eth0 and eth1 are on one LAN: neither eth1 nor a bridge that it becomes a port of may answer ARP for eth0.
            "etc/sysctl.d/10-lab.conf": "net.ipv4.conf.default.arp_ignore = 1\nnet.ipv4.conf.eth1.arp_ignore = 1\n",
            "etc/hostname": f"{self.name}\n",
            "etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n{self.address} {self.name}\n",
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            "root/.ssh/authorized_keys": public_key,
        }
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, text in uplink.files(settings, self.machine.manager).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(uplink.mode_of(name))
        (root / "root/.ssh/authorized_keys").chmod(0o600)

    def start(self, *, wait: bool = True) -> None:
        """Power on: a new namespace with new NICs (the same MAC addresses), and the machine on its disk."""
        if self.running:
            raise LabError(f"{self.name}: is running already")
        namespaces.create(self.state, self.namespace)
        lan = f"vmnet-{self.state.bed}-lan"
        for interface, port in (("eth0", self.name), ("eth1", f"{self.name}-1")):
            namespaces.veth(lan, port, self.namespace, interface, self.mac_of(interface))
            namespaces.ip(lan, [f"link set dev {port} master lan0 up"])
        argv = ["systemd-nspawn", "--quiet", f"--directory={self.directory / 'root'}", "--settings=no"]
        # nspawn keeps a directory by the machine's name, which two at once would take away from each other.
        argv += [
            f"--machine={self.state.bed}-{self.name}".replace("_", "-"),
            f"--hostname={self.name}",
            "--register=no",
            "--keep-unit",
            "--link-journal=no",
        ]
        argv += ["--resolv-conf=off", "--timezone=off", "--console=pipe", "--capability=all", "--bind=/dev/net/tun"]
        argv += [f"--network-namespace-path=/run/netns/{self.namespace}"]
        # As on a real host: containers want a keyring of their own, and programs that say which devices they may open.
        argv += ["--system-call-filter=@keyring bpf"]
        # SIGTERM then makes nspawn tell the machine to power off.
        argv += ["--boot"] if self.machine.systemd else ["--kill-signal=SIGTERM", "/sbin/lab-init"]
        processes.spawn(
            self.state,
            f"host {self.name}",
            argv,
            log=self.console_log,
            cgroup=f"hosts/{self.name}",
            # Without the first, /proc/sys/net is read-only in the machine.
            env=os.environ | {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "UNIFIED_CGROUP_HIERARCHY": "1"},
        )
        if wait:
            self.wait_booted()

    def wait_booted(self) -> None:
        """Return when systemd says `running` or `degraded` (where there is one) and sshd answers on the LAN."""
        question = "systemctl is-system-running" if self.machine.systemd else "cat /run/booted && echo running"

        def booted() -> bool:
            self._expect_running()
            if not self._answers():
                return False
            return self.run(question, check=False).stdout.strip() in ("running", "degraded")

        wait_for(
            f"{self.name}: boot",
            booted,
            timeout=self.boot_timeout,
            interval=self.boot_interval,
            log=self.console_log,
        )
        try:
            wait_for(f"{self.name}: sshd", self._ssh_answers, timeout=self.boot_timeout)
        except LabError as error:
            found = self.run("ip address; ip route; ss -lnt; journalctl -b", check=False).stdout
            raise LabError(f"{error}; on the host:\n{found}") from None
        # Its own IPv6 addresses, a static one too, come when the kernel has seen that nobody else has them, each at a moment of
        # its own. Until then no two snapshots are alike. One that never comes is for a test to find.
        wanted = ("local fe80:", f"local {self.address6} ")
        deadline = time.monotonic() + _IPV6_PATIENCE
        while time.monotonic() < deadline:
            found = self.run(_IPV6.format(uplink=self.uplink), check=False).stdout
            if all(address in found for address in wanted):
                break
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Whether a command can be run."""
        return self._leader() is not None

    def _ssh_answers(self) -> bool:
        # Only the first word: the server would wait for an answer.
        probe = ["timeout", "10", "bash", "-c", f"exec 3<>/dev/tcp/{self.address}/22 && head --bytes=4 <&3"]
        controller = f"vmnet-{self.state.bed}-controller"
        return run(namespaces.inside(controller, probe), check=False).stdout == "SSH-"

    def stop(self) -> None:
        """Power off cleanly: guests lose power, systemd stops its units, the namespace and the NICs are gone."""
        for guest in self.guests.values():
            guest.stop()
        ssh.forget_connections(self.state)
        process = self.state.read().processes.get(f"host {self.name}")
        if process:
            processes.stop(process, timeout=60)
        self.cut()

    def cut(self) -> None:
        """End what still runs; the namespace and the NICs are gone, the disk stays."""
        processes.kill_all(self.state.bed, f"hosts/{self.name}")
        lan = f"vmnet-{self.state.bed}-lan"
        # Before the namespace, which the kernel takes apart in its own time, perhaps while the next one is being made.
        for port in (self.name, f"{self.name}-1"):
            run(["ip", "-n", lan, "link", "del", port], check=False)  # or it is not there
        namespaces.delete(self.namespace)
        with self.state.change() as record:
            record.processes.pop(f"host {self.name}", None)

    def crash(self) -> None:
        """Cut the power: nothing in the machine gets a chance to clean up."""
        for guest in self.guests.values():
            guest.stop()
        ssh.forget_connections(self.state)
        self.cut()

    def reboot(self) -> None:
        """Stop, and start on the same disk with a new namespace; returns when it is booted."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        process = self.state.read().processes.get(f"host {self.name}")
        return process is not None and processes.alive(process)

    def _expect_running(self) -> None:
        if not self.running:
            raise LabError(f"{self.name}: the machine ended{log_tail(self.console_log)}")

    def _leader(self) -> int | None:
        """Process id, on this machine, of the host's systemd."""
        process = self.state.read().processes.get(f"host {self.name}")
        found = processes.children(process.pid) if process else []
        return found[0] if found else None

    # -- inside -------------------------------------------------------------------------------------------------

    def run(
        self, command: str | Sequence[str], *, check: bool = True, timeout: float = 60, input: str | None = None
    ) -> Result:
        """Run a command as root in the machine (all its namespaces, a clean environment)."""
        leader = self._leader()
        if leader is None:
            raise LabError(f"{self.name}: is not running{log_tail(self.console_log)}")
        enter = ["nsenter", f"--target={leader}", "--all", "--", "env", "-i", "--chdir=/", *ENVIRONMENT]
        result = run([*enter, *argv_of(command)], check=False, timeout=timeout, input=input)
        return result.checked(f"{self.name}: {shown(command)}", check)

    def mac_of(self, interface: str) -> str:
        """The MAC address of eth0 or eth1: the same at every start."""
        return uplink.mac_of(self.name, interface)

    @property
    def disk(self) -> Path:
        """The machine's root directory as this machine sees it."""
        return self.directory / "root"

    def snapshot(self) -> snapshot.Snapshot:
        """What is on the host now; compare two with lab.difference."""
        return snapshot.take(self)

    # -- guests -------------------------------------------------------------------------------------------------

    def boot_guest(
        self,
        name: str,
        *,
        tap: str = "",
        mac: str = "",
        nics: Sequence[Nic] = (),
        memory: int = 128,
        wait: bool = True,
    ) -> Guest:
        """Boot a guest on a tap that exists (or on several: `nics`). With wait=False, call guest.wait_booted()."""
        if not nics and not (tap and mac):
            raise LabError(f"guest {name}: needs tap= and mac=, or nics=")
        guest = Guest(self, name)
        guest.start(nics or [Nic(tap, mac)], memory=memory, wait=wait)
        return guest

    @property
    def guests(self) -> dict[str, Guest]:
        keys = [key for key, record in self.state.read().guests.items() if record.host == self.name]
        names = [key.partition("/")[2] for key in keys]
        return {name: Guest(self, name) for name in names}
