# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest: a QEMU virtual machine whose virtio NICs are taps in a host's network namespace."""

from __future__ import annotations

import base64
import secrets
import shlex
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from . import namespaces, processes
from .command import CommandError, LabError, Result, shown, tail
from .guest_image import guest_image
from .state import GuestRecord, locked
from .waiting import log_tail, wait_for

if TYPE_CHECKING:
    from .host import Host

# Not microvm, though it boots 0.2 s faster: it has no timer chip, and under load the kernel then waits for ever while it
# calibrates its clocks. What is left out here is what a guest has no use for.
MACHINE = "q35,usb=off,smbus=off,sata=off,vmport=off"
# tsc=unstable: on a busy machine the kernel, which measures the TSC at boot, may find it three times slower than it is. The
# clock then runs three times too fast: limits end early, and what a router has advertised expires early. Without the TSC it
# takes the HPET, which states its frequency.
KERNEL_OPTIONS = (
    "console=ttyS0 quiet panic=1 tsc=unstable no_timer_check lpj=4000000 mitigations=off nokaslr audit=0 "
    "cryptomgr.notests random.trust_cpu=on"
)


@dataclass(frozen=True)
class Nic:
    """One virtio NIC: the tap it is on (which exists already) and its MAC address."""

    tap: str
    mac: str
    queues: int = 1


