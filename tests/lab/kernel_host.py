# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that is a QEMU machine with Debian's own kernel; the same to its user as any other, but slower."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import namespaces, processes, ssh
from .command import CommandError, LabError, Result, argv_of, run, shown, tail
from .guest import KERNEL_OPTIONS, MACHINE, Guest
from .host import ENVIRONMENT, Host
from .kernel_image import kernel_image, pack
from .state import HostRecord, Process, State
from .waiting import log_tail

_PORTS = 4  # commands that can run at the same time
_MEMORY = 768  # MiB
_SERVICES = "/etc/lab/services.py"


class KernelHost(Host):
    """`eth0` and `eth1` are taps of the same names in the host's namespace, so that a capture there sees what they carry."""

    boot_timeout = 400  # the processor is emulated
    boot_interval = 1.0  # and each question takes some of it
    services_program = _SERVICES

    def __init__(self, state: State, name: str, record: HostRecord) -> None:
        super().__init__(state, name, record)
        self._ports = self.directory / "ports"
        self._qemu_log = state.path("log", f"{name}-qemu.log")

    # -- power --------------------------------------------------------------------------------------------------

    def create_disk(self, public_key: str) -> None:
        """A copy of the machine's disk, and an initial RAM disk that makes it this host at the first boot."""
        image = kernel_image(str(self.machine))
        self._ports.mkdir(parents=True, exist_ok=True)
        run(["cp", "--sparse=always", str(image / "disk"), str(self.directory / "disk")], timeout=300)
        tree = self.directory / "files"
        self.write_files(tree / "host", public_key)
        for program in ("kernel_agent.py", "services.py"):
            shutil.copy(Path(__file__).with_name(program), tree / "host/etc/lab")
        pack(tree, self.directory / "files.cpio")
        (self.directory / "initrd").write_bytes(
            (image / "initrd").read_bytes() + (self.directory / "files.cpio").read_bytes()
        )
        shutil.rmtree(tree)

    def start(self, *, wait: bool = True) -> None:
        """Power on: a new namespace with new NICs (the same MAC addresses), and the machine on its disk."""
        if self.running:
            raise LabError(f"{self.name}: is running already")
        namespaces.create(self.state, self.namespace, {"net.ipv6.conf.default.disable_ipv6": "1"})
        self._plug()
        image = kernel_image(str(self.machine))
        argv = ["qemu-system-x86_64", "-name", self.name, "-accel", "tcg,thread=multi", "-M", MACHINE]
        argv += ["-m", str(_MEMORY), "-smp", "2"]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-kernel", str(image / "kernel"), "-initrd", str(self.directory / "initrd")]
        argv += ["-append", f"{KERNEL_OPTIONS} net.ifnames=0 systemd.show_status=no"]
        argv += ["-chardev", f"file,id=log,path={self.console_log}", "-serial", "chardev:log"]
        argv += ["-drive", f"file={self.directory / 'disk'},format=raw,if=none,id=disk,cache=unsafe,discard=unmap"]
        argv += ["-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"]
        argv += ["-device", "virtio-serial-pci"]
        for number in range(_PORTS):
            argv += ["-chardev", f"socket,id=port{number},path={self._ports / str(number)},server=on,wait=off"]
            argv += ["-device", f"virtserialport,chardev=port{number},name=lab.{number}"]
        for interface in ("eth0", "eth1"):
            argv += ["-netdev", f"tap,id={interface},ifname={interface},script=no,downscript=no"]
            argv += ["-device", f"virtio-net-pci,romfile=,netdev={interface},mac={self.mac_of(interface)}"]
        processes.spawn(
            self.state,
            f"host {self.name}",
            namespaces.inside(self.namespace, argv),
            log=self._qemu_log,
            cgroup=f"hosts/{self.name}",
        )
        if wait:
            self.wait_booted()

    def _plug(self) -> None:
        """Each tap is joined with its port of the LAN by a bridge of the two."""
        lan = f"vmnet-{self.state.bed}-lan"
        off = [f"net.bridge.bridge-nf-call-{tables}=0" for tables in ("iptables", "ip6tables", "arptables")]
        run(namespaces.inside(self.namespace, ["sysctl", "-q", "-e", "-w", *off]))
        for interface, port in (("eth0", self.name), ("eth1", f"{self.name}-1")):
            namespaces.veth(lan, port, self.namespace, f"lan-{interface}")
            namespaces.ip(lan, [f"link set dev {port} master lan0 up"])
            join = f"join-{interface}"
            namespaces.ip(
                self.namespace,
                [
                    f"link add {join} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                    f"tuntap add {interface} mode tap",
                    *(f"link set dev {end} master {join} up" for end in (interface, f"lan-{interface}")),
                    f"link set {join} up",
                ],
            )

    def stop(self) -> None:
        """Power off cleanly: systemd stops its units, the namespace and the NICs are gone."""
        ssh.forget_connections(self.state)
        process = self.state.read().processes.get(f"host {self.name}")
        if process and processes.alive(process):
            try:
                self.run("systemctl poweroff", check=False, timeout=20)
            except (LabError, OSError):
                pass  # it may be gone before it has answered
            deadline = time.monotonic() + 90
            while processes.alive(process) and time.monotonic() < deadline:
                time.sleep(0.1)
        self.cut()

    def _answers(self) -> bool:
        try:
            return self.run("true", check=False, timeout=5).ok
        except (LabError, OSError):
            self._expect_running()
            return False

    # -- inside -------------------------------------------------------------------------------------------------

    def run(
        self, command: str | Sequence[str], *, check: bool = True, timeout: float = 60, input: str | None = None
    ) -> Result:
        """Run a command as root in the machine, with a clean environment. Not over its network."""
        environment = dict(entry.split("=", 1) for entry in ENVIRONMENT)
        request = {
            "id": secrets.token_hex(8),
            "argv": argv_of(command),
            "env": environment,
            "input": base64.b64encode((input or "").encode()).decode(),
            "timeout": timeout,
        }
        with self._port() as port:
            answer = self._exchange(port, request, timeout + 10, shown(command))
        stdout, stderr = (base64.b64decode(answer[name]).decode(errors="replace") for name in ("stdout", "stderr"))
        if answer["status"] is None:
            printed = f"{tail(stdout)}{tail(stderr)}"
            raise CommandError(f"not done after {timeout:g} s: {self.name}: {shown(command)}\n{printed}".rstrip())
        return Result(answer["status"], stdout, stderr).checked(f"{self.name}: {shown(command)}", check)

    @contextmanager
    def _port(self) -> Iterator[Path]:
        """One that nobody uses now; waits when all are in use."""
        while True:
            for number in range(_PORTS):
                descriptor = os.open(self._ports / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield self._ports / str(number)
                    return
                except BlockingIOError:
                    continue
                finally:
                    os.close(descriptor)
            time.sleep(0.02)

    def _exchange(self, port: Path, request: dict[str, object], timeout: float, what: str) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(timeout)
            channel.connect(str(port))
            channel.sendall(b"\n" + json.dumps(request).encode() + b"\n")
            received = b""
            while True:
                channel.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    part = channel.recv(1 << 20)
                except TimeoutError:
                    raise CommandError(
                        f"no answer after {timeout:g} s: {self.name}: {what}{log_tail(self.console_log)}"
                    ) from None
                if not part:
                    raise LabError(f"{self.name}: {what}: the machine ended{log_tail(self._qemu_log)}")
                received += part
                *lines, received = received.split(b"\n")
                for line in lines:
                    answer = _parsed(line)
                    if answer.get("id") == request["id"]:
                        return answer

    def spawn(self, command: str | Sequence[str], *, name: str = "") -> Process:
        """Start a command here in the background, over SSH; it ends with `node.end(process)` or with the bed."""
        name = name or f"{shown(command)[:40]}".replace("/", "_")
        argv = ["ssh", "-tt", "-F", str(self.state.path("ssh_config")), self.name, shown(command)]
        return processes.spawn(self.state, f"{self.name}: {name}", argv, log=self.log_of(name))

    @property
    def disk(self) -> Path:
        raise LabError(f"{self.name}: its disk can be read in the machine only")

    def boot_guest(self, name: str, **_options: object) -> Guest:
        raise LabError(f"guest {name}: {self.name} is a QEMU machine itself; use a namespace and a veth in it")


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}  # the rest of an answer that its asker did not wait for
