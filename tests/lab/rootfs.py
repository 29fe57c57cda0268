# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The disks of the hosts: one unpacked Debian root per kind of machine in the cache, an overlay on it per host."""

from __future__ import annotations

import shlex
from pathlib import Path

from .cache import cached, recipe_hash
from .command import run
from .variants import VARIANTS, Machine, parse_machine

# What the roles install is in the root already: hosts of the bed reach no package registry.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "python3-pyroute2",
    "nftables",
    "iptables",
    "dnsmasq-base",
    "conntrack",
    "iproute2",
    "iputils-ping",
    "kmod",
    "procps",
    "tcpdump",
    "socat",
    "curl",
    "ca-certificates",
)

# Timers would change files and start processes between two snapshots; a getty has no terminal to open.
_MASKED_UNITS = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "console-getty.service",
    "getty.target",
)

# A oneshot unit, not networkd: like /etc/network/interfaces it sets the addresses at boot and then keeps its hands
# off, so it neither undoes nor helps what a role does to the NIC. `addrgenmode none`: eth1 stays without any address.
_UPLINK_UNIT = """\
[Unit]
Description=Addresses of the LAN interfaces
DefaultDependencies=no
After=network-pre.target systemd-sysctl.service
Before=network.target
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/sysctl -q -p /etc/lab/uplink.sysctl
ExecStart=/sbin/ip -batch /etc/lab/uplink.batch

[Install]
WantedBy=multi-user.target
"""

_FILES = {
    "etc/systemd/system/lab-uplink.service": _UPLINK_UNIT,
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\nForwardToConsole=no\n",
    "etc/ssh/sshd_config.d/lab.conf": "PermitRootLogin prohibit-password\nUseDNS no\n",
    "etc/resolv.conf": "nameserver 192.168.1.1\n",
}


def rootfs(machine: str) -> Path:
    """The unpacked root of a machine (RELEASE[+VARIANT...]), built with mmdebstrap at the first call (a minute or so)."""
    asked = parse_machine(machine)
    chosen = Machine(asked.release, tuple(name for name in asked.variants if VARIANTS[name].in_root))
    recipe = recipe_hash([_packages(chosen), _files(chosen), _commands(chosen), _masked(chosen), _enabled(chosen)])
    return cached(f"{chosen}-{recipe}", lambda making: _build(chosen, making)) / "root"


def _packages(machine: Machine) -> list[str]:
    added = [(*variant.packages, *variant.packages_of.get(machine.release, ())) for variant in machine.additions]
    without = {package for variant in machine.additions for package in variant.without}
    wanted = [*PACKAGES, *(package for packages in added for package in packages)]
    return [package for package in wanted if package not in without]


def _files(machine: Machine) -> dict[str, str]:
    return _FILES | {name: text for variant in machine.additions for name, text in variant.files.items()}


def _commands(machine: Machine) -> list[str]:
    return [command for variant in machine.additions for command in variant.commands]


def _masked(machine: Machine) -> list[str]:
    wanted = {unit for variant in machine.additions for unit in variant.unmasked}
    unwanted = [unit for variant in machine.additions for unit in variant.masked]
    return [unit for unit in (*_MASKED_UNITS, *unwanted) if unit not in wanted]


def _enabled(machine: Machine) -> list[str]:
    return ["lab-uplink.service", *(unit for variant in machine.additions for unit in variant.enabled)]


def _build(machine: Machine, directory: Path) -> None:
    root = directory / "root"
    include = f"--include={','.join(_packages(machine))}"
    hooks = [f'--customize-hook=chroot "$1" sh -c {shlex.quote(command)}' for command in _commands(machine)]
    run(["mmdebstrap", "--variant=minbase", include, *hooks, machine.release, str(root)], timeout=1800)
    for name, text in _files(machine).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    systemctl = ["systemctl", f"--root={root}"]
    run([*systemctl, "mask", *_masked(machine)])
    run([*systemctl, "enable", *_enabled(machine)])
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)


def overlay(lower: Path, directory: Path) -> Path:
    """Mount a writable view of `lower` whose changes stay in `directory`; returns the mount point."""
    upper, work, merged = (directory / part for part in ("upper", "work", "root"))
    for part in (upper, work, merged):
        part.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run(["mount", "-t", "overlay", "-o", options, "vmnet-lab", str(merged)])
    return merged
