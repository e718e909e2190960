# SPDX-License-Identifier: Apache-2.0
"""The Lua scripts: every change of a shard's state is one of them, so that it happens whole or not at all."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal


@cache
def script(name: Literal["take", "finish", "cancel"]) -> str:
    """The text of a script, the functions of ``moves.lua`` in front of it."""
    here = files(__name__)
    return (here / "moves.lua").read_text("utf-8") + (here / f"{name}.lua").read_text("utf-8")
