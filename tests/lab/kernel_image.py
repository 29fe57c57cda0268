# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine with a kernel of its own boots: its Debian's cloud kernel, a small initial RAM disk, its root as a disk.

That kernel has what this machine's may lack: VLAN filtering, 802.1Q, dummy, netem, the csum action, bridge conntrack.
"""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

from .cache import cached, recipe_hash
from .command import run
from .rootfs import rootfs
from .variants import parse_machine

_HERE = Path(__file__).parent
# All of these at once, not as udev comes across them: what starts early finds its NICs.
_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng")
_DISK_SIZE = "3G"  # sparse


def build_machine(machine: str) -> Path:
    """Whatever a host of this kind starts from, in the cache."""
    return kernel_image(machine) if parse_machine(machine).own_kernel else rootfs(machine)


def kernel_image(machine: str) -> Path:
    """A directory with `kernel`, `initrd` and `disk`, built at the first call after the machine's root (some seconds)."""
    root = rootfs(machine)
    recipe = recipe_hash([root.parent.name, (_HERE / "kernel_init.sh").read_text(), _MODULES, _DISK_SIZE])
    return cached(f"kernel-{recipe}", lambda directory: _build(root, directory))


def _build(root: Path, directory: Path) -> None:
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), directory / "kernel")
    _build_initrd(root, directory)
    run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(directory / "disk"), _DISK_SIZE], timeout=600)


def _build_initrd(root: Path, directory: Path) -> None:
    tree = directory / "tree"
    for name in ("bin", "dev", "proc", "disk", "host", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    shutil.copy(_HERE / "kernel_init.sh", tree / "init")
    (tree / "init").chmod(0o755)
    order = _with_dependencies(next((root / "lib/modules").iterdir()))
    for path in order:
        (tree / f"modules/{_name(path)}.ko").write_bytes(_unpacked(path))
    (tree / "modules/order").write_text("".join(f"{_name(path)}\n" for path in order))
    pack(tree, directory / "initrd")
    shutil.rmtree(tree)


def pack(tree: Path, archive: Path) -> None:
    """The tree as an initial RAM disk; the kernel unpacks several that stand one after the other."""
    run(f"cd {tree} && find . | cpio --quiet -o -H newc -R 0:0 > {archive}")


def _with_dependencies(modules: Path) -> list[Path]:
    """In the order of insmod."""
    entries = (line.partition(":") for line in (modules / "modules.dep").read_text().splitlines())
    depends = {name: needed.split() for name, _colon, needed in entries}
    found: dict[str, None] = {}
    built_in = {_name(Path(line)) for line in (modules / "modules.builtin").read_text().splitlines()}
    for module in [module for module in _MODULES if module not in built_in]:
        name = next(name for name in depends if _name(Path(name)) == module)
        # modules.dep names the nearest first.
        found |= dict.fromkeys([*reversed(depends[name]), name])
    return [modules / name for name in found]


def _name(path: Path) -> str:
    """As lsmod says it."""
    return path.name.partition(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    packed = path.read_bytes()
    return lzma.decompress(packed) if path.suffix == ".xz" else packed
