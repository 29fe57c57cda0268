# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""At boot no tap is put into a bridge that NetworkManager has made and not taken yet: it would leave it without addresses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab import Bed, Host

# The first questions are answered as if the bridge were there and not taken, state 20; then NetworkManager itself is asked.
NMCLI = """\
#!/bin/sh
echo >> /run/lab-asked
[ "$(wc -l < /run/lab-asked)" -gt {questions} ] && exec /usr/bin/nmcli "$@"
ip -o link show master vmnet0 >> /run/lab-ports
echo "20 (unavailable)"
"""
DROP_IN = """\
[Service]
Environment=PATH=/opt/lab:/usr/sbin:/usr/bin:/sbin:/bin
ExecStartPre=sh -c 'for _ in $(seq 300); do [ -e /sys/class/net/vmnet0 ] && exit; sleep 0.1; done; exit 1'
"""
FILES = ("opt/lab/nmcli", "etc/systemd/system/vmnet.service.d/lab.conf")
SLOW, NEVER = 5, 100_000
COMPLAINT = "NetworkManager has not taken vmnet0"


@pytest.fixture(scope="module")
def hosts(bed: Bed) -> list[Host]:
    found = [host for host in bed.hosts.values() if host.machine.manager == "networkmanager"]
    assert found
    return found


@pytest.fixture(scope="module", params=[SLOW, NEVER], ids=["slow", "never"])
def questions(hosts: list[Host], request: pytest.FixtureRequest) -> Iterator[int]:
    """The hosts after a boot at which so many questions were answered with "not yet"."""
    try:
        for host in hosts:
            for file, text in zip(FILES, (NMCLI.format(questions=request.param), DROP_IN), strict=True):
                path = host.disk / file
                path.parent.mkdir(exist_ok=True, parents=True)
                path.write_text(text)
            (host.disk / FILES[0]).chmod(0o755)
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.reboot, hosts))
        yield request.param
    finally:
        for host in hosts:
            host.run(f"rm -rf {' '.join(f'/{file}' for file in FILES)} /opt/lab /run/lab-*; systemctl daemon-reload")


def test_a_tap_waits_until_the_bridge_is_taken_but_not_for_ever(hosts: list[Host], questions: int) -> None:
    for host in hosts:
        assert len(host.run("cat /run/lab-asked").lines) > SLOW, host.name
        assert "vnet0" not in host.run("cat /run/lab-ports").stdout, host.name
        complained = COMPLAINT in host.run("journalctl --boot --unit=vmnet").stdout
        assert complained == (questions == NEVER), host.name


@pytest.mark.usefixtures("questions")
def test_the_host_and_its_guests_are_on_the_network(hosts: list[Host]) -> None:
    for host in hosts:
        assert "master vmnet0" in host.run("ip -o link show vnet0").stdout, host.name
        assert host.address in host.run("ip -o -4 address show dev vmnet0").stdout, host.name
