# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every guest boots: Debian's cloud kernel and an initial RAM disk of busybox, socat and the virtio drivers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .cache import cached, recipe_hash
from .command import LabError, run

_HERE = Path(__file__).parent

# In the order of insmod.
_BOOT_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_mmio",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio_console",
)
_SCTP_MODULES = ("libcrc32c", "udp_tunnel", "ip6_udp_tunnel", "sctp")
_PROGRAMS = ("/usr/bin/socat",)


def guest_image() -> Path:
    """A directory with `kernel` and `initrd`, built at the first call (some seconds, one package to download)."""
    scripts = [(_HERE / name).read_text() for name in ("guest_init.sh", "guest_udhcpc.sh")]
    recipe = recipe_hash([scripts, _BOOT_MODULES, _SCTP_MODULES, _PROGRAMS])
    return cached(f"guest-{recipe}", _build)


def _build(directory: Path) -> None:
    package = directory / "package"
    _unpack_kernel_package(package)
    kernel = next((package / "boot").glob("vmlinuz-*"))
    shutil.copy(kernel, directory / "kernel")
    _build_tree(directory / "tree", package)
    run(f"cd {directory}/tree && find . | cpio --quiet -o -H newc -R 0:0 > ../initrd")
    shutil.rmtree(package)
    shutil.rmtree(directory / "tree")


def _unpack_kernel_package(target: Path) -> None:
    depends = run(["apt-cache", "depends", "linux-image-cloud-amd64"]).lines
    name = next((line.split()[1] for line in depends if line.split()[0] == "Depends:"), None)
    if name is None:
        raise LabError("linux-image-cloud-amd64: not known to apt; run `apt-get update` first")
    target.mkdir()
    run(f"cd {target} && apt-get download -q {name} && dpkg-deb -x ./*.deb . && rm ./*.deb", timeout=600)


def _build_tree(tree: Path, package: Path) -> None:
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc", "modules", "usr/share/udhcpc"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    _install(_HERE / "guest_init.sh", tree / "init")
    _install(_HERE / "guest_udhcpc.sh", tree / "usr/share/udhcpc/default.script")
    _install(_HERE / "guest_udhcpc.sh", tree / "etc/udhcpc/default.script")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/tmp:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    found = {path.stem: path for path in (package / "lib/modules").rglob("*.ko")}
    for module in (*_BOOT_MODULES, *_SCTP_MODULES):
        shutil.copy(found[module], tree / f"modules/{module}.ko")
    (tree / "modules/order").write_text("\n".join(_BOOT_MODULES) + "\n")
    load_sctp = "".join(f"insmod /modules/{module}.ko\n" for module in _SCTP_MODULES)
    (tree / "bin/load-sctp").write_text(f"#!/bin/sh\n{load_sctp}")
    (tree / "bin/load-sctp").chmod(0o755)
    for program in _PROGRAMS:
        _copy_with_libraries(program, tree)


def _install(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    target.chmod(0o755)


def _copy_with_libraries(program: str, tree: Path) -> None:
    """Copy a dynamically linked program and what `ldd` says that it loads."""
    paths = [word for line in run(["ldd", program]).lines for word in line.split() if word.startswith("/")]
    for path in (program, *paths):
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), target)
