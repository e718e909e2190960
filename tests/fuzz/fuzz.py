# SPDX-License-Identifier: Apache-2.0
"""Looks for inputs that break a decoder or an engine, led by the coverage of qfleet's own code.

    python tests/fuzz/fuzz.py [--seconds 600] [--seed 0]

An input that finds something new is kept in ``tests/fuzz/work``, which git ignores; one that breaks something is
written to ``tests/fuzz/found``. Once it is mended, copy that to ``tests/fuzz/corpus``, as ``found-`` and what it was.
Those named ``kept-`` there were new to the coverage once.
"""

from __future__ import annotations

import argparse
import sys
import traceback
import warnings
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

try:
    import atheris
except ImportError:
    raise SystemExit("this needs atheris, which has wheels for Linux on x86_64: pip install -e '.[dev]'") from None

with atheris.instrument_imports(include=["qfleet", "qfleet_worker"], enable_loader_override=False):
    import fuzz_cases


import numpy as np  # noqa: E402
import replay  # noqa: E402
from fuzz_limits import seconds_of_cpu  # noqa: E402
from fuzz_mutation import fresh_shard, mutated  # noqa: E402

from qfleet_worker.lifecycle.limits import limit_memory  # noqa: E402

#: Of ten inputs so many are new shards rather than changed ones.
_FRESH: Final = 0.05


def main() -> None:
    """Fuzz for some time; a finding ends the process with its traceback and a code other than 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    options = parser.parse_args()
    work, found = FOLDER / "work", FOLDER / "found"
    work.mkdir(exist_ok=True)
    found.mkdir(exist_ok=True)
    engines = replay.engines()
    limit_memory(fuzz_cases.MEMORY_BYTES)
    warnings.simplefilter("error")

    def run(data: bytes) -> None:
        try:
            with seconds_of_cpu(replay.SECONDS):
                fuzz_cases.check(data, engines)
        except BaseException:
            # What comes after this shows neither the cause nor an error that isn't an Exception.
            traceback.print_exc()
            raise

    def mutate(data: bytes, _: int, seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        return fresh_shard(rng) if rng.random() < _FRESH or len(data) < 2 else mutated(data, rng)

    atheris.Setup(
        [
            sys.argv[0],
            str(work),
            str(replay.CORPUS),
            f"-max_total_time={options.seconds}",
            f"-seed={options.seed}",
            f"-artifact_prefix={found}/",
            "-max_len=65536",
            "-timeout=120",
            "-rss_limit_mb=0",
            "-print_final_stats=1",
        ],
        run,
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
