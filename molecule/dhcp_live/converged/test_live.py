# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes while guests have their leases: the process stays, the leases stay, and what goes is really free."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Host
from lab.waiting import wait_for
from verify import Client, Run, Scenario, client, run_task

UNIT = "vmnet-dhcp@vmnet8.service"
STRANGER, WEB, DB, NEW = "52:54:00:00:00:99", "52:54:00:00:00:65", "52:54:00:00:00:66", "52:54:00:00:00:70"

RANGES = ["192.168.233.100-192.168.233.200", "fd00:233::1000-fd00:233::1fff"]
DHCP = {"ranges": RANGES, "ipv6": "stateful"}


class Server:
    """The server of vmnet8 on a host, and what the inventory says of it."""

    def __init__(self, scenario: Scenario, host: Host) -> None:
        self.scenario = scenario
        self.host = host
        self.network = next(n for n in scenario.networks(host.name) if n["name"] == "vmnet8")

    def changed(self, **fields: Any) -> dict[str, Any]:
        """The network with other fields; `guests` is a function of the list."""
        network = copy.deepcopy(self.network)
        guests = fields.pop("guests", None)
        if guests:
            network["guests"] = guests(network["guests"])
        return {**network, **fields}

    def apply(self, network: dict[str, Any]) -> Run:
        """Check mode and the run: what was predicted is done."""
        task = {
            "name": "Change the network",
            "tapestry.vmnet.dhcp": {"scope": "nat", "dhcp": "{{ (networks | tapestry.vmnet.expand('nat')).dhcp }}"},
            "vars": {"networks": [network]},
        }
        predicted, done = (
            run_task(self.scenario, self.host.name, task, check=check).succeeded() for check in (True, False)
        )
        assert predicted.changes_on(self.host.name) == done.changes_on(self.host.name)
        return done

    @property
    def process(self) -> str:
        """Its process id and when it was started."""
        return self.host.run(f"systemctl show -P MainPID -P ExecMainStartTimestampMonotonic {UNIT}").stdout

    @property
    def leases(self) -> set[str]:
        """Address and guest of each, without when it ends."""
        lines = self.host.run("cat /var/lib/vmnet/vmnet8/leases").lines
        return {" ".join(line.split()[1:3]) for line in lines if not line.startswith("duid")}

    def resolves(self, name: str) -> str:
        wanted = f"{name}.vmnet8.internal"
        line = f"import socket; print(socket.gethostbyname('{wanted}'))"
        resolver = "mount --bind /run/lab.resolv /etc/resolv.conf"
        self.host.run(["sh", "-c", "echo nameserver 192.168.233.2 > /run/lab.resolv"])
        return self.host.run(
            ["unshare", "--mount", "sh", "-c", f'{resolver}; python3 -c "{line}"'], check=False
        ).stdout.strip()


@pytest.fixture(scope="module")
def server(scenario: Scenario, host: Host) -> Iterator[Server]:
    server = Server(scenario, host)
    yield server
    server.apply(server.network)
    host.run("rm -f /run/lab.resolv")


@pytest.fixture(scope="module")
def web(server: Server, host: Host) -> Iterator[Client]:
    """A guest with the reserved addresses of both families, beside a stranger whose lease must stay. Each change is to what is there."""
    assert server.process
    with client(host, "vmnet8", STRANGER, name="stranger") as stranger, client(host, "vmnet8", WEB) as web:
        assert stranger.dhclient(release=False).get("ip_address")
        assert web.dhclient(release=False)["ip_address"] == "192.168.233.20"
        assert web.dhclient("-D LL", family=6, release=False)["ip6_address"] == "fd00:233::65"
        yield web


def without(name: str) -> Any:
    return lambda guests: [guest for guest in guests if guest["name"] != name]


def restarts(run: Run, host: str) -> bool:
    """Whether the diff says that the server is started with something else."""
    return "started_with" in _differing(run, host)


