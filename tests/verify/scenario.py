# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The scenario under way: its name, its bed, and the files that one step leaves for the next."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lab import Bed, Host, Snapshot
from lab.places import bed_name

T = TypeVar("T")
ROLES = ("host_only", "bridged", "nat")
HOSTS = {"host12": "bookworm", "host13": "trixie"}


class Scenario:
    """Where Molecule says that we are."""

    def __init__(self) -> None:
        self.name = os.environ["MOLECULE_SCENARIO_NAME"]
        self.bed = bed_name(self.name)
        self.directory = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
        self.work = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
        self.inventory = self.work / "inventory"

    def networks(self, host: str) -> list[dict[str, Any]]:
        """The networks of all roles, as the inventory has them."""
        files = (self.directory / "group_vars/hosts.yml", self.directory / f"host_vars/{host}.yml")
        variables: dict[str, Any] = {}
        for file in files:
            if file.exists():
                variables |= yaml.safe_load(file.read_text())
        return [network for name in sorted(variables) if name.endswith("_networks") for network in variables[name]]

    @property
    def playbook(self) -> str:
        """What users run: the playbook of the role that the scenario is named after, or the one with all of them.

        A scenario with networks that no role makes has playbooks of its own.
        """
        if self.teardown.endswith(".yml"):
            return str(self.directory / "converge.yml")
        return f"tapestry.vmnet.{self.name if self.name in ROLES else 'site'}"

    @property
    def several_scopes(self) -> bool:
        """Whether there is more on its hosts than what the roles make, so that it has a teardown of its own."""
        return (self.directory / "teardown.yml").exists()

    @property
    def teardown(self) -> str:
        return str(self.directory / "teardown.yml") if self.several_scopes else "tapestry.vmnet.teardown"

    def machines(self) -> dict[str, str]:
        """What hosts the scenario is about: name -> machine, as `platforms` in its molecule.yml says; one of each Debian if it does not."""
        chosen = yaml.safe_load((self.directory / "molecule.yml").read_text()) or {}
        return {platform["name"]: platform["machine"] for platform in chosen.get("platforms", [])} or HOSTS

    def create(self) -> None:
        bed = Bed.up(self.bed, self.machines(), replace=True)
        (self.inventory / "hosts.json").write_text(json.dumps(bed.inventory()))
        (self.work / "runs.jsonl").write_text("")
        self.keep_snapshots("before", bed.hosts)

    def reboot(self) -> None:
        bed = Bed.attach(self.bed)
        self.keep_snapshots("running", bed.hosts)
        on_each(bed.hosts, Host.reboot)
        self.keep_snapshots("rebooted", bed.hosts)

    def destroy(self) -> None:
        Bed(self.bed).down()

    def keep_snapshots(self, moment: str, hosts: Mapping[str, Host]) -> None:
        for name, snapshot in on_each(hosts, Host.snapshot).items():
            (self.work / f"{moment}-{name}.json").write_text(json.dumps(snapshot, indent=1))

    def snapshot(self, moment: str, host: Host) -> Snapshot:
        """One that was kept."""
        return dict(json.loads((self.work / f"{moment}-{host.name}.json").read_text()))


def on_each(hosts: Mapping[str, Host], work: Callable[[Host], T]) -> dict[str, T]:
    """Do the same on all hosts at once."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(hosts, pool.map(work, hosts.values()), strict=True))


def snapshots(bed: Bed) -> dict[str, Snapshot]:
    return on_each(bed.hosts, Host.snapshot)
