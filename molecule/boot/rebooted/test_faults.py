# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong at boot keeps nothing else down, and the journal says what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Host
from verify import Staged, left

BRIDGES = [
    {"name": "half"},
    {"name": "late", "ports": ["late0"]},
    {"name": "nocard", "ports": ["gone0"]},
    {"name": "taken"},
]
TAPS = [{"name": "half0", "bridge": "half"}, {"name": "half1", "bridge": "half"}]
LATE = """\
[Service]
ExecStart=/bin/sh -c 'sleep 3; ip link add late0 type veth peer name late1; sleep infinity'
"""
TAKEN = """\
[Unit]
Before=vmnet.service
[Service]
Type=oneshot
ExecStart=ip link add taken type veth peer name taken1
"""


@pytest.fixture(scope="module", autouse=True)
def rebooted(host: Host) -> Iterator[None]:
    """The host after a boot at which a card is late, another is missing, a name is taken, and a file is only half there."""
    before = host.snapshot()
    staged = Staged(host)
    host.run("ip link add late0 type veth peer name late1; ip link add gone0 type veth peer name gone1")
    staged.run("bridges", bridges=BRIDGES, scope="faults")
    staged.run("taps", taps=TAPS, scope="faults")
    for name, unit in (("late", LATE), ("taken", TAKEN)):
        path = host.disk / f"etc/systemd/system/lab-{name}.service"
        path.write_text(f"{unit}[Install]\nWantedBy=multi-user.target\n")
        host.run(f"systemctl enable --quiet lab-{name}")
    batch = host.disk / "etc/vmnet/faults/taps.batch"
    batch.write_text(batch.read_text()[:-30])
    host.reboot()
    yield
    host.run(
        "systemctl disable --quiet lab-late lab-taken; rm /etc/systemd/system/lab-*late.service /etc/systemd/system/lab-taken.service"
    )
    host.run("systemctl stop lab-late; systemctl daemon-reload; ip link del taken; ip link del late0")
    for module in ("taps", "bridges"):
        staged.run(module, **{module: []}, scope="faults", purge=True)
    assert not [line for line in left(before, host.snapshot()) if "faults" in line or "half" in line]


def test_a_card_that_comes_late_is_a_port(host: Host) -> None:
    assert "master late" in host.run("ip -o link show late0").stdout


@pytest.mark.parametrize("name", ["vmnet8", "vnet0", "vmnet1", "vnet1", "half", "half0", "late", "nocard"])
def test_the_rest_is_up(host: Host, name: str) -> None:
    link = host.run(f"ip -o link show {name}").stdout
    assert "UP" in link.partition("<")[2].partition(">")[0].split(",")


def test_what_has_our_name_is_left_alone(host: Host) -> None:
    link = host.run("ip -details -o link show taken").stdout
    assert " veth " in link
    assert "alias" not in link


@pytest.mark.parametrize(
    "said",
    [
        "gone0 is not there to be a port of nocard",
        "the name taken is taken by another interface, which is left alone",
        "/etc/vmnet/faults/taps.batch ends in the middle of a line, which is left out",
        "half1 is only half in its file, and stays down",
    ],
)
def test_the_journal_says_what_did_not_come_up(host: Host, said: str) -> None:
    lines = host.run("journalctl --boot --unit vmnet.service --output=cat --no-pager").lines
    assert lines.count(f"vmnet: {said}") == 1, "\n".join(lines)


def test_the_script_does_it_without_systemd_too(host: Host) -> None:
    """And what is there already stays as it is."""
    links = "ip -details link show vmnet8; ip -details link show vnet0; ip address show vmnet8"
    steady = f"{{ {links}; }} | sed -E 's/(timer|valid_lft) +[0-9.a-z]+//g'"
    before = host.run(steady).lines
    host.run("/etc/vmnet/restore", check=False)
    assert host.run(steady).lines == before
    host.run("ip link del vnet0; ip link del vmnet8")
    host.run("env -i PATH=$PATH /etc/vmnet/restore", check=False)
    numbers = f"{steady} | sed -E 's/^[0-9]+: //; s/(0x|port_no |port_id )[0-9a-fx]+//g'"
    assert [line for line in host.run(numbers).lines if "link/ether" in line or "inet" in line or "alias" in line] == [
        line for line in before if "link/ether" in line or "inet" in line or "alias" in line
    ]
