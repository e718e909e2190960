# SPDX-License-Identifier: Apache-2.0
"""Writes the inputs that the fuzzer begins with. Findings lie beside them under names of their own, and stay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

import make_golden  # noqa: E402
import msgspec  # noqa: E402
import numpy as np  # noqa: E402
from fuzz_mutation import fresh_shard  # noqa: E402
from fuzz_records import samples  # noqa: E402
from make_jobs import make_circuit_work, make_shard_work  # noqa: E402

from qfleet.wire.program.program import Program  # noqa: E402

URLS = (
    "redis://localhost",
    "redis://:sesame@host:6379/3",
    "rediss://user:sesame@host/0?ssl_cert_reqs=none&ssl_check_hostname=false",
    "redis+socket:///run/redis.sock?db=2",
    "unix:///run/redis.sock",
    "sentinel://:sesame@a:1,b,c:3/1?master_name=main",
    "redis://[::1]:6380/0",
)
PRESENCES = (
    b'{"name":"w@h","version":"0.1","concurrency":2,"memory_bytes":1024,"seen":1.5,"holds":["a.0"]}',
    b'{"name":"w","version":"","concurrency":0,"memory_bytes":0,"seen":0}',
)


def work_of(program: Program, output: str) -> dict[str, Any]:
    """Return the work of running a golden program at one point."""
    values = np.linspace(0.1, 0.9, program.num_parameters).astype("<f8").tobytes()
    work = make_shard_work(make_circuit_work(program="0", shots=20, values=values), output=output, memory=True)
    tree: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(work))
    tree["circuits"][0]["program"] = 0
    return tree


def inputs() -> dict[str, bytes]:
    """Return the inputs by the names of their files."""
    made: dict[str, bytes] = {}
    for name, message in make_golden.MESSAGES.items():
        blob = make_golden.encoded(message)
        made[f"raw-{name}"] = b"B" + blob
        if isinstance(message, Program):
            output = "means" if name in ("means", "squares") else "counts"
            made[f"shard-{name}"] = b"S" + msgspec.msgpack.encode(
                [work_of(message, output), [msgspec.msgpack.decode(blob[4:])]]
            )
    for seed in range(60):
        made[f"random-{seed}"] = fresh_shard(np.random.default_rng(seed))
    for name, (record, results) in samples().items():
        trees = [msgspec.msgpack.decode(msgspec.msgpack.encode(each)) for each in (record, results)]
        made[f"job-{name}"] = b"A" + msgspec.msgpack.encode(trees)
    made |= {f"url-{number}": b"U" + url.encode() for number, url in enumerate(URLS)}
    made |= {f"presence-{number}": b"N" + raw for number, raw in enumerate(PRESENCES)}
    return made


if __name__ == "__main__":
    for name, data in inputs().items():
        (FOLDER / "corpus" / name).write_bytes(data)
