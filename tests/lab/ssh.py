# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Ansible and people reach the hosts: SSH through the controller's namespace."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .cache import cached
from .command import CommandError, run

if TYPE_CHECKING:
    from .bed import Bed
    from .state import State


def key_pair() -> Path:
    """The private key, made once; the public one is beside it."""
    return cached("ssh-key", _make_key) / "id_ed25519"


def _make_key(directory: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vmnet-lab", "-f", str(directory / "id_ed25519")])


def options(bed: Bed) -> dict[str, str]:
    """ssh_config options; %h and %p are the host's address and port."""
    return {
        "User": "root",
        "IdentityFile": str(key_pair()),
        "IdentitiesOnly": "yes",
        "ProxyCommand": f"ip netns exec {bed.controller.namespace} socat - TCP:%h:%p",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
    }


def config(bed: Bed) -> str:
    """A file for `ssh -F`."""
    lines = [f"Host {name}\n  HostName {host.address}\n" for name, host in bed.hosts.items()]
    lines += ["Host *\n", *(f"  {name} {value}\n" for name, value in options(bed).items())]
    return "".join(lines)


def inventory(bed: Bed, group: str) -> dict[str, object]:
    arguments = [
        f'-o {name}="{value}"' if " " in value else f"-o {name}={value}" for name, value in options(bed).items()
    ]
    variables = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(key_pair()),
        "ansible_ssh_common_args": " ".join(arguments),
        "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=30s",
        # Of this bed, since beds share addresses; a socket's path has at most 107 characters.
        "ansible_control_path_dir": str(_control_directory(bed.state)),
        "ansible_ssh_pipelining": True,
    }
    hosts = {name: {"ansible_host": host.address, "lab_release": host.release} for name, host in bed.hosts.items()}
    return {group: {"hosts": hosts, "vars": variables}}


def _control_directory(state: State) -> Path:
    return state.directory / "cp"


def forget_connections(state: State, *, now: bool = False) -> None:
    """Have Ansible's shared connections taken no more, so that the next task makes a new one.

    Otherwise a task after a reboot would wait for the machine that is gone. With `now`, those in use end, too.
    """
    for socket in _control_directory(state).glob("*"):
        argv = ["ssh", "-O", "exit" if now else "stop", "-o", f"ControlPath={socket}", "any"]
        with contextlib.suppress(CommandError):  # one that does not answer ends with its socket
            run(argv, check=False, timeout=10)
        socket.unlink(missing_ok=True)


def connect(bed: Bed, host: str, command: list[str]) -> None:
    """Become an ssh client to the host."""
    os.execvp("ssh", ["ssh", "-F", str(bed.ssh_config), host, *command])
