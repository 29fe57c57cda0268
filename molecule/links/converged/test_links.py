# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridges and taps: every option is in the kernel, what others did survives, and a guest does not notice a change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import Guest, Host
from lab.waiting import wait_for
from verify import Staged


@pytest.fixture(scope="module")
def staged(host: Host) -> Staged:
    return Staged(host)


def links(host: Host) -> dict[str, Any]:
    return {link["ifname"]: link for link in json.loads(host.run("ip -details -json link").stdout)}


def info(link: dict[str, Any]) -> dict[str, Any]:
    return dict(link.get("linkinfo", {}).get("info_data", {}))


def port(link: dict[str, Any]) -> dict[str, Any]:
    return dict(link.get("linkinfo", {}).get("info_slave_data", {}))


# Bridges


def test_a_bridge_has_what_was_asked_for(host: Host) -> None:
    found = links(host)
    assert found["br1"]["address"] == "02:00:00:00:00:01"
    assert (found["br0"]["mtu"], found["br2"]["mtu"]) == (1500, 9000)
    options = ("stp_state", "forward_delay", "mcast_snooping")
    assert {key: info(found["br1"])[key] for key in options} == {
        "stp_state": 1,
        "forward_delay": 400,
        "mcast_snooping": 0,
    }
    assert found["eth1"]["master"] == "br1"
    addresses = host.run("ip -o address show dev br0").stdout
    assert "10.77.0.1/24" in addresses
    assert "fd00:77::1/64" in addresses


def test_an_ageing_time_holds_once_the_spanning_tree_is_settled(host: Host) -> None:
    """Until then the kernel forgets stations after twice the forward delay, and shows that (IEEE 802.1D, 7.9.2)."""
    wait_for("the ageing time", lambda: info(links(host)["br1"])["ageing_time"] == 6000, timeout=60, interval=1)


def test_mac_and_mtu_of_a_bridge_stay_when_ports_come_and_go(host: Host) -> None:
    before = {key: links(host)["br0"][key] for key in ("address", "mtu")}
    host.run(
        "ip link add p0 type veth peer name p1 && ip link set p0 address 00:00:00:00:00:02 mtu 1280 && ip link set p0 master br0 up"
    )
    assert {key: links(host)["br0"][key] for key in before} == before
    host.run("ip link del p0")
    assert {key: links(host)["br0"][key] for key in before} == before


def test_what_others_have_put_on_a_bridge_survives_a_change(host: Host, staged: Staged) -> None:
    host.run(
        "ip link add p0 type veth peer name p1; ip link set p0 master br0; ip address add 10.88.0.1/24 dev br0;"
        " ip route add 10.89.0.0/24 via 10.77.0.9"
    )
    entry = {"name": "br0", "addresses": ["10.77.0.2/24", "10.77.0.1/24", "fd00:77::1/64"], "ageing_time": 30}
    number = links(host)["br0"]["ifindex"]
    assert staged.run("bridges", bridges=[entry])["changed"]
    assert not staged.run("bridges", bridges=[entry])["changed"]
    found = links(host)
    assert (found["br0"]["ifindex"], found["p0"]["master"]) == (number, "br0")
    assert "10.88.0.1/24" in host.run("ip -o address show dev br0").stdout
    assert "10.89.0.0/24" in host.run("ip route").stdout
    host.run("ip link del p0; ip address del 10.88.0.1/24 dev br0; ip route del 10.89.0.0/24")
    staged.run("bridges", bridges=[{"name": "br0", "addresses": ["10.77.0.1/24", "fd00:77::1/64"]}])


def test_an_adopted_bridge_keeps_mac_addresses_and_alias(host: Host, staged: Staged) -> None:
    host.run(
        "ip link add lan type bridge && ip link set lan alias 'rack 3, \"left\"' address 02:00:00:00:00:07 mtu 1400 up"
        " && ip address add 10.66.0.1/24 dev lan"
    )
    keys = ("ifindex", "address", "mtu")
    before = {key: links(host)["lan"][key] for key in keys}
    staged.run("bridges", bridges=[{"name": "lan", "addresses": ["10.66.1.1/24"]}])
    assert {key: links(host)["lan"][key] for key in keys} == before
    addresses = host.run("ip -o address show dev lan").stdout
    assert "inet 10.66.0.1/24" in addresses
    assert "inet 10.66.1.1/24" in addresses
    staged.run("bridges", bridges=[{"name": "lan"}], state="absent")
    assert {key: links(host)["lan"][key] for key in keys} == before
    assert links(host)["lan"]["ifalias"] == 'rack 3, "left"'
    assert "10.66.0.1/24" in host.run("ip -o address show dev lan").stdout
    host.run("ip link del lan")


