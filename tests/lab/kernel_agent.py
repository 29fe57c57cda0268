# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs in a machine with a kernel of its own, by itself: runs commands that come over virtio ports, one per port at a time.

A request and its answer are each a line of JSON: {"id", "argv", "input", "timeout"} and {"id", "status", "stdout", "stderr"},
texts in base64. Not over the network, which is what the tests change.
"""

import base64
import glob
import json
import os
import signal
import subprocess
import threading
import time


def answer(request):
    child = subprocess.Popen(
        request["argv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=request["env"],
        start_new_session=True,
    )
    try:
        out, err = child.communicate(base64.b64decode(request["input"]), timeout=request["timeout"])
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        return {"status": None, "stdout": out, "stderr": err}
    return {"status": child.returncode, "stdout": out, "stderr": err}


def attempt(request):
    try:
        return answer(request)
    except OSError as problem:
        return {"status": 127, "stdout": b"", "stderr": str(problem).encode()}


def serve(port):
    with open(port, "r+b", buffering=0) as channel:
        pending = b""
        while True:
            part = channel.read(65536)
            if not part:  # nobody is at the other end
                time.sleep(0.2)
                pending = b""
                continue
            pending += part
            while b"\n" in pending:
                line, pending = pending.partition(b"\n")[::2]
                try:
                    request = json.loads(line)
                except ValueError:
                    continue
                found = attempt(request)
                for stream in ("stdout", "stderr"):
                    found[stream] = base64.b64encode(found[stream]).decode()
                reply = memoryview(json.dumps(found | {"id": request["id"]}).encode() + b"\n")
                while reply:
                    reply = reply[channel.write(reply) :]


if __name__ == "__main__":
    # By number, not by the names that udev makes: it may not have got that far.
    for entry in glob.glob("/sys/class/virtio-ports/*"):
        threading.Thread(target=serve, args=(f"/dev/{os.path.basename(entry)}",)).start()
