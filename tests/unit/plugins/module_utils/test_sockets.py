# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ss says of the sockets that processes listen on."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.socket import parse

SSHD = 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=44,fd=3))'
BOTH = 'tcp LISTEN 0 4096 *:80 *:* users:(("nginx",pid=7,fd=6),("nginx",pid=8,fd=6))'
RESOLVED = 'udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=9,fd=12))'
KERNEL = "udp UNCONN 0 0 [fd00::1]:2049 [::]:*"


@pytest.mark.parametrize(
    ("line", "name", "process"),
    [
        (SSHD, "tcp 0.0.0.0:22", "sshd (pid 44)"),
        (BOTH, "tcp *:80", "nginx (pid 7)"),
        (RESOLVED, "udp 127.0.0.53%lo:53", "systemd-resolve (pid 9)"),
        (KERNEL, "udp [fd00::1]:2049", ""),
    ],
)
def test_a_line_of_ss_is_a_socket(line: str, name: str, process: str) -> None:
    found = parse(line)
    assert found and (found.name, found.process) == (name, process)


@pytest.mark.parametrize("line", ["", "raw UNCONN 0 0 *:58 *:*", "tcp LISTEN 0 128 0.0.0.0:ssh 0.0.0.0:*", "nonsense"])
def test_any_other_line_is_none(line: str) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    ("line", "protocol", "address", "port", "listens"),
    [
        (SSHD, "tcp", "192.168.233.2", 22, True),
        (SSHD, "tcp", "fd00::1", 22, False),
        (SSHD, "udp", "192.168.233.2", 22, False),
        (SSHD, "tcp", "192.168.233.2", 23, False),
        (BOTH, "tcp", "fd00::1", 80, True),
        (BOTH, "tcp", "192.168.233.2", 80, True),
        (RESOLVED, "udp", "192.168.233.2", 53, False),
        (RESOLVED, "udp", "127.0.0.53", 53, True),
        (KERNEL, "udp", "fd00::1", 2049, True),
    ],
)
def test_a_socket_listens_on_its_address_or_on_all_of_its_families(
    line: str, protocol: str, address: str, port: int, listens: bool
) -> None:
    found = parse(line)
    assert found and found.listens_on(protocol, ip_address(address), port) is listens
