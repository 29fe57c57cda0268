# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change that nobody confirms is undone by the host itself, whatever has become of those who began it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from lab import Bed, Host, LabError
from lab.waiting import wait_for
from verify import KilledError, Staged

UPLINK: dict[str, Any] = {"uplinks": [{"name": "eth0", "bridge": "vmnet0"}], "confirm_timeout": 5, "scope": "bridged"}
BRIDGE: dict[str, Any] = {"bridges": [{"name": "vmnet0", "uplink": "eth0"}], "scope": "bridged"}
LOOK = """
ip -o link show eth0 | grep -o 'master [^ ]*'
ip -o addr show eth0 | sed 's/valid_lft.*//; s/ dynamic//; s/ proto [^ ]*//; s/ nodad//'
{ ip -4 route show table all; ip -6 route show table all; } | grep -v 'dev vmnet0' | sed 's/expires [^ ]*//'
ip rule; ip -6 rule
pgrep -l 'dhclient|dhcpcd' | sed 's/^[0-9]* //'
find /etc/network /etc/netplan /etc/systemd/network /etc/NetworkManager /etc/vmnet -type f -exec md5sum {} + 2> /dev/null | sort
"""


# There while a change waits to be confirmed, or is being undone. What undoes it is at work for a moment after the host is as it
# was, and until then another change is refused.
WAITING = "ls -d /run/vmnet-uplinks/armed-* /run/vmnet-uplinks/undoing 2> /dev/null"

# A route of another interface that comes before one of the uplink's with the same metric.
PREFIX = "2001:db8:77::/64"
ROUTES = f"ip -6 route add {PREFIX} dev eth1 metric 77; ip -6 route append {PREFIX} via fe80::77 dev eth0 metric 77"


def look(host: Host) -> list[str]:
    return sorted(host.run(LOOK, check=False).lines)


def wait_until_undone(host: Host, before: list[str], what: str) -> None:
    """Until nothing waits any more and everything is as it was; raises LabError with the lines that are not."""
    wait_for(f"{what}: nothing waits", lambda: not host.run(WAITING, check=False).lines, timeout=60, interval=0.5)
    try:
        wait_for(f"{what}: everything as it was", lambda: look(host) == before, timeout=60, interval=0.5)
    except LabError as error:
        raise LabError("\n".join([str(error), *sorted(set(before) ^ set(look(host)))])) from None


Outcomes = dict[str, "BaseException | None"]  # host -> what went wrong there


def everywhere(bed: Bed, act: Callable[[Host, Staged], None], *names: str) -> Outcomes:
    """At the same time on all hosts, or on those that are named: most of it is waiting."""

    def outcome(host: Host) -> BaseException | None:
        try:
            act(host, Staged(host))
        except (AssertionError, LabError, pytest.fail.Exception) as error:
            return error
        return None

    chosen = [host for name, host in bed.hosts.items() if not names or name in names]
    with ThreadPoolExecutor(len(chosen)) as pool:
        return dict(zip((host.name for host in chosen), pool.map(outcome, chosen), strict=True))


def judge(outcomes: Outcomes, host: Host) -> None:
    if host.name not in outcomes:
        pytest.skip(f"what is tried does not depend on the host; {' and '.join(outcomes)} are enough")
    error = outcomes[host.name]
    if error:
        raise error


# Of the session: of a module, pytest would go through both with one host after the other, on all hosts each time.
@pytest.fixture(scope="session", params=["auto", "none"])
def unconfirmed(bed: Bed, request: pytest.FixtureRequest) -> Outcomes:
    return everywhere(bed, partial(nobody_confirms, request.param))


def nobody_confirms(service_manager: str, host: Host, staged: Staged) -> None:
    staged.run("bridges", **BRIDGE)
    # systemd-networkd removes what it does not know once it has configured an interface.
    foreign = host.machine.manager in ("ifupdown", "networkmanager")
    if foreign:
        host.run(ROUTES)
    before = look(host)
    staged.run("uplinks", **UPLINK, service_manager=service_manager)
    assert "master vmnet0" in host.run("ip -o link show eth0").stdout
    assert ("dev eth1" in host.run(f"ip -6 route show {PREFIX}").stdout) == foreign
    wait_until_undone(host, before, "never confirmed")
    if foreign:
        host.run(f"ip -6 route del {PREFIX} dev eth0; ip -6 route del {PREFIX} dev eth1")
    staged.run("bridges", **BRIDGE, state="absent")
    host.run("rm -rf /run/vmnet-uplinks")


def test_what_nobody_confirms_is_undone_with_and_without_systemd(host: Host, unconfirmed: Outcomes) -> None:
    judge(unconfirmed, host)


@pytest.fixture(scope="module")
def killed(bed: Bed) -> Outcomes:
    return everywhere(bed, kill_half_way, "ifupdown", "networkd-d")


def kill_half_way(host: Host, staged: Staged) -> None:
    staged.run("bridges", **BRIDGE)
    before = look(host)
    points = staged.run("uplinks", **UPLINK)["changes"]
    wait_until_undone(host, before, "never confirmed")
    for point in range(points - 3, points + 1):
        with pytest.raises(KilledError):
            staged.run("uplinks", kill_at=point, **UPLINK)
        wait_until_undone(host, before, f"killed at {point}")
    staged.run("bridges", **BRIDGE, state="absent")
    host.run("rm -rf /run/vmnet-uplinks")


def test_a_run_that_is_killed_half_way_is_undone(host: Host, killed: Outcomes) -> None:
    judge(killed, host)


@pytest.fixture(scope="module")
def gone_down(bed: Bed) -> Outcomes:
    return everywhere(bed, go_down, "ifupdown", "networkd", "nm", "netplan")


def go_down(host: Host, staged: Staged) -> None:
    staged.run("bridges", **BRIDGE)
    before = look(host)
    asked = UPLINK | {"confirm_timeout": 3600}
    staged.run("uplinks", **asked)
    for check in (True, False):
        with pytest.raises(AssertionError, match="another change of this host's uplinks has not been confirmed"):
            staged.run("uplinks", **asked, check=check)
    host.reboot()
    assert "master vmnet0" not in host.run("ip -o link show eth0").stdout
    wait_until_undone(host, before, "rebooted")
    assert not host.run(
        "ls -d /var/lib/vmnet-uplinks /run/vmnet-uplinks /etc/systemd/system/*uplinks*", check=False
    ).lines
    staged.run("bridges", **BRIDGE, state="absent")


def test_a_host_that_goes_down_before_it_is_confirmed_comes_up_as_it_was(host: Host, gone_down: Outcomes) -> None:
    judge(gone_down, host)
