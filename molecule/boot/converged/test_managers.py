# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network manager that is told about all interfaces leaves ours alone."""

from __future__ import annotations

import pytest

from lab import Host

HOSTILE = """\
[Match]
Name=!eth* lo

[Network]
DHCP=yes
"""


def links(host: Host) -> list[str]:
    return host.run("ip -brief link; ip -brief address; bridge link | cut -d' ' -f2-7").lines


def restarted(host: Host) -> list[str]:
    """The links after the host's manager was restarted, with a moment for it to do what it will."""
    manager = {"networkmanager": "NetworkManager", "networkd": "systemd-networkd", "ifupdown": "networking"}
    (variant,) = set(manager) & set(host.machine.variants)
    host.run(f"systemctl restart {manager[variant]} && sleep 3")
    return links(host)


def test_a_restart_of_the_manager_changes_nothing(host: Host) -> None:
    before = links(host)
    assert any("vmnet8" in line for line in before)
    assert restarted(host) == before


def test_a_wish_for_all_interfaces_is_not_about_ours(host: Host) -> None:
    if "networkd" not in host.machine.variants:
        pytest.skip("only networkd takes wishes for interfaces that others have made")
    before = links(host)
    (host.disk / "etc/systemd/network/50-all.network").write_text(HOSTILE)  # and it stays, over the reboot to come
    host.run("networkctl reload && sleep 3")
    assert links(host) == before
    assert restarted(host) == before


def test_networkmanager_does_not_manage_our_taps(host: Host) -> None:
    if "networkmanager" not in host.machine.variants:
        pytest.skip("it does not run there")
    states = dict(line.split(":") for line in host.run("nmcli --terse --fields device,state device").lines)
    assert (states["vnet0"], states["vnet1"]) == ("unmanaged", "unmanaged")
    assert states["eth0"] == "connected"


def test_a_unit_that_wants_networks_is_there_to_look_at_boot(host: Host) -> None:
    unit = "[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'ip -o link > /var/tmp/links'\n"
    (host.disk / "etc/systemd/system/lab-looks.service").write_text(unit + "[Install]\nWantedBy=multi-user.target\n")
    host.run("systemctl enable --quiet lab-looks")
