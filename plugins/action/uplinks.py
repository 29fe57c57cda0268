# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of the module uplinks: what was changed stays only if the host answers over a new connection."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.uplink import CONFIRM_TIMEOUT

_UNDO_PATIENCE = 120  # seconds, after those in which the change may be confirmed
# Connections that reach a host whatever becomes of its network, by the last word of their names.
_NOT_BY_NETWORK = frozenset(
    [
        *("local", "chroot", "jail", "iocage", "zone", "nsenter", "nspawn", "machinectl", "funcd", "qubes"),
        *(
            "docker",
            "docker_api",
            "podman",
            "buildah",
            "kubectl",
            "oc",
            "lxc",
            "lxd",
            "incus",
            "libvirt_lxc",
            "libvirt_qemu",
        ),
    ]
)
# What a host has as a station on its network, in a diff.
_STATION = ("address ", "route ", "rule ")


class ActionModule(ActionBase):
    """Run the module, and where it has changed something, confirm that."""

    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        transport = str(self._connection.transport).rpartition(".")[2]
        if transport in _NOT_BY_NETWORK and not self._task.check_mode:
            predicted = self._predicted(task_vars)
            if predicted.get("failed") or not predicted.get("changed"):
                return predicted
            if _moves_the_host(predicted):
                return {"failed": True, "changed": False, "msg": _not_by_network(transport)}
        # A connection that never breaks is always the same one.
        began_on = "" if transport in _NOT_BY_NETWORK else self._connected_as()
        try:
            result: dict[str, Any] = self._execute_module(task_vars=task_vars)
            confirm = result.pop("confirm", None)
            lost = ""
        except AnsibleConnectionFailure as error:
            # The module may have done anything; whatever it is, nobody confirms it.
            result, confirm, lost = {"changed": True}, None, str(error)
        # The host counts from when the change was made, which is just before its module returns.
        began = time.monotonic()
        if not lost and not confirm:
            return result
        timeout = confirm["timeout"] if confirm else int(self._task.args.get("confirm_timeout") or CONFIRM_TIMEOUT)
        end = self._confirmed(confirm["token"] if confirm else "lost", began_on, began + timeout)
        if end == "confirmed":
            return result
        return {"failed": True, "changed": False, "msg": _why(end, timeout, lost)}

    def _predicted(self, task_vars: Any) -> dict[str, Any]:
        """What the module would do."""
        self._task.check_mode = True
        try:
            predicted: dict[str, Any] = self._execute_module(task_vars=task_vars)
        finally:
            self._task.check_mode = False
        return predicted

    def _confirmed(self, token: str, began_on: str, deadline: float) -> str:
        """What the host says: confirmed, undone, or gone where it knows of no change; "silent" when it says nothing for long, and
        "undoing" when that takes it long."""
        said = "silent"
        while time.monotonic() < deadline + _UNDO_PATIENCE:
            try:
                self._connection.reset()
                now_on = self._connected_as()
                if began_on and now_on == began_on:
                    said = "same"
                else:
                    answer = self._low_level_execute_command(f"{layout.UPLINKS_PENDING}/uplinks confirm {token}")
                    said = answer["stdout"].strip() or "gone"
                    if said in ("confirmed", "undone", "gone"):
                        return said
            except AnsibleError:
                pass
            time.sleep(1)
        return said

    def _connected_as(self) -> str:
        """Which connection it is that we have: both its ends; empty where it is not one of SSH."""
        answer = self._low_level_execute_command('echo "$SSH_CONNECTION"', sudoable=False)
        return str(answer["stdout"]).strip()


def _moves_the_host(result: dict[str, Any]) -> bool:
    """Whether addresses, routes or rules change their place, and not only ports their bridge."""
    stations = [part for part in result.get("diff", []) if part["before_header"].startswith("station ")]
    lines = [line for part in stations for side in ("before", "after") for line in part[side].splitlines()]
    return any(line.startswith(_STATION) for line in lines)


def _not_by_network(transport: str) -> str:
    return (
        "This would move the host's addresses, and what is moved stays only if the host then answers a new connection over its"
        f" network; connection {transport} does not use that, so nothing has been changed. Run this task from another machine,"
        " over SSH, once: where there is nothing left to change it may run like this, too"
    )


def _why(end: str, timeout: int, lost: str) -> str:
    if end == "gone":
        return (
            "The connection to the host was lost before it changed its uplinks"
            if lost
            else "The host does not know any more that its uplinks were changed; was it rebooted in the meantime?"
        )
    if end == "same":
        return (
            "The connection to the host is shared by something outside Ansible, so it could not be tried whether the host"
            " answers a new one; the change of its uplinks was not confirmed, and has been undone"
        )
    if end == "silent":
        return (
            f"The host did not answer a new connection within {timeout} seconds after its uplinks were changed, nor since."
            " It was to put everything back by itself"
        )
    put = "is putting" if end == "undoing" else "has put"
    return (
        f"The host did not answer a new connection within {timeout} seconds after its uplinks were changed, so it {put}"
        " everything back as it was. Look for what keeps connections from it on the bridge: a firewall that knows the"
        " interface by name, a switch that allows one MAC address only, or the configuration of the bridge"
    )
