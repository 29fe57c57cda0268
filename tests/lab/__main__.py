# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test bed by hand: PYTHONPATH=tests python3 -m lab --help."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

from . import ssh
from .bed import Bed, all_beds
from .command import LabError, Result
from .guest import Guest
from .guest_image import guest_image
from .kernel_image import build_machine
from .variants import RELEASES

# Debian packages that the machine needs. The guest image takes its busybox and socat from the machine, too.
NEEDS = (
    "busybox-static",
    "cpio",
    "debian-archive-keyring",
    "dnsmasq-base",
    "e2fsprogs",
    "iproute2",
    "iputils-ping",
    "mmdebstrap",
    "openssh-client",
    "procps",
    "python3",
    "qemu-system-x86",
    "socat",
    "systemd-container",
    "tcpdump",
    "util-linux",
)


def up(chosen: argparse.Namespace) -> None:
    hosts = dict(entry.partition("=")[::2] for entry in chosen.host) if chosen.host else None
    started = time.monotonic()
    bed = Bed.up(chosen.name, hosts, replace=chosen.replace)
    for host in bed.hosts.values():
        print(f"{host.name:12} {host.machine!s:20} {host.address:13} {host.address6}")
    print(f"bed {bed.name} is up after {time.monotonic() - started:.1f} s; ssh -F {bed.ssh_config} HOST")


def down(chosen: argparse.Namespace) -> None:
    for bed in all_beds() if chosen.all else [Bed(chosen.name)]:
        bed.down()


def list_beds(_chosen: argparse.Namespace) -> None:
    for bed in all_beds():
        record = bed.state.read()
        hosts = " ".join(f"{name}={host.machine}" for name, host in record.hosts.items())
        guests = " ".join(record.guests)
        print(f"{bed.name}: {hosts}{'; guests ' + guests if guests else ''}{'' if record.complete else ' (half-way)'}")


def ssh_host(chosen: argparse.Namespace) -> None:
    bed = Bed.attach(chosen.bed)
    ssh.connect(bed, bed.node(chosen.host).name, chosen.command)


def run_in(chosen: argparse.Namespace) -> None:
    command = chosen.command[0] if len(chosen.command) == 1 else chosen.command
    bed = Bed.attach(chosen.bed)
    target = guest_of(bed, chosen.node) if "/" in chosen.node else bed.node(chosen.node)
    finish(target.run(command, check=False, timeout=chosen.timeout))


def finish(result: Result) -> None:
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    sys.exit(result.status)


def guest_of(bed: Bed, name: str) -> Guest:
    """A guest by its name, or by HOST/NAME where two hosts have one of that name."""
    found = [guest for host in bed.hosts.values() for guest in host.guests.values()]
    found = [guest for guest in found if name in (guest.name, f"{guest.host.name}/{guest.name}")]
    if len(found) != 1:
        raise LabError(f"guest {name}: {len(found)} of that name in bed {bed.name}; say HOST/NAME")
    return found[0]


def console(chosen: argparse.Namespace) -> None:
    """Read command lines until the end of the input, and run each in the guest."""
    guest = guest_of(Bed.attach(chosen.bed), chosen.guest)
    prompt = f"{guest.name}# " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        try:
            result = guest.run(line, check=False, timeout=chosen.timeout)
        except LabError as problem:
            print(problem, file=sys.stderr)
            continue
        sys.stdout.write(result.stdout)
        sys.stderr.write(result.stderr + (f"[exit status {result.status}]\n" if result.status else ""))


def guest(chosen: argparse.Namespace) -> None:
    host = Bed.attach(chosen.bed).hosts.get(chosen.host)
    if host is None:
        raise LabError(f"host {chosen.host}: not in bed {chosen.bed}")
    if chosen.stop:
        Guest(host, chosen.name).stop()
    else:
        host.boot_guest(chosen.name, tap=chosen.tap, mac=chosen.mac)


def inventory(chosen: argparse.Namespace) -> None:
    """JSON is YAML, and needs no library."""
    print(json.dumps(Bed.attach(chosen.name).inventory(chosen.group), indent=2))


def snapshot(chosen: argparse.Namespace) -> None:
    host = Bed.attach(chosen.bed).hosts.get(chosen.host)
    if host is None:
        raise LabError(f"host {chosen.host}: not in bed {chosen.bed}")
    print(json.dumps(host.snapshot(), indent=1))


def needs(_chosen: argparse.Namespace) -> None:
    print("\n".join(NEEDS))


def cache(chosen: argparse.Namespace) -> None:
    """The machines given; without any, what every scenario needs."""
    builds: list[tuple[str, Callable[[], object]]] = [
        (machine, partial(build_machine, machine)) for machine in chosen.machine or RELEASES
    ]
    if not chosen.machine:
        builds.append(("guest", guest_image))
    for what, build in builds:
        started = time.monotonic()
        print(f"{what}: ", end="", flush=True)
        print(f"{build()} ({time.monotonic() - started:.1f} s)")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python3 -m lab", description="The test bed of tapestry.vmnet.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, text: str, *, bed: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(function=function)
        if bed:
            added.add_argument("--bed", default="bed", metavar="NAME", help="which bed (default: bed)")
        return added

    raising = command("up", up, "raise a bed")
    raising.add_argument("name", nargs="?", default="bed")
    raising.add_argument(
        "--host", action="append", metavar="NAME=RELEASE[+VARIANT...]", help="default: host12=bookworm"
    )
    raising.add_argument("--replace", action="store_true", help="take down a bed of that name first")
    lowering = command("down", down, "remove a bed and everything it made; also one that was left half-way")
    lowering.add_argument("name", nargs="?", default="bed")
    lowering.add_argument("--all", action="store_true", help="all beds")
    command("list", list_beds, "show the beds that are up")
    entering = command("ssh", ssh_host, "log in to a host, or run a command there, over SSH", bed=True)
    entering.add_argument("host")
    entering.add_argument("command", nargs=argparse.REMAINDER)
    running = command("run", run_in, "run a command in a node or a guest (HOST/GUEST)", bed=True)
    running.add_argument("--timeout", type=float, default=120, metavar="SECONDS")
    running.add_argument("node")
    running.add_argument("command", nargs=argparse.REMAINDER)
    typing = command("console", console, "type commands to a guest", bed=True)
    typing.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for each command")
    typing.add_argument("guest")
    booting = command("guest", guest, "boot a guest on a tap that exists, or stop it", bed=True)
    booting.add_argument("host")
    booting.add_argument("name")
    booting.add_argument("--tap", default="vnet0")
    booting.add_argument("--mac", default="52:54:00:00:00:65")
    booting.add_argument("--stop", action="store_true")
    listing = command("inventory", inventory, "print the Ansible inventory of a bed")
    listing.add_argument("name", nargs="?", default="bed")
    listing.add_argument(
        "--group", default="hosts", metavar="NAME", help="what its hosts are in (default: %(default)s)"
    )
    looking = command("snapshot", snapshot, "print what is on a host", bed=True)
    looking.add_argument("host")
    command("needs", needs, "print the Debian packages that this machine needs")
    building = command("cache", cache, "build what takes long: root file systems and the guest image")
    building.add_argument("machine", nargs="*", metavar="RELEASE[+VARIANT...]", help=f"default: {' '.join(RELEASES)}")
    return top


def interrupted(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that `up` takes down what it made."""
    raise SystemExit(128 + number)


def main() -> None:
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    chosen = parser().parse_args()
    try:
        chosen.function(chosen)
    except LabError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
