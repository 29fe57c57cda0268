# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of interfaces by sysfs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import sysfs


def test_the_scopes_of_taps_are_those_whose_mark_a_tap_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", str(tmp_path))
    taps = {
        "t0": b"vmnet:nat\n",
        "tun_flags": b"vmnet:lab adopted our%20own\n",
        "t1": b"\n",
        "t2": b"somebody's \xff\n",
        "vnet0": b"vmnet:nat\n",
    }
    for name, alias in taps.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "ifalias").write_bytes(alias)
        (tmp_path / name / "tun_flags").touch()
    (tmp_path / "br0").mkdir()
    (tmp_path / "br0/ifalias").write_text("vmnet:other\n")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone/tun_flags").touch()
    assert sysfs.scopes_of_taps() == {"nat", "lab"}


def test_a_host_without_taps_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", str(tmp_path))
    assert sysfs.scopes_of_taps() == set()
