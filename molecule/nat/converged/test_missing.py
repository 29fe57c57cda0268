# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that lacks something says in one line what, and stays as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import Bed, difference
from verify import Run, Scenario, run_playbook, snapshots

NEW_NETWORK = {"bridge": "vmnet7", "addresses": ["10.7.0.1/24"], "ranges": ["10.7.0.10-10.7.0.20"]}
NO_TAPS: dict[str, Any] = {"tapestry.vmnet.taps": {"taps": []}}
# In place of a package manager, which has nothing here to install from.
BRINGS_BACK = """#!/usr/bin/python
import os
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"name": {"type": "list"}, "state": {}}, supports_check_mode=True)
if not module.check_mode:
    os.rename("PATH.hidden", "PATH")
module.exit_json(changed=True)
"""
NO_FORWARDS: dict[str, Any] = {"tapestry.vmnet.port_forwards": {"port_forwards": []}}  # needs pyroute2


@pytest.fixture(autouse=True)
def untouched(bed: Bed) -> Iterator[None]:
    before = snapshots(bed)
    yield
    for name, after in snapshots(bed).items():
        assert difference(before[name], after) == [], name


@contextmanager
def hidden(bed: Bed, path: str) -> Iterator[None]:
    """Every host without this file or directory, until somebody brings it back."""
    for host in bed.hosts.values():
        host.run(f"mv {path} {path}.hidden")
    try:
        yield
    finally:
        for host in bed.hosts.values():
            host.run(f"[ ! -e {path}.hidden ] || mv {path}.hidden {path}")


def play(scenario: Scenario, directory: Path, *tasks: dict[str, Any], check: bool = False, **keywords: Any) -> Run:
    playbook = directory / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks, **keywords}]))
    return run_playbook(str(playbook), scenario.inventory, check=check)


@pytest.mark.parametrize(
    ("path", "task", "says"),
    [
        pytest.param(
            "/usr/sbin/nft",
            {"tapestry.vmnet.nat": {"scope": "nat", "nat": []}},
            "nft is not installed on this host; it comes with the package nftables",
            id="nft",
        ),
        pytest.param(
            "/usr/sbin/dnsmasq",
            {"tapestry.vmnet.dhcp": {"dhcp": [NEW_NETWORK]}},
            "dnsmasq is not installed on this host; it comes with the package dnsmasq-base",
            id="dnsmasq",
        ),
        pytest.param(
            "/usr/lib/python3/dist-packages/pyroute2",
            NO_FORWARDS,
            "its package is python3-pyroute2",
            id="pyroute2",
        ),
    ],
)
def test_what_is_missing_is_named(
    bed: Bed, scenario: Scenario, tmp_path: Path, path: str, task: dict[str, Any], says: str
) -> None:
    with hidden(bed, path):
        failures = play(scenario, tmp_path, task).failures
    assert failures.keys() == bed.hosts.keys()
    assert all(says in message for message in failures.values()), failures


def test_without_root_the_modules_say_so(bed: Bed, scenario: Scenario, tmp_path: Path) -> None:
    someone = {"become": True, "become_user": "nobody", "become_method": "su", "become_flags": "-s /bin/sh"}
    failures = play(scenario, tmp_path, NO_TAPS, **someone).failures
    assert failures.keys() == bed.hosts.keys()
    assert all("needs to be root there; set become: true" in message for message in failures.values()), failures


def test_under_another_python_the_modules_find_the_one_that_has_pyroute2(
    bed: Bed, scenario: Scenario, tmp_path: Path
) -> None:
    for host in bed.hosts.values():
        host.run("python3 -m venv --without-pip /root/other")
    try:
        run = play(scenario, tmp_path, NO_FORWARDS, vars={"ansible_python_interpreter": "/root/other/bin/python3"})
    finally:
        for host in bed.hosts.values():
            host.run("rm -r /root/other")
    run.succeeded()


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("host_only", "/usr/sbin/dnsmasq"),
        ("bridged", "/usr/lib/python3/dist-packages/pyroute2"),
        ("nat", "/usr/bin/ip"),
        ("nat", "/usr/sbin/nft"),
    ],
)
def test_a_role_has_what_is_missing_installed_and_goes_on(
    bed: Bed, scenario: Scenario, tmp_path: Path, role: str, path: str
) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library/brings_back.py").write_text(BRINGS_BACK.replace("PATH", path))
    given = {
        "roles": [f"tapestry.vmnet.{role}"],
        "module_defaults": {"ansible.builtin.package": {"use": "ansible.legacy.brings_back"}},
    }
    with hidden(bed, path):
        predicted = play(scenario, tmp_path, check=True, **given).succeeded()
        run = play(scenario, tmp_path, **given).succeeded()
    for host in bed.hosts:
        installs = f"tapestry.vmnet.{role} : Install what the host needs"
        assert [change["task"] for change in predicted.changes_on(host)][-1] == installs
        assert [change["task"] for change in run.changes_on(host)] == [installs]
    assert "now that the host has what" in run.output
