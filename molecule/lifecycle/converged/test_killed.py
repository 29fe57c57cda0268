# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run that is killed at any point: the next one finishes the work, and nothing is left over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Host
from verify import KilledError, Staged, left

from .conftest import NETWORK, Step

# Of the changes, all where links are made; elsewhere these many are one step, for each takes a while.
EVERY = {"policies": 4, "dhcp": 4}

# What shows in a second or less: links, addresses, filter, parameters, files and units.
LOOK = """
ip -details link; ip -o link show up | cut -d: -f2; ip -o addr; nft list ruleset; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
find /etc/vmnet /run/vmnet* /var/lib/vmnet /var/lib/private /etc/systemd /etc/sysctl.d -not -name pid -printf '%p %m %l\\n' | sort
find /etc/vmnet /etc/systemd/system /etc/sysctl.d -type f | sort | xargs -r sha256sum
systemctl list-units --all --plain --no-legend 'vmnet*' | grep -v ^vmnet-watch.service | awk '{print $1, $2, $3}' | sort
systemctl list-unit-files --no-legend 'vmnet*' | sort
pgrep -a dnsmasq | cut -d' ' -f2-
"""


def look(host: Host) -> list[str]:
    """The host, but for what differs from time to time: counters, timers, lifetimes, and numbers of interfaces."""
    told = host.run(
        f"{{ {LOOK} }} 2>/dev/null | sed -E 's/^[0-9]+: //; s/@if[0-9]+//; s/(timer|valid_lft|state) +[0-9.a-zA-Z]+//g; s/<[^>]*>//;"
        f" s/ (qdisc|port_no|port_id) [0-9a-z]+//g; s/(packets|bytes) [0-9]+//g; s/tso_max_size [0-9]+//;"
        # With a spanning tree, what it is in the middle of; and whom a bridge has heard.
        " s/(ageing_time|topology_change[a-z_]*|fdb_n_learned) [0-9]+//g;"
        # A bridge has its link-local address from its first carrier on.
        f" /inet6 fe80:/d'"
    )
    return told.lines


@pytest.fixture(scope="module")
def before(host: Host) -> Iterator[Any]:
    snapshot = host.snapshot()
    yield snapshot
    assert left(snapshot, host.snapshot()) == []


def points(staged: Staged, step: Step, **options: Any) -> int:
    """How many times the step changes the host, or asks it; the run after which all is done."""
    module, arguments = step
    return int(staged.run(module, **arguments, **options)["changes"])


def killed_then_again(staged: Staged, step: Step, at: int, **options: Any) -> None:
    module, arguments = step
    with pytest.raises(KilledError):
        staged.run(module, kill_at=at, **arguments, **options)
    staged.run(module, **arguments, **options)


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("number", range(len(NETWORK)), ids=[module for module, _arguments in NETWORK])
def test_a_killed_run_is_finished_by_the_next(host: Host, staged: Staged, number: int) -> None:
    for module, arguments in NETWORK[:number]:
        staged.run(module, **arguments)
    step = NETWORK[number]
    without = look(host)
    to_come = points(staged, step)
    there = look(host)
    to_go = points(staged, step, state="absent")
    assert look(host) == without
    for at in range(1, max(to_come, to_go) + 1, EVERY.get(step[0], 1)):
        if at <= to_come:
            killed_then_again(staged, step, at)
        else:
            staged.run(step[0], **step[1])
        assert look(host) == there, f"after a run that was killed before change {at}"
        if at <= to_go:
            killed_then_again(staged, step, at, state="absent")
        else:
            staged.run(step[0], **step[1], state="absent")
        assert look(host) == without, f"after a removal that was killed before change {at}"
    for module, arguments in reversed(NETWORK[:number]):
        staged.run(module, **arguments, state="absent")
