# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guests: one virtual machine for every guest of the networks that has a tap."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from lab import Guest, Host
from lab.waiting import wait_for


def boot_guests(
    hosts: Iterable[tuple[Host, list[dict[str, Any]]]], names: Collection[str] = ()
) -> dict[str, dict[str, Guest]]:
    """Boot the guests of these networks (or only those named), all at once; host -> name -> guest, each with a lease."""
    booted: dict[str, dict[str, Guest]] = {}
    for host, networks in hosts:
        records = [guest for network in networks for guest in network.get("guests", []) if "tap" in guest]
        booted[host.name] = {
            record["name"]: host.boot_guest(record["name"], tap=record["tap"]["name"], mac=record["mac"], wait=False)
            for record in records
            if not names or record["name"] in names
        }
    for guests in booted.values():
        for guest in guests.values():
            guest.wait_booted()
    return booted


def wait_for_ipv6(guest: Guest) -> str:
    """The address that the guest has made itself from a router advertisement, without its prefix length."""

    def address() -> str:
        lines = guest.run("ip -6 addr show dev eth0").lines
        found = [line.split()[1] for line in lines if "scope global" in line and "tentative" not in line]
        return found[0].partition("/")[0] if found else ""

    return wait_for(f"{guest}: an IPv6 address", address, timeout=30, interval=0.5)
