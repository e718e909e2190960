# SPDX-License-Identifier: Apache-2.0
"""What this machine, or this container, has for a worker: memory and cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

import psutil
from celery.utils.sysinfo import cpu_budget

#: The rest is for the operating system, Python and Redis.
USABLE_FRACTION: Final = 0.8

_ROOT: Final = Path("/")


def usable_bytes(root: Path = _ROOT) -> int:
    """Return the bytes that the shards of one worker may use together, on a machine with this worker alone.

    The lowest limit of the control groups that this process is in counts, of their parents too: a container's own, that
    of its pod, and that of a systemd slice.

    Args:
        root: where ``/proc`` and ``/sys`` are.
    """
    limits = [psutil.virtual_memory().total]
    for path in _memory_limits(root):
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():
            limits.append(int(text))
    return int(min(limits) * USABLE_FRACTION)


def usable_cores() -> int:
    """Return the number of cores that this process may use: those of its affinity, and no more than its CPU quota.

    A quota is that of cgroup v1 or v2, of the process's own group or a parent's; a part of a core counts as one.
    """
    return int(cpu_budget().count)


def _memory_limits(root: Path) -> Iterator[Path]:
    """Yield the files that may state a limit, of the process's control groups and all their parents."""
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    # Without a line of its own, a container sees its group as the root of what is mounted.
    places = [(groups, "memory.max", "/"), (groups / "memory", "memory.limit_in_bytes", "/")]
    for line in lines:
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            places += [(groups, "memory.max", path), (groups / "unified", "memory.max", path)]
        elif "memory" in controllers.split(","):
            places.append((groups / "memory", "memory.limit_in_bytes", path))
    for folder, name, path in places:
        inside = PurePosixPath(*[part for part in path.split("/") if part not in ("", "..")])
        for group in (inside, *inside.parents):
            yield folder / group / name
