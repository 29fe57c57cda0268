# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``--diff`` shows of a plan, and what is said where the host is not as planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils import _diff
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import new_bridge
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import (
    File,
    Resource,
    Sysctl,
    Unit,
    by_key,
    show,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import PROGRAM, Element
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.links import plan_bridges
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import boot
from ansible_collections.tapestry.vmnet.tests.unit.support import applied, bridge_entry, host, named

BRIDGE = replace(new_bridge("br0", "m"), scope="lab", mac="02:00:00:00:00:08", ipv6=False)
RECORD = File("/etc/vmnet/lab/bridges.batch", "link set dev br0 up\n")
FORWARD = Element("vn_forwards_any4 tcp . 80", "10.0.0.1 . 80", "lab", "br0")


def plan(before: list[Resource], after: list[Resource]) -> Plan:
    return Plan(by_key(before), by_key(after))


def section(title: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": title, "after_header": title, "before": before, "after": after}


SECTIONS: list[tuple[str, list[Resource], list[Resource], list[dict[str, str]]]] = [
    ("nothing for nothing", [BRIDGE, RECORD], [BRIDGE, RECORD], []),
    (
        "a file that is created",
        [],
        [RECORD],
        [section(RECORD.title, "", "mode: 0644\nlink set dev br0 up\n")],
    ),
    (
        "a file that is removed",
        [replace(RECORD, mode=0o755)],
        [],
        [section("file /etc/vmnet/lab/bridges.batch", "mode: 0755\nlink set dev br0 up\n", "")],
    ),
    (
        "a kernel parameter that changes, and not the one that does not",
        [Sysctl("net/ipv4/ip_forward", "0"), Sysctl("net/x", "7")],
        [Sysctl("net/ipv4/ip_forward", "1"), Sysctl("net/x", "7")],
        [section("sysctl", "net/ipv4/ip_forward = 0\n", "net/ipv4/ip_forward = 1\n")],
    ),
    (
        "elements under one heading with their marks, and foreign ones named as such",
        [PROGRAM, FORWARD, Element("vn_bridges docker0")],
        [PROGRAM, replace(FORWARD, value="10.0.0.2 . 80")],
        [
            section(
                "nft table inet vmnet",
                "vn_forwards_any4 tcp . 80 : 10.0.0.1 . 80  # vmnet:lab/br0\nvn_bridges docker0  # not ours\n",
                "vn_forwards_any4 tcp . 80 : 10.0.0.2 . 80  # vmnet:lab/br0\n",
            )
        ],
    ),
    (
        "a program that was edited",
        [replace(PROGRAM, intact=False)],
        [PROGRAM],
        [
            section(
                "nft table inet vmnet",
                "chains and rules: edited by hand, or by another version of this collection\n",
                "chains and rules: as written by this collection\n",
            )
        ],
    ),
    (
        "a unit that did not run",
        [Unit("vmnet.service", enabled=True, active=False)],
        [Unit("vmnet.service", enabled=True, active=True)],
        [
            section(
                "unit vmnet.service",
                "enabled: yes\nactive: no\ncurrent: yes\n",
                "enabled: yes\nactive: yes\ncurrent: yes\n",
            )
        ],
    ),
]


@pytest.mark.parametrize(("before", "after", "sections"), [c[1:] for c in SECTIONS], ids=[c[0] for c in SECTIONS])
def test_the_diff_shows(before: list[Resource], after: list[Resource], sections: list[dict[str, str]]) -> None:
    assert _diff.render(plan(before, after)) == sections


def test_every_attribute_of_a_link_has_a_line() -> None:
    (shown,) = _diff.render(plan([], [replace(BRIDGE, addresses=("10.0.0.1/24", "fd00::1/64"))]))
    assert shown["before"] == ""
    assert shown["after"].splitlines() == [
        "scope: lab",
        "adopted: no",
        "addresses: 10.0.0.1/24, fd00::1/64",
        "ports: none",
        "mac: 02:00:00:00:00:08",
        "mtu: 1500",
        "stp: no",
        "forward_delay: 15",
        "ageing_time: 300",
        "vlan_filtering: no",
        "vlan_default_pvid: 1",
        "multicast_snooping: yes",
        "ipv6: no",
        "up: yes",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "none"), (True, "yes"), (False, "no"), ((), "none"), (("a", 1), "a, 1"), (0, "0")]
)
def test_how_a_value_is_shown(value: Any, text: str) -> None:
    assert show(value) == text


