# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DHCP clients that are no virtual machines: a network namespace of the host with a cable to one of its bridges."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from lab import Host
from lab.command import Result
from lab.waiting import wait_for

# A DHCPDISCOVER as a client with a raw socket sends it.
_DISCOVER = r"""
import os, socket, struct
mac = bytes.fromhex("525400000099")
message = struct.pack("!BBBB4sHH16x16s192x", 1, 1, 6, 0, os.urandom(4), 0, 0x8000, mac) + bytes([99, 130, 83, 99, 53, 1, 1, 255])
datagram = struct.pack("!4H", 68, 67, 8 + len(message), 0) + message
header = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, bytes(4), bytes([255] * 4)))
total = sum(struct.unpack("!10H", bytes(header)))
total = (total & 0xFFFF) + (total >> 16)
header[10:12] = struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("eth0", 0))
sender.send(bytes([255] * 6) + mac + bytes([8, 0]) + bytes(header) + datagram)
"""
# What all of the clients run when something happens: the variables that they set are what they were told.
_SCRIPT = "#!/bin/sh\nenv > /run/client.$(ip netns identify).$reason\nexit 0\n"
_TOLD = ("BOUND", "REBOOT", "RENEW", "BOUND6", "REBOOT6")


class Client:
    """A namespace `name` with `eth0`. What its client programs return is what they were told."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name
        self.script = f"/run/client-script.{name}"

    def run(self, command: str, *, check: bool = True, timeout: float = 60) -> Result:
        line = f"ip netns exec {self.name} sh -c {shlex.quote(command)}"
        return self.host.run(line, check=check, timeout=timeout)

    def dhclient(
        self, options: str = "", family: int = 4, *, patience: int = 30, release: bool = True
    ) -> dict[str, str]:
        """ISC's; without its own files, so that it is a new machine each time. It gives its lease back, unless told not to."""
        files = f"-{family} -lf {self._file('leases')} -pf {self._file('pid')} -sf {self.script} {options}"
        self.run(f"rm -f {self._file('*')}; timeout {patience} dhclient -1 {files} eth0", check=False)
        told = self.told()
        self.run(f"dhclient -r {files} eth0" if release else f"kill $(cat {self._file('pid')})", check=False)
        return told

    def dhcpcd(self, options: str = "", family: int = 4) -> dict[str, str]:
        """The lease is given back."""
        self.run(f"rm -f {self._file('*')} /var/lib/dhcpcd/*", check=False)
        self.run(
            f"timeout 30 dhcpcd -{family} --waitip={family} --timeout 20 --script {self.script} --config /dev/null "
            f"--option domain_name_servers,host_name,ntp_servers,interface_mtu {options} eth0",
            check=False,
        )
        told = self.told()
        self.run(f"dhcpcd -{family} --release eth0", check=False)
        return told

    def networkd(self, settings: str) -> None:
        """systemd's, in the background. It sees no udev, no D-Bus and nothing of the host's own networkd."""
        empty = "; ".join(f"mount -t tmpfs -o mode=755 tmpfs {path}" for path in ("/run/systemd", "/run/dbus"))
        self.run(
            "unshare --mount sh -c "
            + shlex.quote(
                f"{empty}; mount -o remount,bind,ro /sys; "
                "mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases; "
                "chown -R systemd-network: /run/systemd/netif; "
                f"printf '{settings}' > /run/systemd/network/10-client.network; exec /lib/systemd/systemd-networkd"
            )
            + f" > {self._file('log')} 2>&1 &"
        )

    def _file(self, what: str) -> str:
        return f"/run/client.{self.name}.{what}"

    def told(self) -> dict[str, str]:
        """The variables `new_*` of the lease, without that prefix; empty when there is none."""
        paths = " ".join(self._file(reason) for reason in _TOLD)
        lines = self.run(f"cat {paths} 2>/dev/null", check=False).lines
        return dict(line[len("new_") :].split("=", 1) for line in lines if line.startswith("new_") and "=" in line)


@contextmanager
def client(host: Host, bridge: str, mac: str, name: str = "client") -> Iterator[Client]:
    """A client on a bridge. It has a link-local IPv6 address when this returns."""
    made = Client(host, name)
    host.run(["sh", "-c", f"cat > {made.script} && chmod +x {made.script}"], input=_SCRIPT)
    host.run(f"ip netns add {name}")
    try:
        host.run(f"ip link add c-{name} type veth peer name eth0 address {mac} netns {name}")
        host.run(f"ip link set c-{name} master {bridge} up")
        made.run("ip link set lo up; ip link set eth0 up")
        wait_for(f"{name}: a link-local address", lambda: _is_ready(made), timeout=10, interval=0.2)
        yield made
    finally:
        host.run(
            # The cable first: left to the kernel, it outlives the namespace for a while, and the next client's has the same name.
            f"ip netns pids {name} | xargs -r kill -9; ip link del c-{name}; ip netns del {name}; "
            f"rm -f /run/client*.{name} /run/client.{name}.*",
            check=False,
        )


def offered(host: Host, bridge: str) -> str:
    """What tcpdump says of the server's offer as a client on the bridge gets it, before anything has looked at it."""
    with client(host, bridge, "52:54:00:00:00:99", name="raw") as who:
        host.run(["sh", "-c", "cat > /run/client-discover.raw"], input=_DISCOVER)
        watch = "timeout 30 tcpdump -c 1 -nvvi eth0 'udp dst port 68' 2> /run/client-tcpdump.raw"
        ready = "for n in $(seq 100); do grep -q listening /run/client-tcpdump.raw && break; sleep 0.1; done"
        return who.run(f"{watch} & sleep 0.1; {ready}; python3 /run/client-discover.raw; wait", timeout=60).stdout


def _is_ready(made: Client) -> bool:
    shown = made.run("ip -6 addr show dev eth0 scope link").stdout
    return "fe80" in shown and "tentative" not in shown
