# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the Molecule scenarios share: their steps, runs of Ansible, guests, and small clients and servers."""

from .ansible import Run, recorded, refusals, run_module, run_playbook, run_task
from .clients import Client, client, offered
from .compare import left, without_guests
from .foreign import foreign_rules
from .guests import boot_guests, wait_for_ipv6
from .scenario import Scenario, snapshots
from .staged import KilledError, Staged
from .talk import answers, ask, ask_all, name_server_answers, once_more, reached, seen_address, seen_port, serve, silent

__all__ = [
    "Client",
    "KilledError",
    "Run",
    "Scenario",
    "Staged",
    "answers",
    "ask",
    "ask_all",
    "boot_guests",
    "client",
    "foreign_rules",
    "left",
    "name_server_answers",
    "offered",
    "once_more",
    "reached",
    "recorded",
    "refusals",
    "run_module",
    "run_playbook",
    "run_task",
    "seen_address",
    "seen_port",
    "serve",
    "silent",
    "snapshots",
    "wait_for_ipv6",
    "without_guests",
]
