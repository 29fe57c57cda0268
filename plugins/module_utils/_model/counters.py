# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has been counted for networks and for port forwards, from the kernel's counters.

Packets and bytes (of IP, without link headers) that crossed the host, as guests see them: ``received`` and ``sent``. They
begin at zero when the table is loaded: at boot, after a flush, and when an edited program is repaired.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from . import port_forward
from .ruleset import Counter, Element

Counted = dict[str, dict[str, int]]  # {"received": {"packets": 1, "bytes": 84}, "sent": {...}}


def of_networks(bridges: Iterable[str], counters: Iterable[Counter]) -> dict[str, Counted]:
    """For each bridge what crossed between it and any other interface."""
    result = {bridge: _nothing() for bridge in bridges}
    for counter in counters:
        direction = {"vn_from": "sent", "vn_to": "received"}.get(counter.set)
        if direction:
            _add(result.get(counter.parts[0]), direction, counter)
    return result


def of_forwards(elements: Iterable[Element], counters: Iterable[Counter]) -> list[dict[str, Any]]:
    """The entries of the port forwards among the elements, as their module returns them, each with what it has counted.

    What the host itself sends through a forward does not cross it and is not counted. Forwards of one port that differ only
    in their sources share a counter.
    """
    elements = sorted((e for e in elements if e.module == "port_forwards"), key=lambda e: e.name)
    found: dict[tuple[str, ...], Counted] = {port_forward.listener(e): _nothing() for e in elements}
    for counter in counters:
        direction = {"vn_received": "received", "vn_sent": "sent"}.get(counter.set[:-1])
        if direction:
            on_address, on_any = _listeners(counter)
            _add(found.get(on_address) or found.get(on_any), direction, counter)
    shown = [e for e in elements if not port_forward.parts(e).is_loopback]
    return [
        {**entry, **found[port_forward.listener(e)]} for e, entry in zip(shown, port_forward.from_elements(elements))
    ]


def counts_for(counter: Counter, listeners: Collection[tuple[str, ...]]) -> bool:
    """Whether a counter of forwards is that of one of the listeners."""
    return any(listener in listeners for listener in _listeners(counter))


def _listeners(counter: Counter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which forwards can have led the counted packets to a guest: one of the address, or else one of every address."""
    family = counter.set[-1]
    return (family, *counter.parts), (family, *counter.parts[1:])


def _nothing() -> Counted:
    return {direction: {"packets": 0, "bytes": 0} for direction in ("received", "sent")}


def _add(counted: Any, direction: str, counter: Counter) -> None:
    if counted:
        counted[direction]["packets"] += counter.packets
        counted[direction]["bytes"] += counter.bytes
