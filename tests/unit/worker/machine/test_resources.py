# SPDX-License-Identifier: Apache-2.0
"""Memory and cores that a worker may use, with and without the limits of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from waiting import until

from qfleet_worker.machine import resources as machine
from qfleet_worker.machine.cgroups import cpu_quota, killed_for_memory, memory_limit
from qfleet_worker.machine.resources import USABLE_FRACTION, most_bytes, usable_bytes, usable_cores

LIMIT = 256 * 2**20

NEW = "25 20 0:22 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#: As systemd mounts cgroup v1.
OLD = (
    "24 20 0:21 / /sys/fs/cgroup rw - tmpfs tmpfs ro,mode=755\n"
    "26 24 0:23 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "27 24 0:24 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "28 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def _system(root: Path, mounts: str, groups: str, files: dict[str, str]) -> Path:
    """Write what ``/proc`` and the mounted groups say."""
    all_files = {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups}
    for name, text in (all_files | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "expected"),
    [(f"{LIMIT}\n", LIMIT), ("max\n", None), ("", None), ("-1", None), ("²", None)],
    ids=["limited", "max", "empty", "negative", "not ascii"],
)
@pytest.mark.parametrize(
    ("mounts", "groups", "name"),
    [
        (NEW.format(root="/"), "0::/\n", "memory.max"),
        (OLD.format(root="/docker/abc"), "4:memory:/docker/abc\n0::/\n", "memory/memory.limit_in_bytes"),
    ],
    ids=["v2", "v1"],
)
def test_the_limit_of_a_container(
    mounts: str, groups: str, name: str, text: str, expected: int | None, tmp_path: Path
) -> None:
    assert memory_limit(_system(tmp_path, mounts, groups, {name: text})) == expected


@pytest.mark.parametrize(
    ("mounts", "groups", "limited"),
    [
        (NEW.format(root="/"), "0::/fleet.slice/worker.service", "fleet.slice/worker.service"),
        (NEW.format(root="/"), "0::/fleet.slice/worker.service", "fleet.slice"),
        (NEW.format(root="/"), "0::/fleet.slice/worker.service", "."),
        (NEW.format(root="/pod/box"), "0::/pod/box/inner", "inner"),
        (NEW.format(root="/pod/box"), "0::/pod/box/inner", "."),
        (NEW.format(root="/pod/box"), "0::/elsewhere", "."),
        (NEW.format(root="/"), "0::/../outside", "."),
        (NEW.format(root="/"), "", "."),
        (NEW.format(root="/"), "nonsense\n0::/a\n::\n", "a"),
    ],
)
def test_limits_of_a_group_and_of_its_parents(mounts: str, groups: str, limited: str, tmp_path: Path) -> None:
    files = {f"{limited}/memory.max": str(LIMIT), "other/memory.max": "1", f"{limited}/cpu.max": "150000 100000"}
    root = _system(tmp_path, mounts, groups, files)
    assert (memory_limit(root), cpu_quota(root)) == (LIMIT, 1.5)


@pytest.mark.parametrize(
    ("root", "groups", "limited"),
    [
        ("/", "3:cpu,cpuacct:/slice/unit\n4:memory:/slice/unit\n", "slice/unit"),
        ("/", "3:cpu,cpuacct:/slice/unit\n4:memory:/slice/unit\n", "slice"),
        ("/docker/abc", "3:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n", "."),
    ],
)
def test_limits_of_cgroup_v1(root: str, groups: str, limited: str, tmp_path: Path) -> None:
    files = {
        f"memory/{limited}/memory.limit_in_bytes": str(LIMIT),
        f"cpu,cpuacct/{limited}/cpu.cfs_quota_us": "50000",
        f"cpu,cpuacct/{limited}/cpu.cfs_period_us": "100000",
    }
    found = _system(tmp_path, OLD.format(root=root), groups, files)
    assert (memory_limit(found), cpu_quota(found)) == (LIMIT, 0.5)


@pytest.mark.parametrize(("root", "group"), [("/..", "box"), ("/../..", "pod/box")])
def test_groups_that_are_mounted_from_outside_of_the_namespace(root: str, group: str, tmp_path: Path) -> None:
    files = {
        f"{group}/cgroup.procs": f"1\n{os.getpid()}\n",
        f"{group}/memory.max": str(LIMIT),
        "other/box/cgroup.procs": "77\n",
        "other/cgroup.procs": "78\n",
        "other/memory.max": "1",
        "other/box/memory.max": "1",
    }
    assert memory_limit(_system(tmp_path, NEW.format(root=root), "0::/\n", files)) == LIMIT


def test_the_lowest_limit_holds(tmp_path: Path) -> None:
    files = {
        "pod/memory.max": str(LIMIT),
        "pod/box/memory.max": str(2 * LIMIT),
        "pod/cpu.max": "300000 100000",
        "pod/box/cpu.max": "max 100000",
        "cpu.max": "200000 100000",
    }
    root = _system(tmp_path, NEW.format(root="/"), "0::/pod/box\n", files)
    assert (memory_limit(root), cpu_quota(root)) == (LIMIT, 2.0)


@pytest.mark.parametrize("text", ["max 100000", "", "100000", "-1 100000", "100000 0", "x y"])
def test_without_a_quota(text: str, tmp_path: Path) -> None:
    assert cpu_quota(_system(tmp_path, NEW.format(root="/"), "0::/\n", {"cpu.max": text})) is None


@pytest.mark.parametrize(
    ("mounts", "groups", "name"),
    [
        (NEW.format(root="/"), "0::/unit\n", "unit/memory.events"),
        (NEW.format(root="/"), "0::/unit/empty\n", "unit/memory.events"),
        (OLD.format(root="/docker/abc"), "4:memory:/docker/abc\n0::/\n", "memory/memory.oom_control"),
    ],
    ids=["new", "of the parent", "old"],
)
@pytest.mark.parametrize(
    ("text", "expected"), [("oom 9\noom_kill 3\noom_group_kill 4\n", 3), ("under_oom 0\n", None), ("oom_kill x", None)]
)
def test_what_was_killed_in_a_group(
    mounts: str, groups: str, name: str, text: str, expected: int | None, tmp_path: Path
) -> None:
    root = _system(tmp_path, mounts, groups, {name: text, "other/memory.events": "oom_kill 8\n"})
    assert killed_for_memory(root) == expected


def test_without_control_groups(tmp_path: Path) -> None:
    assert (memory_limit(tmp_path), cpu_quota(tmp_path), killed_for_memory(tmp_path)) == (None, None, None)


def test_what_is_usable_is_the_less_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    total, cores = psutil.virtual_memory().total, len(os.sched_getaffinity(0))
    for limit, expected in ((None, total), (LIMIT, LIMIT), (2**62, total)):
        monkeypatch.setattr(machine, "memory_limit", lambda limit=limit: limit)
        assert usable_bytes() == int(expected * USABLE_FRACTION)
    monkeypatch.setattr(machine, "available_cpu_count", lambda: 8)
    for quota, count in ((None, 8), (0.1, 1), (1.0, 1), (2.5, 3), (64.0, 8)):
        monkeypatch.setattr(machine, "cpu_quota", lambda quota=quota: quota)
        assert usable_cores() == count
    monkeypatch.undo()
    assert usable_cores() <= cores


def test_what_there_is_at_most_is_more_than_is_used_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    total = psutil.virtual_memory().total + psutil.swap_memory().total
    for limit, expected in ((None, total), (LIMIT, LIMIT), (2**62, total)):
        monkeypatch.setattr(machine, "memory_limit", lambda limit=limit: limit)
        assert most_bytes() == expected
        assert usable_bytes() < expected


@pytest.mark.parametrize("name", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_counts_beyond_what_it_uses(name: str) -> None:
    text = (
        "import resource, sys\n"
        "from qfleet_worker.machine.resources import most_bytes, usable_bytes\n"
        "limit = 2 * 2**30\n"
        "resource.setrlimit(getattr(resource, sys.argv[1]), (limit, limit))\n"
        "print(limit - most_bytes(), most_bytes() - usable_bytes())\n"
    )
    said = subprocess.run([sys.executable, "-c", text, name], capture_output=True, text=True, check=True)
    used, kept = map(int, said.stdout.split())
    assert 0 < used < 2**30
    assert kept > 0


def test_a_real_group_of_the_kernel() -> None:
    groups = Path("/sys/fs/cgroup")
    is_new = (groups / "cgroup.controllers").exists()
    group = (groups if is_new else groups / "cpu") / f"qfleet-test-{os.getpid()}"
    limits = {"cpu.max": "150000 100000"} if is_new else {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000"}
    try:
        group.mkdir()
    except OSError as exc:
        pytest.skip(f"this user may make no control group: {exc}")
    try:
        for name, text in limits.items():
            (group / name).write_text(text)
    except OSError as exc:
        group.rmdir()
        pytest.skip(f"no CPU limit can be set here: {exc}")
    text = (
        "import pathlib, sys\n"
        "pathlib.Path(sys.argv[1], 'cgroup.procs').write_text('0')\n"
        "from qfleet_worker.machine.cgroups import cpu_quota\n"
        "print(cpu_quota())\n"
    )
    try:
        said = subprocess.run([sys.executable, "-c", text, str(group)], capture_output=True, text=True, check=True)
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the process has left the group")
        group.rmdir()
    assert said.stdout == "1.5\n"