RESOURCES: Any = st.one_of(
    st.builds(Sysctl, st.sampled_from(["net/a", "net/b"]), st.sampled_from(["0", "1"])),
    st.builds(
        File, st.sampled_from(["/etc/a", "/etc/b"]), st.sampled_from(["x\n", "y\n"]), st.sampled_from([0o644, 0o755])
    ),
    st.builds(Unit, st.sampled_from(["a", "b"]), st.booleans(), st.booleans(), st.booleans()),
    st.builds(Element, st.sampled_from(["vn_bridges a", "vn_bridges b"]), st.just(""), st.sampled_from(["", "lab"])),
    st.builds(lambda mtu, up: replace(BRIDGE, mtu=mtu, up=up), st.sampled_from([1500, 9000]), st.booleans()),
)
STATES = st.lists(RESOURCES, unique_by=lambda r: r.key)


@given(STATES, STATES)
def test_the_diff_is_empty_if_and_only_if_nothing_changes(before: list[Resource], after: list[Resource]) -> None:
    change = plan(before, after)
    shown = _diff.render(change)
    assert bool(shown) == bool(change) == (by_key(before) != by_key(after))
    assert all(s["before"] != s["after"] for s in shown)
    assert len({s["before_header"] for s in shown}) == len(shown)
    assert bool(_diff.differences(change)) == bool(change)


@given(STATES, STATES)
def test_a_plan_has_each_difference_once(before: list[Resource], after: list[Resource]) -> None:
    change = plan(before, after)
    assert {r.key for r in change.created} == by_key(after).keys() - by_key(before).keys()
    assert {r.key for r in change.removed} == by_key(before).keys() - by_key(after).keys()
    assert len(list(change.pairs())) == len(change.created) + len(change.changed) + len(change.removed)
    parts = [change.only(kind) for kind in ("file", "sysctl", "unit", "element", "bridge")]
    assert sum(len(list(part.pairs())) for part in parts) == len(list(change.pairs()))


def test_a_missing_last_line_end_is_a_difference_that_is_seen() -> None:
    (shown,) = _diff.render(plan([replace(RECORD, text="link set dev br0 up")], [RECORD]))
    assert shown["before"] != shown["after"]


def test_differences_name_the_resource_the_attribute_and_both_values() -> None:
    left = plan(
        [BRIDGE, Sysctl("net/ipv4/ip_forward", "0"), RECORD],
        [replace(BRIDGE, mtu=9000, up=False), Sysctl("net/ipv4/ip_forward", "1"), FORWARD],
    )
    assert _diff.differences(left) == [
        "bridge br0: mtu is 1500, should be 9000",
        "bridge br0: up is True, should be False",
        "sysctl (net/ipv4/ip_forward): value is '0', should be '1'",
        "file /etc/vmnet/lab/bridges.batch is still there",
        "nft table inet vmnet (vn_forwards_any4 tcp . 80) is missing",
    ]


# What comes with the first entry and goes with the last is not shown: an earlier task of the same play may bring it.

IMPLIED = {"file /etc/vmnet/restore", "file /etc/systemd/system/vmnet.service", "unit vmnet.service"}


def bridges(*names: str, **options: Any) -> Request:
    return Request(tuple(bridge_entry(name=name) for name in names), option="bridges", **options)


def titles(change: Plan) -> set[str]:
    return {s["before_header"] for s in _diff.render(change)}


