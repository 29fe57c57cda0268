# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the guides and the README show is what works: each of their playbooks is run on a host."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab import Bed, Host
from verify import ask, serve

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/docsite/rst"
EXAMPLES = GUIDES / "examples"
HELPERS = {"drift.yml", "absent.yml"}  # run after each of the others
NETWORKS = sorted(
    str(path.relative_to(EXAMPLES))
    for path in EXAMPLES.rglob("*.yml")
    if path.read_text().startswith("---\n- name:") and path.name not in HELPERS
)


def playbook(*arguments: str | Path, check: bool = True) -> str:
    ended = subprocess.run(["ansible-playbook", *map(str, arguments)], capture_output=True, text=True, check=False)
    output = ended.stdout + ended.stderr
    if check:
        assert ended.returncode == 0, output
    return output


def changed(output: str) -> int:
    return int(re.findall(r"^host13 .* changed=(\d+)", output, re.MULTILINE)[-1])


def teardown(inventory: Path) -> None:
    playbook("tapestry.vmnet.teardown", "-i", inventory, "-e", "vmnet_hosts=vm_hosts")


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_guide_shows_can_be_tried_and_done(inventory: Path, name: str) -> None:
    # What the one before has left of its role goes; the other roles' networks go below.
    purge = ("-e", "nat_purge=true")
    assert changed(playbook(EXAMPLES / name, "-i", inventory, *purge, "--check", "--diff"))
    assert changed(playbook(EXAMPLES / name, EXAMPLES / "drift.yml", "-i", inventory, *purge))
    if {"host_only", "bridged"} & set(re.findall(r"tapestry\.vmnet\.(\w+)", (EXAMPLES / name).read_text())):
        teardown(inventory)


def test_the_readmes_playbook_serves_a_guest_to_the_lan(bed: Bed, host: Host, inventory: Path, tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(- hosts: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "readme.yml").write_text(shown)
    playbook(tmp_path / "readme.yml", "-i", inventory, "-e", "nat_purge=true")
    guest = host.boot_guest("web", tap="vnet0", mac="52:54:00:00:00:65")
    try:
        assert guest.dhcp()["ip"] == "192.168.233.101"
        serve(guest, tcp=(80,))
        assert ask(bed.node("neighbour"), host.address, 8080).startswith("web ")
    finally:
        guest.stop()


def test_check_mode_shows_a_first_run_on_a_host_without_what_it_takes(fresh: Host, inventory: Path) -> None:
    (play,) = yaml.safe_load((EXAMPLES / "start.yml").read_text())
    networks = json.dumps({"nat_networks": play["roles"][0]["nat_networks"]})
    run = ("tapestry.vmnet.nat", "-i", inventory, "--limit", "fresh", "-e", networks, "--check", "--diff")
    shown = playbook(*run, check=False)
    # Where packages come from is not to be had here, so that task is where the run ends.
    assert "Install what the host needs" in re.findall(r"^TASK \[.* : (.*)\]", shown, re.MULTILINE)[-1]
    for change in ("after: bridge vmnet8", "after: unit vmnet-dhcp@vmnet8.service", "+vn_bridges vmnet8"):
        assert change in shown
    assert fresh.run("ls /etc/vmnet", check=False).stdout == ""


def test_drift_is_seen(host: Host, inventory: Path) -> None:
    playbook(EXAMPLES / "start.yml", "-i", inventory, "-e", "nat_purge=true")
    host.run(["ip", "address", "delete", "192.168.233.2/24", "dev", "vmnet8"])
    output = playbook(EXAMPLES / "drift.yml", "-i", inventory, check=False)
    assert "192.168.233.2/24" in output
    assert "failed=1" in output
    assert changed(playbook(EXAMPLES / "absent.yml", "-i", inventory))


def test_every_example_is_shown_and_everything_shown_is_there() -> None:
    pages = "\n".join(path.read_text() for path in GUIDES.glob("*.rst"))
    shown = set(re.findall(r"^.. literalinclude:: examples/(\S+)", pages, re.MULTILINE))
    assert shown == {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()}


def test_the_inventories_of_the_guides_are_inventories() -> None:
    for name, hosts in (("inventory.yml", 1), ("fleet/inventory.yml", 20)):
        command = ["ansible-inventory", "-i", str(EXAMPLES / name), "--list", "--limit", "vm_hosts"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert listed.count("example.org") >= hosts
