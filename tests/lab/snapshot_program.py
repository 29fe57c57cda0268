# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a host, by itself: prints the host's state as JSON, section -> sorted lines (see snapshot.py)."""

import grp
import hashlib
import json
import os
import pwd
import re
import stat
import subprocess


def output(*argv):
    """Standard output as lines; nothing when the program is missing or fails."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.decode(errors="replace").splitlines()


def ip_json(*argv):
    text = "\n".join(output("ip", "-json", *argv)).strip()
    return json.loads(text) if text else []


def flat(entry, *keys):
    return " ".join(f"{key}={entry[key]}" for key in keys if key in entry)


def links():
    for link in ip_json("-details", "link"):
        info = link.get("linkinfo", {})
        kind = info.get("info_kind", "")
        yield f"{flat(link, 'ifname', 'address', 'mtu', 'master', 'ifalias', 'inet6_addr_gen_mode')} kind={kind}".strip()


def addresses():
    for link in ip_json("address"):
        for entry in link.get("addr_info", []):
            yield f"{link['ifname']} {flat(entry, 'family', 'local', 'prefixlen', 'broadcast', 'scope', 'label', 'noprefixroute')}"


def routes():
    for family in ("-4", "-6"):
        for route in ip_json(family, "route", "show", "table", "all"):
            keys = ("type", "dst", "gateway", "dev", "table", "protocol", "scope", "prefsrc", "metric", "nexthops")
            yield f"{family} {flat(route, *keys)}"


def rules():
    for family in ("-4", "-6"):
        yield from (f"{family} {line}" for line in output("ip", family, "rule"))


def neighbours():
    """Only those that somebody has set."""
    for family in ("-4", "-6"):
        yield from (f"{family} {line}" for line in output("ip", family, "neigh", "show", "nud", "permanent"))


def nftables():
    """In the order in which nft prints them, without what was counted, nor elements that packets make to count something.

    Elements are sorted: those of sets with ranges come in the order in which they were added.
    """
    counter = re.compile(r"counter packets \d+ bytes \d+")
    listing = counter.sub("counter", "\n".join(output("nft", "list", "ruleset")))
    elements = re.compile(r"\t\telements = \{([^{}]*)\}")
    text = elements.sub(lambda found: "\n".join(sorted(element_lines(found[1]))), listing)
    yield from (line for line in text.splitlines() if line)


def element_lines(text):
    for element in " ".join(text.split()).split(", "):
        if not element.endswith(" counter"):
            yield "\t\telement " + element


VOLATILE_SYSCTLS = re.compile(
    r"net\.netfilter\.nf_conntrack_(count|events)\b"
    r"|net\.ipv4\.(tcp_fastopen_key|route\.gc|inet_peer)"
    r"|net\.ipv6\.conf\.[^ ]+\.(stable_secret)"
    r"|net\.ipv[46]\.fib_(notify|sync)"
    r"|net\.(ipv4|mptcp)\.[^ ]*available"
    r"|net\.core\.(flow_limit_cpu_bitmap|rps_)"
)


def sysctls():
    for line in output("sysctl", "-a"):
        if line.startswith("net.") and not VOLATILE_SYSCTLS.match(line):
            yield line


def transient(command):
    helpers = r"sshd|\(?systemd-|\(sd-|\(udev|/lib/systemd/systemd-|ssh |/usr/lib/openssh/|/usr/lib/systemd/systemd-"
    return bool(re.match(helpers, command)) or ".ansible" in command or "python3 -I -" in command


def our_ancestors():
    ancestors, pid = set(), os.getpid()
    while pid > 1:
        ancestors.add(pid)
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    return ancestors


def processes():
    """Command lines of what runs in the machine: no kernel threads, no sessions, no helpers that come and go."""
    skipped = our_ancestors()
    for name in filter(str.isdigit, os.listdir("/proc")):
        pid = int(name)
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
            with open(f"/proc/{pid}/cgroup") as file:
                cgroup = file.read()
            with open(f"/proc/{pid}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        session = "session-" in cgroup or "user.slice" in cgroup or (parent == 0 and pid != 1)
        if command and pid not in skipped and not session and not transient(command):
            yield command


UNIT_NOISE = re.compile(
    r"session-|user@|user-|user\.slice|run-[ru]|systemd-(tmpfiles|hostnamed|timedated|localed|logind|udevd|journald@|ask)"
    r"|\w+-sshd@|ssh@|sshd@|dbus-:|sys-|dev-|init\.scope|proc-|run-user|run-credentials"
)


def unit_files():
    for line in output("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain"):
        fields = line.split()
        if not UNIT_NOISE.match(fields[0]):
            yield " ".join(fields[:2])


def units():
    kinds = "--type=service,socket,timer,path,mount,target"
    for line in output(
        "systemctl",
        "list-units",
        "--state=active,failed,activating,deactivating",
        "--no-legend",
        "--no-pager",
        "--plain",
        kinds,
    ):
        fields = line.split()
        if not UNIT_NOISE.match(fields[0]) and fields[1] == "loaded":
            yield " ".join(fields[:4])


TREES = (
    "/etc",
    "/usr/local",
    "/usr/lib/systemd",
    "/usr/lib/sysctl.d",
    "/var/lib",
    "/var/cache",
    "/run",
    "/root",
    "/opt",
)
VOLATILE_PATHS = re.compile(
    r"/etc/ld\.so\.cache|/etc/\.pwd\.lock|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$"
    r"|/run/(systemd|user|log|lock|udev|sshd|dbus|host|initctl|credentials|motd|utmp|mount|sudo|screen)"
    r"|/var/lib/(systemd|apt|dpkg|private$|dbus)|/var/cache/(apt|ldconfig|man|debconf|private$)"
    r"|/root/\.(ansible|cache|bash_history|python_history)"
)


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()[:16]
    except OSError as problem:
        return f"unreadable: {problem.strerror}"


def described(path):
    entry = os.lstat(path)
    owner = f"{stat.filemode(entry.st_mode)} {entry.st_uid}:{entry.st_gid}"
    if stat.S_ISLNK(entry.st_mode):
        return f"{path} {owner} -> {os.readlink(path)}"
    if stat.S_ISREG(entry.st_mode):
        return f"{path} {owner} {digest(path) if path.startswith('/etc/') else entry.st_size}"
    return f"{path} {owner}"


def files():
    for tree in TREES:
        for directory, directories, names in os.walk(tree):
            directories[:] = [name for name in directories if not VOLATILE_PATHS.match(os.path.join(directory, name))]
            for name in [*directories, *names]:
                path = os.path.join(directory, name)
                if not VOLATILE_PATHS.match(path) and "__pycache__" not in path:
                    try:
                        yield described(path)
                    except FileNotFoundError:
                        continue


def users():
    return (f"{user.pw_name} {user.pw_uid}:{user.pw_gid} {user.pw_dir} {user.pw_shell}" for user in pwd.getpwall())


def groups():
    return (f"{group.gr_name} {group.gr_gid} {','.join(group.gr_mem)}" for group in grp.getgrall())


SECTIONS = (
    links,
    addresses,
    routes,
    rules,
    neighbours,
    sysctls,
    processes,
    unit_files,
    units,
    files,
    users,
    groups,
)

if __name__ == "__main__":
    found = {section.__name__: sorted(section()) for section in SECTIONS}
    print(json.dumps(found | {"nftables": list(nftables())}))
