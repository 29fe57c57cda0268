# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host may have besides the base system: `trixie+docker` is a Debian 13 with Docker as its users have it.

A variant is data: Debian packages, and what differs from a fresh installation of them. Services that Debian starts after
the installation run on the host, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .command import LabError
from .uplink import BOND, MANAGERS, VLAN

RELEASES = ("bookworm", "trixie")


@dataclass(frozen=True)
class Variant:
    """Additions to a root; `commands` are shell lines, run in the root when it is built."""

    packages: tuple[str, ...] = ()
    packages_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # release -> more packages
    without: tuple[str, ...] = ()  # packages of the base system that are left out
    releases: tuple[str, ...] = RELEASES
    files: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    unmasked: tuple[str, ...] = ()  # units that a host of the bed does not have otherwise
    conflicts: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # one of these must be there, too; of A+B both
    in_root: bool = True  # or it is only about how the host is set up


_NETWORKD = ("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service")


_AGENT_UNIT = """\
[Unit]
Description=Commands from outside of the machine
DefaultDependencies=no

[Service]
ExecStart=/usr/bin/python3 -I /etc/lab/kernel_agent.py

[Install]
WantedBy=sysinit.target
"""

# The drivers are loaded already: a coldplug of everything would only take long.
_COLDPLUG = """\
[Service]
ExecStart=
ExecStart=-/bin/udevadm trigger --type=devices --action=add --subsystem-match=net --subsystem-match=block
"""

# What a container does not start either, and would take an emulated processor seconds.
_SLOW_UNITS = (
    "dev-hugepages.mount",
    "modprobe@.service",
    "serial-getty@.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-logind.service",
    "systemd-timesyncd.service",
)


VARIANTS: dict[str, Variant] = {
    "docker": Variant(
        packages=("docker.io", "busybox-static"),
        packages_of={"trixie": ("docker-cli",)},
        # The host's disk is an overlay, on which there is no other.
        files={"etc/docker/daemon.json": '{"storage-driver": "vfs"}\n'},
    ),
    "firewalld": Variant(packages=("firewalld",), conflicts=("ufw",)),
    "ufw": Variant(
        packages=("ufw",),
        commands=("ufw allow OpenSSH", "sed -i s/^ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf"),
        conflicts=("firewalld",),
    ),
    "libvirt": Variant(
        packages=(
            "libvirt-daemon-system",
            "libvirt-daemon-config-network",
            "libvirt-daemon-driver-qemu",
            "libvirt-clients",
        ),
        # As `virsh net-autostart default` does.
        commands=("ln -s /etc/libvirt/qemu/networks/default.xml /etc/libvirt/qemu/networks/autostart/",),
        masked=("logrotate.timer",),
    ),
    # What modules of Ansible that talk to libvirt need on the host.
    "libvirtpython": Variant(packages=("python3-libvirt", "python3-lxml"), needs=("libvirt",)),
    # Clients of DHCP to run in namespaces beside the guests, and one that plays thousands.
    "dhcpclients": Variant(packages=("isc-dhcp-client", "dhcpcd-base"), packages_of={"bookworm": ("kea-admin",)}),
    # Who gives eth0 its addresses: see uplink.py. With `dhcp` it asks for them.
    "ifupdown": Variant(
        packages=("ifupdown",),
        # The clients that Debian's installer puts there.
        packages_of={"bookworm": ("isc-dhcp-client",), "trixie": ("dhcpcd-base",)},
    ),
    "netplan": Variant(packages=("netplan.io",), unmasked=_NETWORKD),
    "networkd": Variant(unmasked=_NETWORKD, commands=("systemctl enable systemd-networkd.service",)),
    "networkmanager": Variant(packages=("network-manager",)),
    "incus": Variant(packages=("incus-base", "incus-client"), releases=("trixie",)),
    "nosystemd": Variant(
        without=("systemd", "systemd-sysv", "dbus"),
        # Otherwise what others need of systemd would bring all of it.
        packages=("systemd-standalone-sysusers", "systemd-standalone-tmpfiles"),
        files={"sbin/lab-init": (Path(__file__).with_name("plain_init.sh")).read_text()},
        commands=("ssh-keygen -A",),
        conflicts=("docker", "firewalld", "ufw", "libvirt", "incus", "kernel", *MANAGERS),
    ),
    # A QEMU machine instead of a container: see kernel_host.py.
    "kernel": Variant(
        packages=("linux-image-cloud-amd64", "udev"),
        files={
            "etc/systemd/system/lab-agent.service": _AGENT_UNIT,
            "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": _COLDPLUG,
        },
        # Otherwise the first boot would do over what has just been installed.
        commands=("touch /etc/.updated /var/.updated",),
        masked=_SLOW_UNITS,
        enabled=("lab-agent.service",),
    ),
    "dhcp": Variant(needs=MANAGERS, in_root=False),
    # Instead of eth0 it is one of these that has the addresses; the kernel's own modules make them.
    "bond": Variant(needs=("kernel+networkd",), conflicts=("tagged",), in_root=False),
    "tagged": Variant(needs=("kernel+networkd",), in_root=False),
    "routes": Variant(needs=("networkd",), in_root=False),
}


@dataclass(frozen=True)
class Machine:
    """A machine string, RELEASE[+VARIANT...], taken apart; variants are sorted, so that their order is of no account."""

    release: str
    variants: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.release, *self.variants))

    @property
    def additions(self) -> list[Variant]:
        return [VARIANTS[name] for name in self.variants]

    @property
    def manager(self) -> str:
        """Who gives eth0 its addresses; empty where it is a oneshot unit."""
        return next((name for name in self.variants if name in MANAGERS), "")

    @property
    def uplink(self) -> str:
        """The interface that has the addresses."""
        return BOND if "bond" in self.variants else VLAN if "tagged" in self.variants else "eth0"

    @property
    def own_kernel(self) -> bool:
        """Whether it is a QEMU machine."""
        return "kernel" in self.variants

    @property
    def systemd(self) -> bool:
        """Whether systemd is its first program."""
        return "nosystemd" not in self.variants

    @property
    def dhcp(self) -> bool:
        """Whether eth0 asks for its addresses."""
        return "dhcp" in self.variants


def parse_machine(text: str) -> Machine:
    """Raises LabError when there is no such release or variant, or not together."""
    release, *names = text.split("+")
    if release not in RELEASES:
        raise LabError(f"machine {text}: release {release} is not one of {', '.join(RELEASES)}")
    for name in names:
        if name not in VARIANTS:
            raise LabError(f"machine {text}: variant {name} is not one of {', '.join(VARIANTS)}")
        if release not in VARIANTS[name].releases:
            raise LabError(f"machine {text}: {name} is to be had on {', '.join(VARIANTS[name].releases)} only")
        if both := set(VARIANTS[name].conflicts).intersection(names):
            raise LabError(f"machine {text}: {name} cannot be there together with {', '.join(sorted(both))}")
        if (needed := VARIANTS[name].needs) and not any(set(n.split("+")).issubset(names) for n in needed):
            raise LabError(f"machine {text}: {name} needs one of {', '.join(needed)}")
    if len(managers := sorted(set(MANAGERS).intersection(names))) > 1:
        raise LabError(f"machine {text}: only one of {', '.join(managers)} can have eth0")
    return Machine(release, tuple(sorted(set(names))))
