# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table on a host: what somebody edits by hand is seen, shown and repaired, and what nft refuses changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import SETS
from lab import Bed, Host
from verify import Run, Scenario, run_playbook

TABLE = "inet vmnet"
EDITS = {
    "a rule is added": ("insert rule inet vmnet forward accept", 'not ours: rule of forward: [{"accept":null}]'),
    "a chain is flushed": ("flush chain inet vmnet from_forwards", "missing: rule of from_forwards: "),
    "a policy is changed": ("add chain inet vmnet count { policy drop; }", "not ours: chain count: "),
    "an element is removed": (
        "delete element inet vmnet vn_closed4 { 192.168.233.0/24 }",
        "+vn_closed4 192.168.233.0/24",
    ),
    "an element is added": ('add element inet vmnet vn_peers { "vmnet8" . "eth0" }', "-vn_peers vmnet8 . eth0"),
    "a counter is removed": ('delete element inet vmnet vn_to { "vmnet8" }', "+vn_to vmnet8"),
    "an element leads elsewhere": (
        'delete element inet vmnet vn_in4 { "vmnet8" }\nadd element inet vmnet vn_in4 { "vmnet8" : goto from_uplinks }',
        "-vn_in4 vmnet8 : goto from_uplinks",
    ),
    "a set is added": ("add set inet vmnet mine { type mark; }", "not ours: set mine: "),
}


def table_of(host: Host) -> Any:
    """What is in it, without handles, counters and the order that nft lists sets in."""
    listing = json.loads(host.run(f"nft -j list table {TABLE}").stdout)["nftables"]
    items = [item for item in listing if "metainfo" not in item and "table" not in item]
    for item in items:
        for body in item.values():
            body.pop("handle", None)
            if body.get("name") in SETS and SETS[body["name"]].dynamic:
                body.pop("elem", None)
            if "elem" in body:
                body["elem"] = sorted(map(without_counter, body["elem"]))
    return items


def without_counter(entry: Any) -> str:
    if isinstance(entry, dict):
        entry.get("elem", {}).pop("counter", None)
    return json.dumps(entry)


def shown(run: Run, host: str) -> str:
    """The differences of a run, as lines with + and -."""
    lines = []
    for change in run.changes_on(host):
        for section in change["diff"]:
            before, after = section["before"].splitlines(), section["after"].splitlines()
            lines += [f"-{line}" for line in before if line not in after] + [
                f"+{line}" for line in after if line not in before
            ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def policies(scenario: Scenario) -> str:
    return str(scenario.directory / "policies.yml")


@pytest.fixture(scope="module")
def edited(bed: Bed, scenario: Scenario, policies: str) -> dict[str, Any]:
    """All edits at once; then check mode, a run, and check mode again."""
    before = {name: table_of(host) for name, host in bed.hosts.items()}
    for host in bed.hosts.values():
        host.run("nft -f -", input="".join(f"{command}\n" for command, _says in EDITS.values()))
    runs = [run_playbook(policies, scenario.inventory, check=check).succeeded() for check in (True, False, True)]
    return {"before": before, "runs": runs, "after": {name: table_of(host) for name, host in bed.hosts.items()}}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_shown(edited: dict[str, Any], host: Host, edit: str) -> None:
    assert EDITS[edit][1] in shown(edited["runs"][0], host.name)


def test_edits_are_repaired_as_predicted(edited: dict[str, Any], host: Host) -> None:
    predicted, done, again = edited["runs"]
    assert done.changes_on(host.name) == predicted.changes_on(host.name) != []
    assert edited["after"][host.name] == edited["before"][host.name]
    assert again.changes_on(host.name) == []


@contextmanager
def another_nft(bed: Bed, script: str) -> Iterator[None]:
    """A program that is found before the host's own nft."""
    for host in bed.hosts.values():
        host.run("cat > /usr/local/sbin/nft && chmod +x /usr/local/sbin/nft", input=f"#!/bin/sh\n{script}\n")
    try:
        yield
    finally:
        for host in bed.hosts.values():
            host.run("rm /usr/local/sbin/nft")


def changed_networks(scenario: Scenario) -> list[Any]:
    networks = [network for network in scenario.networks("host12") if network["name"] == "vmnet8"]
    return [network | {"host_services": ["dhcp", "dns", "icmp", "tcp/3128"]} for network in networks]


def test_what_nft_refuses_half_way_leaves_the_old_rules_whole(bed: Bed, scenario: Scenario, policies: str) -> None:
    files = "cat /etc/vmnet/*.nft /etc/vmnet/*/*.nft"
    before = {name: (table_of(host), host.run(files).stdout) for name, host in bed.hosts.items()}
    # The last line of the transaction is one that the kernel does not take. The program that is listed for comparison is whole.
    broken = """[ "$*" = "-f -" ] || exec /usr/sbin/nft "$@"
    input=$(cat)
    case $input in
    *"delete table"*) ;;
    *) input="$input\nadd element inet vmnet vn_self { \\"lo\\" . \\"lo\\" }\nadd chain inet vmnet forward { type nat hook output priority 5; }" ;;
    esac
    echo "$input" | exec /usr/sbin/nft -f -"""
    with another_nft(bed, broken):
        run = run_playbook(policies, scenario.inventory, nat_networks=changed_networks(scenario))
    assert run.failures.keys() == bed.hosts.keys(), run.output
    for name, host in bed.hosts.items():
        assert "nft -f - failed, and nothing was changed" in run.failures[name]
        assert (table_of(host), host.run(files).stdout) == before[name]


@pytest.fixture
def newer_set(bed: Bed) -> Iterator[Host]:
    """A set that a newer nft has made on host12, as one in a container does."""
    host, newer = bed.hosts["host12"], bed.hosts["host13"]
    enter = ["nsenter", f"--net=/run/netns/{host.namespace}", "chroot", str(newer.disk), "/usr/sbin/nft"]
    bed.controller.run([*enter, "-f", "-"], input="add table ip newer\nadd set ip newer s { type ipv4_addr; }\n")
    yield host
    bed.controller.run([*enter, "delete", "table", "ip", "newer"])


def test_an_nft_that_crashes_on_what_a_newer_one_has_made_is_named(
    scenario: Scenario, policies: str, newer_set: Host
) -> None:
    before = table_of(newer_set)
    assert newer_set.run("nft list ruleset", check=False).status != 0, "this nft can read what the newer one has made"
    run = run_playbook(policies, scenario.inventory, nat_networks=changed_networks(scenario))
    assert "nft crashed while it read the host's ruleset" in run.failures[newer_set.name], run.output
    assert table_of(newer_set) == before
    # host13 has the change: the other networks again
    run_playbook(policies, scenario.inventory)


def test_the_number_of_rules_does_not_depend_on_the_networks(bed: Bed) -> None:
    counts = {
        name: [len([item for item in table_of(host) if what in item]) for what in ("chain", "rule", "set", "map")]
        for name, host in bed.hosts.items()
    }
    assert counts["host12"] == counts["host13"]


def test_the_hosts_own_default_route_from_router_advertisements_is_still_there(bed: Bed, scenario: Scenario) -> None:
    for host in bed.hosts.values():
        before = [
            line for line in scenario.snapshot("before", host)["routes"] if "proto=ra" in line or "proto=16" in line
        ]
        now = host.run("ip -6 route show default proto ra").lines
        assert host.run("sysctl -n net.ipv6.conf.all.forwarding").stdout.strip() == "1"
        assert now or not before, before
