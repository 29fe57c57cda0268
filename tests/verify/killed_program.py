# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a host, by itself: one module, killed just before its n-th change of the host (see staged.py).

    run.py MODULE N < arguments     N is 0 to let it live

Python tells its audit hooks (PEP 578) of whatever reaches the kernel by name: no call is missed, and none is replaced.
"""

import contextlib
import importlib
import io
import json
import os
import runpy
import signal
import sys

CHANGES = {
    "fcntl.ioctl",
    "os.chmod",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "shutil.rmtree",
    "socket.sendto",
}
LOOKS = {"list", "list-units", "show", "--version"}  # words of commands that change nothing
ACCESS = os.O_WRONLY | os.O_RDWR
PLUGINS = "ansible_collections.tapestry.vmnet.plugins"

module, kill_at = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
counted = 0


def changes(event, args):
    if event == "open":
        return isinstance(args[2], int) and args[2] & ACCESS
    if event == "subprocess.Popen":
        return not LOOKS.intersection(args[1])
    return event in CHANGES


def watch(event, args):
    global counted
    if changes(event, args):
        counted += 1
        if counted == kill_at:
            os.write(2, f"killed before {event} {args}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def main():
    from ansible.module_utils import basic

    netlink = importlib.import_module(f"{PLUGINS}.module_utils._backends.netlink")
    vars(netlink)["CHUNK"] = 1  # each message by itself, so that a run can be killed between any two
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": json.load(sys.stdin)}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    said = io.StringIO()
    sys.addaudithook(watch)
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_module(f"{PLUGINS}.modules.{module}", run_name="__main__")
    print(json.dumps({**json.loads(said.getvalue()), "changes": counted}))


if __name__ == "__main__":
    main()
