# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection community.libvirt, out of the Python package `ansible` that carries it, beside ours in the build directory."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from lab.command import CommandError, run

from .harness import MissingError
from .hosts import PEERS

_PACKAGE = "ansible==12.3.0"  # for ansible-core 2.19
_INSIDE = "ansible_collections/community/libvirt/"

Task = dict[str, object]


def fetch() -> None:
    """Make it there: 54 MB the first time. Raises MissingError where the package cannot be had."""
    if (PEERS / _INSIDE).is_dir():
        return
    with tempfile.TemporaryDirectory() as place:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", f"--dest={place}"]
        try:
            run([sys.executable, "-m", "pip", "download", *options, _PACKAGE], timeout=300)
        except CommandError as problem:
            raise MissingError(f"{_PACKAGE} cannot be downloaded") from problem
        (wheel,) = Path(place).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(PEERS, [name for name in archive.namelist() if name.startswith(_INSIDE)])


def tasks(networks: dict[str, str]) -> list[Task]:
    """Define, start and autostart each of the networks (name -> XML), as its documentation has it: one network at a time."""
    module = "community.libvirt.virt_net"
    return [
        {
            module: {"command": "define", "name": "{{ item.key }}", "xml": "{{ item.value }}"},
            "loop": [{"key": name, "value": xml} for name, xml in networks.items()],
        },
        {module: {"state": "active", "name": "{{ item }}"}, "loop": list(networks)},
        {module: {"autostart": True, "name": "{{ item }}"}, "loop": list(networks)},
    ]
