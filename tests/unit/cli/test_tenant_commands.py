# SPDX-License-Identifier: Apache-2.0
"""The commands for tenants: their shares, quotas and users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

URL = "redis://broker:6379/0"


def error_of(result: Any) -> dict[str, str]:
    error: dict[str, str] = json.loads(result.stderr.splitlines()[-1])["error"]
    return error


class TestTenant:
    def test_its_weight_and_what_it_used(self, qfleet_command: Any, fleet: Any) -> None:
        shown = qfleet_command("tenant", "lab", "--url", URL).stdout
        assert shown == "Tenant lab has the weight 1, and has used 0.0 core seconds.\n"
        fleet.used["lab"] = 12.345
        shown = qfleet_command("tenant", "lab", "--weight", "2.5", "--url", URL).stdout
        assert shown.endswith("the weight 2.5, and has used 12.3 core seconds.\n")
        document = json.loads(qfleet_command("tenant", "lab", "--url", URL, "--json").stdout)
        assert document == {
            "tenant": "lab",
            "weight": 2.5,
            "usage_seconds": 12.345,
            "quotas": {"running": None, "circuits": None, "bytes": None},
        }
        assert fleet.weights == {"lab": 2.5}

    def test_its_quotas(self, qfleet_command: Any, fleet: Any) -> None:
        shown = qfleet_command("tenant", "lab", "--running", "4", "--bytes", "2GiB", "--url", URL).stdout
        assert shown.splitlines()[1:] == ["running:  at most 4", f"bytes:    at most {2 << 30}"]
        for none in ("none", "0"):
            assert qfleet_command("tenant", "lab", "--running", none, "--circuits", "9", "--url", URL).exit_code == 0
            assert fleet.quotas["lab"] == (None, 9, 2 << 30)
        for wrong in (["--running", "-1"], ["--running", "2G"], ["--bytes", "2X"], ["--circuits", "many"]):
            refused = qfleet_command("tenant", "lab", *wrong, "--url", URL)
            assert (refused.exit_code, "a whole number, or none, is needed" in refused.stderr) == (2, True)


class TestAcl:
    def test_the_users_of_the_page(self, qfleet_command: Any) -> None:
        page = (Path(__file__).parents[3] / "docs" / "redis.md").read_text("utf-8")
        lines = [line for line in page.splitlines() if line.startswith("ACL SETUSER")]
        printed = [*qfleet_command("acl").stdout.splitlines(), *qfleet_command("acl", "alice").stdout.splitlines()]
        assert [re.sub(r">\S+", ">PASSWORD", line) for line in lines] == printed

    def test_as_json(self, qfleet_command: Any) -> None:
        (rules,) = json.loads(qfleet_command("acl", "bob", "--json").stdout).values()
        assert rules[:3] == ["reset", "on", ">PASSWORD"]
        assert {"%R~qfleet:{bob}:*", "(~qfleet:bell +lpush)"} < set(rules)

    def test_a_name_that_no_tenant_has(self, qfleet_command: Any) -> None:
        refused = qfleet_command("acl", "a b}:*")
        assert (refused.exit_code, refused.stdout) == (2, "")
