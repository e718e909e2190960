# SPDX-License-Identifier: Apache-2.0
"""Identity of a machine or container.

Process ids have the same meaning everywhere in it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from functools import cache
from pathlib import Path
from typing import Final

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = "/proc/self/ns/pid"


@cache
def machine_id(boot: Path = _BOOT) -> str:
    """Return a name that processes with common process ids share.

    They share it if, and only if, they see each other's process ids. On Linux it stands for the boot of the kernel and
    the namespace of process ids. Host names don't tell: containers may have equal ones, and in each of them the worker
    is process 1.

    Args:
        boot: Linux's file with the id of the boot.
    """
    try:
        parts = [boot.read_text("ascii").strip(), os.readlink(_NAMESPACE)]
    except OSError:
        parts = [socket.gethostname(), f"{uuid.getnode():x}"]
    return hashlib.blake2b("/".join(parts).encode(), digest_size=8).hexdigest()
