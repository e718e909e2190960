# SPDX-License-Identifier: Apache-2.0
"""Trust in files that nobody else could have written.

Machine code that is loaded runs as this user.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


def distrust(path: Path) -> str:
    """Return why a file or folder can't be trusted; empty if trusted.

    It is trusted if only this user and root can have written it. A folder above it may be open to all if it is sticky,
    as /tmp is: nobody can replace there what isn't theirs.
    """
    real = Path(os.path.realpath(path))
    for place in (real, *real.parents):
        try:
            reason = distrust_alone(place, sticky_is_safe=place != real)
        except OSError as exc:
            return f"{place} can't be looked at: {exc.strerror}"
        if reason:
            return reason
    return ""


def distrust_alone(path: Path, *, sticky_is_safe: bool = False) -> str:
    """Return why a path can't be trusted, whatever is above it.

    It is empty if the path can be trusted. A link isn't followed, and not trusted.

    Raises:
        OSError: the path doesn't exist.
    """
    found = path.lstat()
    if found.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to another user (uid {found.st_uid})"
    if sticky_is_safe and found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return f"{path} can be written by everybody"
    if found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid):
        return f"{path} can be written by the group {found.st_gid}"
    return ""


def _is_own_group(gid: int) -> bool:
    """Tell whether a group is root's, or this user's private one.

    A private group has the name of the user, and no other members.
    """
    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and user.pw_gid == gid and not set(group.gr_mem) - {user.pw_name}
