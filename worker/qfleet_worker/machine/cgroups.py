# SPDX-License-Identifier: Apache-2.0
"""The limits and events of this process's control groups.

The module reads cgroup v1 and v2, inside and outside of containers. A limit holds for a group and for all groups inside
of it. So the limits of the parents count too, such as those of a pod or of a systemd slice. The places of the groups
are read from ``/proc``, as described in cgroups(7) and proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class _Mount:
    """A place where the groups of some controllers can be seen."""

    #: the root of the mounted file system, as this process sees it: ``..`` stands for groups outside of its namespace
    root: PurePosixPath
    folder: Path
    #: ``None`` for cgroup v2, which has all controllers
    controllers: frozenset[str] | None


def memory_limit(root: Path = _ROOT) -> int | None:
    """Return the lowest memory limit of this process, in bytes.

    Args:
        root: the folder that holds ``proc`` and the paths named there.

    Returns:
        ``None`` if there is no limit.
    """
    limits = []
    for folder, is_new in _groups("memory", root):
        text = _read(folder / ("memory.max" if is_new else "memory.limit_in_bytes"))
        if text.isdecimal():
            limits.append(int(text))
    return min(limits, default=None)


def killed_for_memory(root: Path = _ROOT) -> int | None:
    """Return the processes of this process's group killed for want of memory.

    Args:
        root: the folder that holds ``proc`` and the paths named there.

    Returns:
        ``None`` if no group tells, as outside of all groups.
    """
    for folder, is_new in _groups("memory", root):
        text = _read(folder / ("memory.events" if is_new else "memory.oom_control"))
        found = next((line.split()[1] for line in text.splitlines() if line.startswith("oom_kill ")), "")
        if found.isdecimal():
            return int(found)
    return None


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return the lowest CPU quota of this process, in cores.

    Args:
        root: the folder that holds ``proc`` and the paths named there.

    Returns:
        ``None`` if there is no quota.
    """
    quotas = []
    for folder, is_new in _groups("cpu", root):
        if is_new:
            quota, _, period = _read(folder / "cpu.max").partition(" ")
        else:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal() and int(period):
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _groups(controller: str, root: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the folder of each group of this process, and its parents.

    Each folder comes with True for cgroup v2, False for v1.
    """
    paths = _paths(root)
    for mount in _mounts(root):
        if mount.controllers is not None and controller not in mount.controllers:
            continue
        path = paths.get("" if mount.controllers is None else controller, PurePosixPath("/"))
        outside = mount.root.parts.count("..")
        if outside:
            # The process is in a namespace of groups, and the mount comes from outside of it.
            folder = _find(mount.folder, outside)
        else:
            folder = mount.folder / (path.relative_to(mount.root) if path.is_relative_to(mount.root) else "")
        while folder is not None:
            yield folder, mount.controllers is None
            folder = folder.parent if folder != mount.folder else None


def _paths(root: Path) -> dict[str, PurePosixPath]:
    """Return the path of this process's group for each controller.

    The empty name stands for cgroup v2.
    """
    paths: dict[str, PurePosixPath] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path.startswith("/") and ".." not in path.split("/"):
            names = controllers.split(",") if hierarchy != "0" else [""]
            paths |= dict.fromkeys(names, PurePosixPath(path))
    return paths


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(kind) > 2 and kind[0] in ("cgroup", "cgroup2"):
            controllers = None if kind[0] == "cgroup2" else frozenset(kind[2].split(","))
            yield _Mount(PurePosixPath(fields[3]), root / fields[4].lstrip("/"), controllers)


def _find(folder: Path, depth: int) -> Path | None:
    """Find the folder of this process's group at a depth below another."""
    process = str(os.getpid())
    return next(
        (path.parent for path in folder.glob("*/" * depth + "cgroup.procs") if process in _read(path).split()), None
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