def _differing(run: Run, host: str) -> str:
    """Only the lines that differ."""
    lines = []
    for change in run.changes_on(host):
        for part in change["diff"]:
            before, after = part["before"].splitlines(), part["after"].splitlines()
            lines += [line for line in [*before, *after] if (line in before) != (line in after)]
    return "\n".join(lines)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(
            {"guests": lambda g: [*g, {"name": "new", "mac": NEW, "addresses": ["192.168.233.30"]}]}, id="a guest more"
        ),
        pytest.param({"guests": without("db")}, id="a guest less"),
        pytest.param({"guests": lambda g: [g[0], {**g[1], "name": "database"}]}, id="another name"),
        pytest.param({"guests": lambda g: [g[0], {**g[1], "addresses": ["192.168.233.22"]}]}, id="another address"),
        pytest.param({"dns": {"records": [{"name": "scanner", "addresses": ["192.168.233.78"]}]}}, id="another record"),
        pytest.param({"dns": {"domain_forwarders": {"corp.example": ["10.0.0.53"]}}}, id="a forwarder of a domain"),
        pytest.param(
            {
                "dhcp": {
                    **DHCP,
                    "options": {"ntp-server": "192.168.233.9"},
                    "routes": [{"to": "10.0.0.0/8", "via": "192.168.233.9"}],
                }
            },
            id="options and routes",
        ),
    ],
)
def test_the_process_and_all_leases_stay(server: Server, host: Host, fields: dict[str, Any]) -> None:
    process, leases = server.process, server.leases
    assert len(leases) == 3
    run = server.apply(server.changed(**fields))
    assert run.changes_on(host.name)
    assert not restarts(run, host.name)
    assert server.process == process
    assert server.leases == leases


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"dhcp": {"ranges": ["192.168.233.100-192.168.233.210"], "ipv6": "stateful"}}, id="a range"),
        pytest.param({"dns": {"records": [{"name": "www", "cname": "web"}]}}, id="a record that is no address"),
        pytest.param({"mtu": 1400}, id="what router advertisements say"),
        pytest.param(
            {"guests": lambda g: [g[0], {**g[1], "options": {"ntp-server": "192.168.233.9"}}]},
            id="a guest's first option of its own",
        ),
    ],
)
@pytest.mark.usefixtures("web")
def test_what_takes_a_restart_says_so_and_keeps_the_leases(server: Server, host: Host, fields: dict[str, Any]) -> None:
    process, leases = server.process, server.leases
    run = server.apply(server.changed(**fields))
    assert restarts(run, host.name)
    assert server.process != process
    assert server.leases == leases


def test_a_new_reservation_and_its_name_are_served_at_once(server: Server, host: Host) -> None:
    server.apply(server.changed(guests=lambda g: [*g, {"name": "new", "mac": NEW, "addresses": ["192.168.233.30"]}]))
    assert server.resolves("new") == "192.168.233.30"
    with client(host, "vmnet8", NEW, name="new") as new:
        told = new.dhclient()
        assert (told["ip_address"], told["host_name"]) == ("192.168.233.30", "new")


def test_a_record_comes_changes_and_goes(server: Server) -> None:
    for addresses, found in ((["192.168.233.78"], "192.168.233.78"), (["192.168.233.79"], "192.168.233.79"), ([], "")):
        records = [{"name": "scanner", "addresses": addresses}] if addresses else []
        server.apply(server.changed(dns={"records": records}))
        assert server.resolves("scanner") == found


def test_a_new_option_is_told_at_the_next_request(server: Server, web: Client) -> None:
    """Also one of a guest's own: that it has any takes a restart, another value does not."""
    for value in ("192.168.233.8", "192.168.233.9"):
        own = {"options": {"ntp-server": value}}
        server.apply(server.changed(guests=lambda g, own=own: [{**g[0], **own}, g[1]]))
        assert web.dhclient(release=False).get("ntp_servers") == value


def test_an_address_is_free_at_once_when_its_reservation_goes(server: Server, host: Host, web: Client) -> None:
    server.apply(server.network)
    process, strangers = server.process, {lease for lease in server.leases if STRANGER in lease}
    server.apply(server.changed(guests=without("web")))
    assert server.leases == strangers
    assert server.resolves("web") == ""
    someone = {"name": "someone", "mac": NEW, "addresses": ["192.168.233.20", "fd00:233::65"]}
    server.apply(server.changed(guests=lambda g: [*without("web")(g), someone]))
    with client(host, "vmnet8", NEW, name="someone") as other:
        assert other.dhclient()["ip_address"] == "192.168.233.20"
        assert other.dhclient("-D LL", family=6)["ip6_address"] == "fd00:233::65"
    assert server.process == process
    # And the one that had it gets another.
    assert web.dhclient()["ip_address"] not in ("", "192.168.233.20")


def test_a_lease_is_struck_out_also_while_the_server_does_not_run(server: Server, host: Host, web: Client) -> None:
    server.apply(server.network)
    assert web.dhclient(release=False)["ip_address"] == "192.168.233.20"
    host.run(f"systemctl stop {UNIT}")
    server.apply(server.changed(guests=without("web")))
    assert not [lease for lease in server.leases if "192.168.233.20" in lease.split() or "fd00:233::65" in lease]
    wait_for("the server", lambda: host.run(f"systemctl is-active {UNIT}", check=False).ok, timeout=10)


def test_another_network_does_not_notice(server: Server, host: Host) -> None:
    before = host.run("systemctl show -P MainPID vmnet-dhcp@vmnet9.service").stdout
    server.apply(server.changed(dhcp={"ranges": ["192.168.233.100-192.168.233.220"], "ipv6": "stateful"}))
    assert host.run("systemctl show -P MainPID vmnet-dhcp@vmnet9.service").stdout == before != "0\n"
