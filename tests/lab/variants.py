# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host may have besides the base system: `trixie+docker` is a Debian 13 with Docker as its users have it.

A variant is data: Debian packages, and what differs from a fresh installation of them. Services that Debian starts after
the installation run on the host, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .command import LabError

RELEASES = ("bookworm", "trixie")


@dataclass(frozen=True)
class Variant:
    """Additions to a root; `commands` are shell lines, run in the root when it is built."""

    packages: tuple[str, ...]
    packages_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # release -> more packages
    releases: tuple[str, ...] = RELEASES
    files: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


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
    ),
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
    return Machine(release, tuple(sorted(set(names))))
