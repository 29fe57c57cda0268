# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: what dnsmasq writes is read as it was meant, and nothing else is taken for a lease."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.lease import Lease
from ansible_collections.tapestry.vmnet.plugins.module_utils._render.leases import parse, server_duid

V4, V6 = ipaddress.ip_address("192.168.233.101"), ipaddress.ip_address("fd00:233::101")
MAC, CLIENT_ID = "52:54:00:00:00:65", "01:52:54:00:00:00:65"
DUID = "00:01:00:01:2e:9f:5a:11:52:54:00:00:00:65"

LINES = {
    f"1700003600 {MAC} 192.168.233.101 web {CLIENT_ID}": Lease(V4, "web", MAC, 1700003600, client_id=CLIENT_ID),
    f"1700003600 {MAC} 192.168.233.101 * *": Lease(V4, mac=MAC, expires=1700003600),
    f"0 {MAC} 192.168.233.101 web *": Lease(V4, "web", MAC),
    f"1700003600 06-{MAC} 192.168.233.101 * *": Lease(V4, mac=MAC, expires=1700003600),
    "1700003600 20-00:01 192.168.233.101 * ff:00": Lease(V4, expires=1700003600, client_id="ff:00"),
    f"1700003600 1193046 fd00:233::101 web {DUID}": Lease(V6, "web", expires=1700003600, duid=DUID, iaid=1193046),
    f"1700003600 T7 fd00:233::101 * {DUID}": Lease(V6, expires=1700003600, duid=DUID, iaid=7),
}
NOT_LEASES = [
    "duid 00:01:00:01:2e:9f:5a:11:52:54:00:00:00:02",
    "",
    "1700003600",
    f"1700003600 {MAC} 192.168.233.101 web",
    f"1700003600 {MAC} 192.168.233. web *",
    f"soon {MAC} 192.168.233.101 web *",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_lease_file_is_a_lease(line: str) -> None:
    assert parse(line + "\n") == [LINES[line]]


@pytest.mark.parametrize("line", NOT_LEASES)
def test_what_is_no_lease_is_left_out(line: str) -> None:
    assert parse(line + "\n") == []


def test_all_leases_of_a_file_are_read_in_its_order() -> None:
    text = "".join(line + "\n" for pair in zip(LINES, NOT_LEASES * 2) for line in pair)
    assert parse(text) == list(LINES.values())


def test_the_duid_of_the_server_is_on_a_line_of_its_own() -> None:
    text = "".join(line + "\n" for line in [*LINES, *NOT_LEASES])
    assert server_duid(text) == "00:01:00:01:2e:9f:5a:11:52:54:00:00:00:02"
    assert server_duid(next(iter(LINES))) is None
