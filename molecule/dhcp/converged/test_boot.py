# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Booting from the network: the file is that of the client's firmware, and the host has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Guest, Host
from verify import client

Guests = dict[str, Guest]


@pytest.fixture(scope="module")
def served(host: Host) -> Iterator[None]:
    host.run("echo kernel > /srv/pxelinux.0; head -c 300000 /dev/urandom > /srv/initrd; chmod 644 /srv/*")
    yield
    host.run("rm /srv/pxelinux.0 /srv/initrd")


@pytest.mark.parametrize(
    ("options", "file"),
    [
        pytest.param("-x 0x5d:0000", "pxelinux.0", id="BIOS"),
        pytest.param("-x 0x5d:0007", "grubx64.efi", id="UEFI, x86-64"),
        pytest.param("-x 0x5d:0009", "grubx64.efi", id="UEFI, x86-64 by its other number"),
        pytest.param("-x 0x5d:000b", "grubaa64.efi", id="UEFI, ARM"),
        pytest.param("-x 0x5d:0007 -x 0xaf:01", "http://192.168.233.2/menu.ipxe", id="iPXE"),
        pytest.param("-x 0x5d:0006", "other.0", id="another"),
        pytest.param("", "other.0", id="none"),
    ],
)
def test_the_boot_file_follows_the_firmware(guests: Guests, options: str, file: str) -> None:
    told = guests["web"].dhcp(options=f"-O bootfile {options}")
    assert (told.get("boot_file"), told.get("siaddr")) == (file, "192.168.233.2"), told


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("file", ["pxelinux.0", "initrd"])
def test_the_guest_gets_the_file_from_the_host(host: Host, guests: Guests, file: str) -> None:
    guests["web"].run(f"tftp -g -r {file} -l /tmp/{file} 192.168.233.2")
    wanted = host.run(f"sha256sum /srv/{file}").stdout.split()[0]
    assert guests["web"].run(f"sha256sum /tmp/{file}").stdout.split()[0] == wanted


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd"])
def test_nothing_outside_the_directory_is_served(guests: Guests, path: str) -> None:
    assert not guests["web"].run(f"tftp -g -r {path} -l /tmp/stolen 192.168.233.2", check=False).ok


def test_the_files_may_be_on_another_server(host: Host) -> None:
    with client(host, "vmnet11", "52:54:00:00:11:00") as who:
        told = who.dhclient()
        assert (told.get("filename"), told.get("next_server")) == ("kernel.img", "10.11.0.9"), told
