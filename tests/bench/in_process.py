# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a host, by itself: modules or commands, one after the other, each with its time: in_process.py < JSON.

Standard input is a list of [MODULE, OPTIONS] or [COMMAND]. Python starts once and imports everything before the first clock
starts. Each module runs in a fork, so that none finds what another has kept in memory. Prints, for each, its seconds, its most
memory in kB, and whether it changed anything.
"""

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import time

PLUGINS = "ansible_collections.tapestry.vmnet.plugins"

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def run_module(name, options):
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        importlib.import_module(f"{PLUGINS}.modules.{name}").main()
    result = json.loads(said.getvalue())
    if result.get("failed"):
        raise SystemExit(f"{name}: {result['msg']}")
    return result["changed"]


def run_command(line):
    subprocess.run(line, shell=True, check=True, stdout=subprocess.DEVNULL)
    return True


def measured(task):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        started = time.perf_counter()
        changed = run_module(*task) if len(task) > 1 else run_command(*task)
        took = time.perf_counter() - started
        os.write(writing, json.dumps({"seconds": took, "changed": changed}).encode())
        os._exit(0)
    os.close(writing)
    _child, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{task[0]}: failed")
    with os.fdopen(reading) as said:
        return {**json.load(said), "memory": usage.ru_maxrss}


def main():
    tasks = json.load(sys.stdin)
    for task in tasks:
        if len(task) > 1:
            importlib.import_module(f"{PLUGINS}.modules.{task[0]}")
    print(json.dumps([measured(task) for task in tasks]))


if __name__ == "__main__":
    main()