def test_the_address_of_an_adopted_bridge_stays_also_after_somebody_made_it_anew(host: Host, staged: Staged) -> None:
    """As the host's network manager does at boot. Of ports that come later, one may have a lower address."""
    make = (
        "ip link add lan type bridge && ip link add p1 address 02:00:00:00:00:07 type veth peer name p2"
        " && ip link set p1 master lan && ip link set lan up"
    )
    host.run(make)
    staged.run("bridges", bridges=[{"name": "lan"}])
    host.run(f"ip link del lan; ip link del p1; {make}; systemctl restart vmnet.service")
    host.run("ip link add p3 address 02:00:00:00:00:03 type veth peer name p4 && ip link set p3 master lan")
    assert links(host)["lan"]["address"] == "02:00:00:00:00:07"
    staged.run("bridges", bridges=[{"name": "lan"}], state="absent")
    host.run("ip link del lan; ip link del p1; ip link del p3")


def test_a_kernel_that_cannot_keep_vlans_apart_is_said_before_anything_changes(host: Host, staged: Staged) -> None:
    if host.run("test -e /sys/class/net/br0/bridge/vlan_filtering", check=False).status == 0:
        pytest.skip("this kernel can")
    before = host.snapshot()
    for check in (True, False):
        with pytest.raises(AssertionError, match=r"br5 is to filter VLANs, but this kernel's bridges do not"):
            staged.run("bridges", bridges=[{"name": "br4"}, {"name": "br5", "vlan_filtering": True}], check=check)
    assert host.snapshot()["links"] == before["links"]
    assert host.snapshot()["files"] == before["files"]


# Taps


def test_a_tap_has_what_was_asked_for(host: Host) -> None:
    found = links(host)
    assert [found[f"t{n}"].get("master") for n in range(5)] == ["br0", "br0", "br1", "br2", None]
    assert (found["t0"]["mtu"], found["t3"]["mtu"], found["t2"]["address"]) == (1400, 9000, "02:00:00:00:00:02")
    flags = {key: port(found["t2"])[key] for key in ("isolated", "learning", "flood", "hairpin")}
    assert flags == {"isolated": True, "learning": False, "flood": False, "hairpin": True}
    assert (info(found["t0"])["user"], info(found["t1"])["group"]) == ("daemon", "daemon")
    assert (info(found["t1"])["multi_queue"], info(found["t3"])["vnet_hdr"]) == (True, True)


def test_the_host_is_not_on_a_port_of_its_bridge(host: Host) -> None:
    assert [links(host)[f"t{n}"]["inet6_addr_gen_mode"] for n in range(4)] == ["none"] * 4
    assert host.run("ip -o -6 address show dev t0").stdout == ""


OPEN = "import os,fcntl,struct; f=os.open('/dev/net/tun',os.O_RDWR); fcntl.ioctl(f,0x400454CA,struct.pack('16sH22x',b't0',0x1002))"


@pytest.mark.parametrize(("user", "may"), [("daemon", True), ("games", False)])
def test_the_owner_can_open_a_tap_and_another_user_cannot(host: Host, user: str, may: bool) -> None:
    host.run("chmod 666 /dev/net/tun")
    done = host.run(
        ["setpriv", f"--reuid={user}", "--clear-groups", "--regid=nogroup", "python3", "-c", OPEN], check=False
    )
    assert (done.status == 0) is may, done.stderr


@pytest.fixture(scope="module")
def guest(host: Host) -> Iterator[Guest]:
    guest = host.boot_guest("vm", tap="t0", mac="52:54:00:00:00:65")
    guest.run("ip link set eth0 mtu 1400; ip address add 10.77.0.9/24 dev eth0")
    yield guest
    guest.stop()