def differing(change: Plan) -> set[str]:
    return {r.title for pair in change.pairs() for r in pair if r is not None}


def test_the_first_entry_brings_what_boot_needs_without_showing_it() -> None:
    change = plan_bridges(bridges("br0"), {})
    assert differing(change) - titles(change) == IMPLIED
    assert titles(change) == {
        "bridge br0",
        "file /etc/vmnet/default/bridges.batch",
        "file /etc/vmnet/default/bridges.sysctl",
    }


def test_the_last_entry_takes_it_along_without_showing_it() -> None:
    state = applied({}, plan_bridges(bridges("br0"), {}))
    change = plan_bridges(Request((named(name="br0"),), state="absent", option="bridges"), state)
    assert differing(change) - titles(change) == IMPLIED
    assert applied(state, change) == {}


def test_entries_between_the_first_and_the_last_imply_nothing() -> None:
    state = applied({}, plan_bridges(bridges("br0"), {}))
    change = plan_bridges(bridges("br1"), state)
    assert not change.implied
    assert not differing(change) & IMPLIED


MISSING = [
    ("the script", File(layout.RESTORE, boot.SCRIPT, 0o755), "file /etc/vmnet/restore"),
    ("the unit's file", File(layout.unit_file(layout.SERVICE), boot.UNIT), "file /etc/systemd/system/vmnet.service"),
    ("the unit", Unit(layout.SERVICE, enabled=True, active=True), "unit vmnet.service"),
]


@pytest.mark.parametrize(("resource", "title"), [c[1:] for c in MISSING], ids=[c[0] for c in MISSING])
def test_what_boot_needs_is_put_back_and_shown_if_it_alone_is_missing(resource: Resource, title: str) -> None:
    state = applied({}, plan_bridges(bridges("br0"), {}))
    assert state[resource.key] == resource
    change = plan_bridges(bridges("br0"), {key: r for key, r in state.items() if key != resource.key})
    assert change.created == [resource]
    assert titles(change) == {title}


@pytest.mark.parametrize(
    "change", [{"enabled": False}, {"active": False}, {"current": False}], ids=["disabled", "stopped", "outdated"]
)
def test_the_unit_is_put_right_where_it_is(change: dict[str, bool]) -> None:
    state = applied({}, plan_bridges(bridges("br0"), {}))
    unit: Any = Unit(layout.SERVICE, enabled=True, active=True)
    assert titles(plan_bridges(bridges("br0"), {**state, unit.key: replace(unit, **change)})) == {"unit vmnet.service"}


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/etc/vmnet/lab/taps.batch", True),
        ("/run/vmnet/lab/policies.nft", True),
        ("/etc/vmnet/restore", False),
        ("/etc/vmnet/program.nft", False),
        ("/etc/vmnetx/lab/taps.batch", False),
    ],
)
def test_only_the_record_of_a_scope_keeps_what_boot_needs(path: str, counts: bool) -> None:
    change = plan_bridges(
        Request((), option="bridges"), host(File(path, "x\n"), File(layout.RESTORE, boot.SCRIPT, 0o755))
    )
    assert (File(layout.RESTORE, boot.SCRIPT, 0o755) in change.after.values()) == counts


SECRETS = """\
[802-1x]
identity=host
password=s3cret
private-key-password = s3cret
psk="s3cret"
password-flags=0
      password: s3cret
      client-key-password: 's3cret'
address1=192.168.1.5/24
"""


def test_a_file_that_not_everybody_may_read_shows_no_secrets() -> None:
    shown = "\n".join(File("/etc/netplan/90.yaml", SECRETS, 0o600).lines())
    assert "s3cret" not in shown
    assert "password: (hidden)" in shown and "identity=host" in shown and "address1=192.168.1.5/24" in shown
    assert "\n".join(File("/etc/netplan/90.yaml", SECRETS).lines()).endswith(SECRETS.rstrip())
