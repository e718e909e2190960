# SPDX-License-Identifier: Apache-2.0
"""Garbage collection, put off where many objects are made that stay.

Not public.

Python looks through all objects each time that their number has grown by a quarter. For thousands of circuits that
takes as long as reading them, and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off_collection() -> Iterator[None]:
    """Put off garbage collection in this process until the end."""
    if not gc.isenabled():
        # The user's choice, or that of a caller in another thread.
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
