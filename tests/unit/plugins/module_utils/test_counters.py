# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has been counted for networks and port forwards, and what becomes of counters when others change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import counters
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import PROGRAM, Counter, Element, Program
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import ruleset
from ansible_collections.tapestry.vmnet.tests.unit.support import forward, policy

FIXTURES = Path(__file__).parents[2] / "fixtures"
NOTHING = {"packets": 0, "bytes": 0}
OUT = Counter("vn_from vmnet8", 4, 262)
BACK = Counter("vn_to vmnet8", 2, 168)
RECEIVED = Counter("vn_received4 192.168.1.5 . tcp . 8080", 5, 300)
SENT = Counter("vn_sent4 192.168.1.5 . tcp . 8080", 4, 4000)
ELSEWHERE = Counter("vn_received4 10.0.0.5 . tcp . 8080", 1, 60)


def elements(*entries: Any) -> list[Element]:
    return [e for entry in entries for e in entry.elements("lab")]


@pytest.mark.parametrize("version", ["1.0.6", "1.1.3"])
def test_counters_are_in_the_listing_and_those_that_packets_make_are_no_elements(version: str) -> None:
    found = ruleset.read_listing((FIXTURES / f"nft-{version}.json").read_text())
    received6 = Counter("vn_received6 2001:db8::5 . tcp . 83", 1, 80)
    assert {c for c in found.counters if c.packets} == {OUT, BACK, RECEIVED, SENT, received6}
    assert {e.set for e in found.elements} & {c.set for c in found.counters} == {"vn_from", "vn_to"}


def test_what_crossed_is_counted_for_each_network() -> None:
    elsewhere = Counter("vn_to vmnet9", 1, 10)
    assert counters.of_networks(["vmnet8", "vmnet1"], [OUT, BACK, elsewhere, RECEIVED]) == {
        "vmnet8": {"sent": {"packets": 4, "bytes": 262}, "received": {"packets": 2, "bytes": 168}},
        "vmnet1": {"sent": NOTHING, "received": NOTHING},
    }


def test_a_forward_of_every_address_counts_what_came_to_any_and_a_forward_of_one_only_its_own() -> None:
    some = elements(
        forward(listen=8080, to_address="10.0.0.1"),
        forward(listen=8080, to_address="10.0.0.2", address="10.0.0.5"),
        forward(listen=8080, to_address="10.0.0.1", protocol="udp"),
        forward(listen=8080, to_address="fd00::1"),
    )
    found = counters.of_forwards(some, [RECEIVED, SENT, ELSEWHERE, OUT])
    assert [(f["address"], f["protocol"], f["to_address"], f["received"], f["sent"]) for f in found] == [
        ("10.0.0.5", "tcp", "10.0.0.2", {"packets": 1, "bytes": 60}, NOTHING),
        (None, "tcp", "10.0.0.1", {"packets": 5, "bytes": 300}, {"packets": 4, "bytes": 4000}),
        (None, "udp", "10.0.0.1", NOTHING, NOTHING),
        (None, "tcp", "fd00::1", NOTHING, NOTHING),
    ]


def plan(before: list[Any], after: list[Any], *counted: Counter) -> Plan:
    return Plan(by_key([PROGRAM, *before, *counted]), by_key([PROGRAM, *after, *counted]))


WEB, SSH = forward(listen=8080, to_address="10.0.0.1"), forward(listen=2222, to_address="10.0.0.1")
MOVED = forward(listen=8080, to_address="10.0.0.2")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([WEB], [WEB, SSH], id="another forward comes"),
        pytest.param([WEB, SSH], [WEB], id="another forward goes"),
        pytest.param([WEB], [MOVED], id="the forward leads elsewhere"),
    ],
)
def test_counters_of_a_forward_stay_while(before: list[Any], after: list[Any]) -> None:
    change = plan(elements(*before), elements(*after), RECEIVED, OUT)
    text = ruleset.transaction(change.only(Element.kind, Program.kind, Counter.kind))
    assert text and "vn_received" not in text and "vn_from" not in text


def test_the_counters_of_a_forward_go_with_it_even_if_they_have_gone_before() -> None:
    text = ruleset.transaction(plan(elements(WEB, SSH), elements(SSH), RECEIVED, OUT))
    assert text.splitlines()[1:3] == [
        "add element inet vmnet vn_received4 { 192.168.1.5 . tcp . 8080 }",
        "delete element inet vmnet vn_received4 { 192.168.1.5 . tcp . 8080 }",
    ]


def test_the_counters_of_a_network_go_with_it_and_stay_when_it_changes() -> None:
    first, second, changed = (
        policy(bridge=name, mode="open", host_services=services)
        for name, services in (("vmnet7", []), ("vmnet8", []), ("vmnet8", ["ssh"]))
    )
    text = ruleset.transaction(plan(elements(first, second), elements(changed), OUT, BACK))
    assert [line for line in text.splitlines() if "vn_from" in line or "vn_to" in line] == [
        'delete element inet vmnet vn_from { "vmnet7" }',
        'delete element inet vmnet vn_to { "vmnet7" }',
    ]


def test_counters_are_no_difference() -> None:
    counted = plan(elements(WEB), elements(WEB), RECEIVED)
    assert not counted
    assert ruleset.transaction(counted) == ""
