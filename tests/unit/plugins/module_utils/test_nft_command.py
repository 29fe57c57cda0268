# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft says of a table that is there, that is gone, and that it cannot list."""

from __future__ import annotations

from subprocess import CompletedProcess
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import nft_command
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    def says(status: int, stdout: str = "", stderr: str = "") -> None:
        monkeypatch.setattr(nft_command, "find", lambda tool, _package: tool)
        monkeypatch.setattr(nft_command, "run", lambda argv, check: CompletedProcess(argv, status, stdout, stderr))

    return says


def test_a_table_is_listed(says: Any) -> None:
    says(0, '{"nftables": []}')
    assert nft_command.listing("ip", "filter") == '{"nftables": []}'


@pytest.mark.parametrize("reason", ["Error: No such file or directory", "Error: table `filter' does not exist"])
def test_a_table_that_is_gone_is_none(says: Any, reason: str) -> None:
    says(1, stderr=reason)
    assert nft_command.listing("ip", "filter") is None


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (1, "Error: Operation not permitted", "nft cannot list the table ip filter: Error: Operation"),
        (-11, "", "nft crashed"),
    ],
)
def test_any_other_failure_is_said(says: Any, status: int, reason: str, told: str) -> None:
    says(status, stderr=reason)
    with pytest.raises(HostError, match=told):
        nft_command.listing("ip", "filter")