@contextmanager
def every_ping_is_answered(host: Host) -> Iterator[None]:
    """While something is done, and for twenty more; the last may be on their way when they end."""

    def answered() -> list[int]:
        return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", host.run("cat /run/pings").stdout)]

    pings = host.run("timeout 200 stdbuf -oL ping -i 0.05 10.77.0.9 >/run/pings 2>&1 & echo $!").stdout.strip()
    try:
        wait_for("an answer", answered, timeout=30)
        yield
        before = len(answered())
        wait_for("twenty more", lambda: len(answered()) >= before + 20, timeout=30)
    finally:
        found = answered()
        host.run(f"kill {pings}; rm /run/pings")
    assert found == list(range(1, len(found) + 1))


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"learning": False, "hairpin": True, "isolated": True}, id="port flags"),
        pytest.param({"mac": "02:00:00:00:00:99"}, id="MAC address"),
        pytest.param({"mtu": 1500}, id="MTU"),
        pytest.param({}, id="back"),
    ],
)
def test_a_guest_does_not_notice_a_change_of_its_tap(host: Host, staged: Staged, change: dict[str, Any]) -> None:
    entry = {"name": "t0", "bridge": "br0", "owner": "daemon", "mtu": 1400, **change}
    number = links(host)["t0"]["ifindex"]
    with every_ping_is_answered(host):
        assert staged.run("taps", taps=[entry])["changed"]
    found = links(host)["t0"]
    assert (found["ifindex"], found["master"], info(found)["user"]) == (number, "br0", "daemon")


@pytest.mark.usefixtures("guest")
def test_a_restart_of_the_service_does_not_disturb_a_guest(host: Host) -> None:
    with every_ping_is_answered(host):
        host.run("systemctl restart vmnet.service")


@pytest.mark.usefixtures("guest")
def test_a_restart_of_the_service_forgets_no_neighbour(host: Host) -> None:
    """The kernel drops what waits for a neighbour that it is made to forget: a packet now and then."""
    host.run("ping -c 1 -W 5 10.77.0.9")
    host.run("systemctl restart vmnet.service")
    assert "52:54:00:00:00:65" in host.run("ip neighbour show 10.77.0.9 dev br0").stdout


@pytest.mark.usefixtures("guest")
@pytest.mark.parametrize("change", [{"owner": "games"}, {"multi_queue": True}])
def test_what_a_guest_would_notice_is_refused_with_the_reason(
    host: Host, staged: Staged, change: dict[str, Any]
) -> None:
    before = links(host)["t0"]
    entry = {"name": "t0", "bridge": "br0", "owner": "daemon", "mtu": 1400, **change}
    with pytest.raises(AssertionError, match=r"taps\[t0\].*in use"):
        staged.run("taps", taps=[entry])
    assert links(host)["t0"]["ifindex"] == before["ifindex"]


def test_a_tap_without_an_mtu_has_that_of_its_bridge(host: Host, staged: Staged) -> None:
    staged.run("taps", taps=[{"name": "t5", "bridge": "br2"}])
    assert links(host)["t5"]["mtu"] == 9000
    staged.run("taps", taps=[{"name": "t5"}], state="absent")


def test_a_tap_that_nobody_uses_changes_owner_in_place(host: Host, staged: Staged) -> None:
    number = links(host)["t1"]["ifindex"]
    entry = {"name": "t1", "bridge": "br0", "owner": "games", "group": "daemon", "multi_queue": True}
    staged.run("taps", taps=[entry])
    found = links(host)["t1"]
    assert (found["ifindex"], info(found)["user"], info(found)["group"], found["master"]) == (
        number,
        "games",
        "daemon",
        "br0",
    )


def test_a_thousand_taps_in_one_task(host: Host, staged: Staged) -> None:
    taps = [{"name": f"k{number}", "bridge": "big", "mtu": 1500} for number in range(1000)]
    staged.run("bridges", bridges=[{"name": "big"}], scope="many")
    assert staged.run("taps", taps=taps, scope="many")["changed"]
    assert not staged.run("taps", taps=taps, scope="many")["changed"]
    assert host.run("bridge link | grep -c 'master big'").stdout.strip() == "1000"
    more = [*taps, *({"name": f"x{number}", "bridge": "big"} for number in range(24))]
    with pytest.raises(AssertionError, match="big would have more than 1023 ports"):
        staged.run("taps", taps=more, scope="many")
    staged.run("taps", taps=taps[:1], purge=True, scope="many")
    assert [name for name in links(host) if name.startswith("k")] == ["k0"]
    staged.run("taps", taps=[], purge=True, scope="many")
    staged.run("bridges", bridges=[], purge=True, scope="many")
    assert "big" not in links(host)