class Guest:
    """A virtual machine on a host; `name` is unique on that host."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name
        self.state = host.state
        self._key = f"{host.name}/{name}"
        self._socket = self.state.path("guests", host.name, f"{name}.sock")
        self.kernel_log = self.state.path("guests", host.name, f"{name}.kernel.log")
        self.qemu_log = self.state.path("guests", host.name, f"{name}.qemu.log")

    def __repr__(self) -> str:
        return f"<Guest {self.name} on {self.host.name} of bed {self.state.bed}>"

    @property
    def nics(self) -> list[Nic]:
        return [Nic(**nic) for nic in self.state.read().guests[self._key].nics]  # type: ignore[arg-type]

    @property
    def mac(self) -> str:
        """MAC address of eth0."""
        return self.nics[0].mac

    @property
    def running(self) -> bool:
        process = self.state.read().processes.get(f"guest {self._key}")
        return process is not None and processes.alive(process)

    def start(self, nics: Sequence[Nic], *, memory: int = 128, wait: bool = True, timeout: float = 90) -> None:
        """Power on with these NICs (eth0, eth1, ...); `memory` in MiB."""
        if self.running:
            raise LabError(f"guest {self._key}: is running already")
        image = guest_image()
        self._socket.unlink(missing_ok=True)
        with self.state.change() as record:
            record.guests[self._key] = GuestRecord(self.host.name, [asdict(nic) for nic in nics])
        argv = ["qemu-system-x86_64", "-name", self._key, "-accel", "tcg", "-M", MACHINE, "-m", str(memory)]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-kernel", str(image / "kernel"), "-initrd", str(image / "initrd"), "-append", KERNEL_OPTIONS]
        argv += ["-chardev", f"file,id=log,path={self.kernel_log}", "-serial", "chardev:log"]
        argv += ["-chardev", f"socket,id=agent,path={self._socket},server=on,wait=off"]
        argv += ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=agent"]
        for number, nic in enumerate(nics):
            queues = f",queues={nic.queues}" if nic.queues > 1 else ""
            argv += ["-netdev", f"tap,id=n{number},ifname={nic.tap},script=no,downscript=no{queues}"]
            argv += ["-device", f"virtio-net-pci,romfile=,netdev=n{number},mac={nic.mac}{',mq=on' if queues else ''}"]
        processes.spawn(
            self.state,
            f"guest {self._key}",
            namespaces.inside(self.host.namespace, argv),
            log=self.qemu_log,
            cgroup=f"guests/{self.host.name}-{self.name}",
        )
        if wait:
            self.wait_booted(timeout=timeout)

    def wait_booted(self, *, timeout: float = 90) -> None:
        """Return when the guest answers commands."""
        wait_for(f"guest {self._key}: console", lambda: self._socket.exists() or self._ended(), timeout=10)
        deadline = time.monotonic() + timeout
        while True:
            try:
                # A command sent before the agent listens waits in the console and is answered then.
                self.run("true", timeout=max(1.0, deadline - time.monotonic()))
                return
            except ConnectionError as problem:
                self._ended()
                if time.monotonic() > deadline:
                    raise LabError(f"guest {self._key}: does not boot: {problem}{log_tail(self.kernel_log)}") from None
                time.sleep(0.05)

    def _ended(self) -> bool:
        if not self.running:
            raise LabError(f"guest {self._key}: QEMU ended{log_tail(self.qemu_log)}{log_tail(self.kernel_log)}")
        return False

    def run(self, command: str | Sequence[str], *, check: bool = True, timeout: float = 120) -> Result:
        """Run a shell command line in the guest, up to `timeout` seconds. Raises CommandError unless `check=False`.

        Too late is always an error; the command is then killed. The limit is for what hangs, not for what is slow: an
        emulated guest on a busy machine takes long to start a few programs. One command at a time: others wait.
        """
        line = command if isinstance(command, str) else shlex.join(command)
        with locked(self._socket.with_suffix(".lock")):
            result = self._exchange(line, timeout)
        return result.checked(f"guest {self.name}: {shown(command)}", check)

    def spawn(self, command: str) -> int:
        """Start a shell command line in the guest's background; returns its process id there."""
        inner = shlex.quote(command)
        started = self.run(f"setsid sh -c {inner} </dev/null >/tmp/spawned.log 2>&1 & echo $!")
        return int(started.stdout)

    def dhcp(self, interface: str = "eth0", *, options: str = "", timeout: float = 30) -> dict[str, str]:
        """Ask for a lease, apply it, and return its fields as udhcpc names them (ip, mask, router, dns, mtu, ...).

        Raises CommandError when no server answers within about `timeout` seconds.
        """
        asked = "-O mtu -O staticroutes -O search -O domain -O hostname -O ntpsrv -O broadcast"
        tries = max(1, int(timeout) // 2)
        self.run(f"udhcpc -i {interface} -f -n -q -t {tries} -T 2 {asked} {options}")
        lines = self.run(f"cat /tmp/lease.{interface}").lines
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def _exchange(self, line: str, timeout: float) -> Result:
        nonce = secrets.token_hex(8)
        limit = max(1, round(timeout))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
            console.settimeout(5)
            console.connect(str(self._socket))
            _drain(console)
            payload = base64.b64encode(line.encode()).decode()
            console.settimeout(timeout + 10)
            started = time.monotonic()
            console.sendall(f"\n{nonce} {limit} {payload}\n".encode())
            answer = self._read_answer(console, nonce, timeout + 10, line)
        status, stdout, stderr = answer
        if status == 137 and time.monotonic() - started >= limit * 0.9:
            raise CommandError(
                f"not done after {limit} s: guest {self.name}: {line}\n{tail(stdout)}{tail(stderr)}".rstrip()
            )
        return Result(status, stdout, stderr)

    def _read_answer(self, console: socket.socket, nonce: str, timeout: float, line: str) -> tuple[int, str, str]:
        begin, end = f"@{nonce} ".encode(), f".{nonce}".encode()
        deadline = time.monotonic() + timeout
        received = b""
        while end not in received:
            console.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = console.recv(65536)
            except TimeoutError:
                raise CommandError(
                    f"no answer from the guest after {timeout:g} s: guest {self.name}: {line}{log_tail(self.kernel_log)}"
                ) from None
            if not part:
                raise ConnectionError("console closed")
            received += part
        status, stdout, stderr = received[received.index(begin) + len(begin) : received.index(end)].splitlines()[:3]
        return int(status), _decoded(stdout), _decoded(stderr)

    def stop(self) -> None:
        """Power off: the tap loses its carrier. Nothing is saved; a guest has no disk."""
        processes.kill_all(self.state.bed, f"guests/{self.host.name}-{self.name}")
        with self.state.change() as record:
            process = record.processes.pop(f"guest {self._key}", None)
            record.guests.pop(self._key, None)
        if process:
            processes.reap(process.pid)
        self._socket.unlink(missing_ok=True)

    kill = stop


def _decoded(text: bytes) -> str:
    return base64.b64decode(text).decode(errors="replace")


def _drain(console: socket.socket) -> None:
    """Throw away what an earlier command left in the console."""
    console.setblocking(False)
    try:
        while console.recv(65536):
            pass
    except BlockingIOError:
        pass
    finally:
        console.setblocking(True)
