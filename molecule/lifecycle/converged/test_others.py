# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that meet each other, and what somebody else has done in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import Host, Snapshot
from verify import Staged, left, without_guests

from .conftest import NETWORK


@pytest.fixture(autouse=True)
def clean(host: Host, staged: Staged) -> Iterator[Snapshot]:
    """Each test begins on a host without networks; and at its end, nothing of ours is left."""
    before = host.snapshot()
    yield before
    for module, arguments in reversed(NETWORK):
        staged.run(module, **arguments, state="absent", purge=True)
    assert left(before, host.snapshot()) == []


def make(staged: Staged) -> None:
    for module, arguments in NETWORK:
        staged.run(module, **arguments)


def aliases(host: Host) -> dict[str, str]:
    return {link["ifname"]: link.get("ifalias", "") for link in json.loads(host.run("ip -json link").stdout)}


def test_two_runs_at_once_wait_for_each_other(host: Host, staged: Staged) -> None:
    def taps(number: int) -> bool:
        names = [{"name": f"t{number}.{tap}", "bridge": "br0"} for tap in range(20)]
        return bool(staged.run("taps", taps=names, scope=f"scope{number}")["changed"])

    staged.run("bridges", bridges=[{"name": "br0"}])
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(taps, range(3)))
    marks = aliases(host)
    assert {marks[f"t{number}.{tap}"] for number in range(3) for tap in range(20)} == {
        f"vmnet:scope{n}" for n in range(3)
    }
    with ThreadPoolExecutor() as pool:
        assert not any(pool.map(taps, range(3)))
    for number in range(3):
        staged.run("taps", taps=[], scope=f"scope{number}", purge=True)


def test_two_runs_for_the_same_thing_make_it_once(staged: Staged) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda _: staged.run("bridges", bridges=[{"name": "br0"}])["changed"], range(3)))
    assert sorted(results) == [False, False, True]


BY_HAND = [
    pytest.param("ip link del t0; ip link del br0", id="links"),
    pytest.param("rm -r /etc/vmnet; systemctl daemon-reload", id="files"),
    pytest.param(
        "rm -r /etc/vmnet; systemctl disable vmnet-dhcp@br0; pkill -9 -x dnsmasq; sleep 1",
        id="files, and the server dies again and again",
    ),
    pytest.param("nft delete table inet vmnet", id="packet filter"),
    pytest.param("systemctl stop vmnet-dhcp@br0; systemctl disable --now vmnet.service", id="services"),
    pytest.param("rm /etc/systemd/system/vmnet*; systemctl daemon-reload", id="units"),
    pytest.param("ip link set t0 alias ''; ip link set br0 alias ''", id="marks"),
    pytest.param(
        "ip link del t0; ip link del t1; ip link del br0; ip link del br1; nft delete table inet vmnet;"
        " systemctl disable --now vmnet.service vmnet-dhcp@br0; rm -rf /etc/vmnet /etc/systemd/system/vmnet*; systemctl daemon-reload",
        id="everything",
    ),
]


@pytest.mark.parametrize("command", BY_HAND)
def test_absent_works_after_somebody_has_removed(host: Host, staged: Staged, command: str) -> None:
    make(staged)
    host.run(command)
    for module, arguments in reversed(NETWORK):
        staged.run(module, **arguments, state="absent")


@pytest.mark.parametrize("command", BY_HAND)
def test_the_next_run_brings_back_what_somebody_has_removed(host: Host, staged: Staged, command: str) -> None:
    make(staged)
    whole = host.snapshot()
    host.run(command)
    make(staged)
    # A bridge has its link-local address from its first carrier on; everything else is the same, MAC addresses too.
    before, after = (without_guests(found) | {"links": found["links"]} for found in (whole, host.snapshot()))
    assert left(before, after) == []


def test_purge_takes_what_the_scope_owns_and_nothing_else(host: Host, staged: Staged) -> None:
    host.run(
        "ip link add virbr9 type bridge && ip link set virbr9 alias 'rack 3' && ip tuntap add dev tap9 mode tap user 1000"
        " && ip link add lan9 type bridge && ip link set tap9 master virbr9 && ip address add 10.99.0.1/24 dev virbr9"
        " && ip link set virbr9 addrgenmode none up"
    )
    foreign = host.snapshot()
    staged.run("bridges", bridges=[{"name": "ours"}, {"name": "virbr9"}])
    staged.run("bridges", bridges=[{"name": "theirs"}], scope="other")
    staged.run("taps", taps=[{"name": "t0", "bridge": "ours"}, {"name": "t1", "bridge": "virbr9"}])
    staged.run("taps", taps=[{"name": "t2", "bridge": "theirs"}], scope="other")
    assert aliases(host)["virbr9"] == "vmnet:default adopted rack%203"
    staged.run("taps", taps=[], purge=True)
    staged.run("bridges", bridges=[], purge=True)
    there = aliases(host)
    assert (there["theirs"], there["t2"]) == ("vmnet:other", "vmnet:other")
    assert not {"ours", "t0", "t1"} & there.keys()
    for module in ("taps", "bridges"):
        staged.run(module, **{module: []}, purge=True, scope="other")
    # The kernel's multicast route comes with the first carrier that a bridge ever has, here that of a new tap.
    assert [line for line in left(foreign, host.snapshot()) if "type=multicast dst=ff00::/8" not in line] == []
    for link in ("tap9", "virbr9", "lan9"):
        host.run(f"ip link del {link}")
